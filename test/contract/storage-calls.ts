import type { Position } from "../../pkg/base/index.js";
import type { ApplyResult, Entry } from "../../pkg/replication/ports/index.js";
import type { Operation, Properties, Storage } from "../../pkg/storage/index.js";
import type { Entries } from "./entries.js";

type Body = (storage: Storage, entries: Entries) => Promise<void>;
/** A title, and what is done to a storage that was just opened. */
export type StorageCase = readonly [title: string, body: Body];

export const put = (
  id: string,
  properties: Properties = {},
  labels: readonly string[] = [],
): Operation => ({
  op: "put_node",
  id,
  labels,
  properties,
});
export const edge = (id: string, from: string, to: string, type = "KNOWS"): Operation => ({
  op: "put_edge",
  id,
  from,
  to,
  type,
});

export async function at(storage: Storage): Promise<Position> {
  return await storage.getWALPosition();
}

export async function apply(
  storage: Storage,
  ...entries: Entry[]
): Promise<readonly ApplyResult[]> {
  return await storage.applyBatch(entries);
}

export function codes(results: readonly ApplyResult[]): string[] {
  return results.map((r) => (r.ok ? "ok" : r.code));
}
