import { type RegionLog, StateMachineError } from "../../replication/ports/index.js";

/** That of whoever writes now: a restore puts another writer in its place. */
export function latestRegionLog(latest: () => RegionLog | undefined): RegionLog {
  const current = () => {
    const log = latest();
    if (log !== undefined) return log;
    throw new StateMachineError("STORAGE_FAILED", "this file does not hold a region");
  };
  return {
    get resolves() {
      return latest()?.resolves;
    },
    facts: () => current().facts(),
    changes: (...question) => current().changes(...question),
  };
}
