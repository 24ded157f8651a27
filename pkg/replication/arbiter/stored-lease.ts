import { type JsonObject, type NodeId, parseNodeId } from "../../base/index.js";
import type { PayloadFields } from "../wire/index.js";
import type { StoredLease } from "./lease.js";
import { ARBITER_LIMITS } from "./limits.js";

/** A record as it is kept, on the disk of the witness and in etcd. */
export function storedJson(stored: StoredLease): JsonObject {
  return {
    epoch: stored.epoch,
    holder: stored.holder,
    in_sync: stored.inSync,
    ttl_ms: stored.ttlMs,
    released: stored.released,
  };
}

/** @throws ReplicationError `INVALID` naming the field */
export function toStored(fields: PayloadFields): StoredLease {
  return {
    epoch: fields.term("epoch"),
    holder: fields.nodeId("holder"),
    inSync: nodeIds(fields, "in_sync"),
    ttlMs: fields.count("ttl_ms"),
    released: fields.flag("released"),
  };
}

/** @throws ReplicationError `INVALID` naming the field */
export function nodeIds(fields: PayloadFields, name: string): readonly NodeId[] {
  return fields.list(name, ARBITER_LIMITS.inSyncMax).map((value) => {
    const id = typeof value === "string" ? parseNodeId(value) : undefined;
    if (id === undefined) throw fields.bad(name, "a list of node ids");
    return id;
  });
}
