import path from "node:path";
import { SalvageFiles } from "../../../pkg/replication/ha-standby/salvage/salvage-files.js";
import { nodeFileSystem, systemClock } from "../../../pkg/runtime/node/index.js";
import type { RaftNode } from "./raft-cluster.js";

/** Request ids of all writes that these nodes have set aside. */
export function salvagedOn(nodes: readonly RaftNode[]): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const { dataDir } of nodes) {
    const directory = path.join(dataDir, "replication", "salvage");
    const files = new SalvageFiles({ fileSystem: nodeFileSystem(), directory, clock: systemClock });
    for (const { id } of files.list()) {
      for (const { kind, payload } of files.entries(id)) {
        if (kind === "command") ids.add(requestIdOf(payload));
      }
    }
  }
  return ids;
}

function requestIdOf(payload: Uint8Array): string {
  const { RequestID } = JSON.parse(Buffer.from(payload).toString("utf8")) as { RequestID: string };
  return RequestID;
}
