import type { Awaitable } from "../base/index.js";
import type { Health, Replicator } from "../replication/index.js";
import { ReplicationError } from "../replication/index.js";
import type { Timers } from "../runtime/index.js";

export const CHECK_NAMES = ["loop", "storage", "log", "disk", "leader"] as const;
export type CheckName = (typeof CHECK_NAMES)[number];

/** `reason` says what is wrong; null when nothing is. */
export interface CheckResult {
  readonly name: CheckName;
  readonly ok: boolean;
  readonly reason: string | null;
}

export interface HealthSources {
  readonly replicator: Pick<Replicator, "health">;
  readonly storage: { getWALPosition(): Awaitable<unknown> };
  readonly timers: Timers;
  /** Free bytes on the volume of the data; without it the `disk` check looks at the state alone. */
  readonly freeBytes?: (() => Awaitable<number>) | undefined;
  readonly limits: { readonly checkTimeoutMs: number; readonly diskFreeBytesMin: number };
}

/**
 * Runs the named checks, each within `checkTimeoutMs`.
 * @returns one result a name, in the order asked
 */
export async function runChecks(
  names: readonly CheckName[],
  sources: HealthSources,
): Promise<readonly CheckResult[]> {
  const health = within(() => sources.replicator.health(), sources);
  return Promise.all(
    names.map(async (name) => {
      let reason: string | null;
      try {
        reason = await check(name, health, sources);
      } catch (error) {
        reason = error instanceof Error ? error.message : String(error);
      }
      return { name, ok: reason === null, reason };
    }),
  );
}

/** @throws ReplicationError `INVALID` naming the checks there are */
export function toCheckName(text: string): CheckName {
  const name = CHECK_NAMES.find((known) => known === text);
  if (name) return name;
  throw new ReplicationError("INVALID", `there is no check of that name`, {
    field: "check",
    hint: `the checks are ${CHECK_NAMES.join(", ")}`,
  });
}

async function check(
  name: CheckName,
  asked: Promise<Health>,
  sources: HealthSources,
): Promise<string | null> {
  if (name === "storage") {
    await within(() => sources.storage.getWALPosition(), sources);
    return null;
  }
  const health = await asked;
  switch (name) {
    case "loop":
      return null;
    case "log":
      if (health.state === "failed") return health.reason ?? "the node has failed";
      return health.state === "starting" ? "the log is being recovered" : null;
    case "disk":
      return disk(health, sources);
    case "leader":
      return health.leaderId === null ? "no leader is known" : null;
  }
}

async function disk(health: Health, sources: HealthSources): Promise<string | null> {
  if (health.state === "read_only") return health.reason ?? "writes are refused";
  if (!sources.freeBytes) return null;
  const free = await within(() => sources.freeBytes?.() ?? 0, sources);
  const min = sources.limits.diskFreeBytesMin;
  return free < min ? `${free} bytes are free, fewer than ${min}` : null;
}

function within<T>(run: () => Awaitable<T>, sources: HealthSources): Promise<T> {
  const { timers, limits } = sources;
  return new Promise<T>((resolve, reject) => {
    const cancel = timers.after(limits.checkTimeoutMs, () =>
      reject(new Error(`no answer within ${limits.checkTimeoutMs} ms`)),
    );
    Promise.resolve()
      .then(run)
      .then(resolve, reject)
      .finally(cancel)
      .catch(() => {});
  });
}
