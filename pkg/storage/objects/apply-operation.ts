import { unreachable } from "../../base/index.js";
import { ReplicationError } from "../../replication/errors.js";
import type { ObjectEffect, ObjectOperation, ObjectResult, Replica } from "./catalogue.js";
import type { CatalogueDraft } from "./draft.js";
import {
  liveReplicas,
  type MountedReplica,
  type ObjectRecord,
  objectRecord,
  replicasText,
  segmentRecord,
} from "./records.js";

type Step<Op extends ObjectOperation["op"]> = Extract<ObjectOperation, { readonly op: Op }>;

/** What the leader fixed before the command was logged. */
export interface Stamp {
  readonly index: number;
  readonly timestampMs: number;
}

export interface AppliedOperation {
  readonly result: ObjectResult;
  readonly effects: readonly ObjectEffect[];
}

/**
 * Applies one operation to `draft`; after a refusal the draft must be dropped. Leases and pins are
 * not looked at: whoever proposed the command has done that.
 * @throws ReplicationError for a refusal
 */
export function applyObjectOperation(
  draft: CatalogueDraft,
  operation: ObjectOperation,
  stamp: Stamp,
): AppliedOperation {
  switch (operation.op) {
    case "put_start":
      return putStart(draft, operation, stamp);
    case "put_end":
      return putEnd(draft, operation, stamp);
    case "put_revoke":
      return putRevoke(draft, operation, stamp);
    case "remove":
      return remove(draft, operation, stamp);
    case "mount_segment":
      return mount(draft, operation, stamp);
    case "unmount_segment":
      return unmount(draft, operation);
    case "evict":
      return evict(draft, operation, stamp);
    default:
      return unreachable(operation);
  }
}

function putStart(draft: CatalogueDraft, op: Step<"put_start">, stamp: Stamp): AppliedOperation {
  const before = draft.objects.get(op.key);
  if (before !== undefined && isLive(draft, before)) {
    throw before.complete === 1
      ? refuse("CONFLICT", `object "${op.key}" exists; remove it first`)
      : refuse("CONFLICT", `object "${op.key}" is being put, as put ${before.put}`);
  }
  const replicas = op.replicas.map((replica) => allocate(draft, op.key, replica, stamp.index));
  const object = objectRecord({
    key: op.key,
    complete: 0,
    put: stamp.index,
    startedMs: stamp.timestampMs,
    replicas: replicasText(replicas),
    version: stamp.index,
  });
  draft.objects.set(op.key, object);
  return {
    result: { op: op.op, id: op.key, outcome: "created", version: stamp.index },
    effects: [{ kind: "put_started", key: op.key, replicas: op.replicas }],
  };
}

function putEnd(draft: CatalogueDraft, op: Step<"put_end">, stamp: Stamp): AppliedOperation {
  const before = putOf(draft, op);
  const replicas = liveReplicas(before, (name) => draft.segments.get(name)?.mount);
  if (replicas.length === 0) {
    throw refuse("NOT_FOUND", `put ${op.put} of "${op.key}" has lost its segments; revoke it`);
  }
  if (before.complete === 1) {
    const result = {
      op: op.op,
      id: op.key,
      outcome: "unchanged",
      version: before.version,
    } as const;
    return { result, effects: [] };
  }
  draft.objects.set(op.key, objectRecord({ ...before, complete: 1, version: stamp.index }));
  return {
    result: { op: op.op, id: op.key, outcome: "updated", version: stamp.index },
    effects: [{ kind: "put_ended", key: op.key, replicas }],
  };
}

function putRevoke(draft: CatalogueDraft, op: Step<"put_revoke">, stamp: Stamp): AppliedOperation {
  const before = putOf(draft, op);
  if (before.complete === 1) {
    throw refuse("CONFLICT", `put ${op.put} of "${op.key}" has ended; remove the object`);
  }
  drop(draft, before, stamp.index);
  return deleted(op.op, op.key, { kind: "put_revoked", key: op.key });
}

function remove(draft: CatalogueDraft, op: Step<"remove">, stamp: Stamp): AppliedOperation {
  const before = draft.objects.get(op.key);
  if (before === undefined || !isLive(draft, before)) {
    throw refuse("NOT_FOUND", `object "${op.key}" does not exist`);
  }
  if (before.complete === 0) {
    throw refuse("CONFLICT", `object "${op.key}" is being put; revoke put ${before.put}`);
  }
  if (op.version !== undefined && op.version !== before.version) {
    const text = `object "${op.key}" has version ${before.version}, not ${op.version}`;
    throw refuse("VERSION_MISMATCH", text);
  }
  drop(draft, before, stamp.index);
  return deleted(op.op, op.key, { kind: "object_removed", key: op.key });
}

function mount(draft: CatalogueDraft, op: Step<"mount_segment">, stamp: Stamp): AppliedOperation {
  const { segment, bytes, address } = op;
  const before = draft.segments.get(segment);
  if (before === undefined) {
    const { index } = stamp;
    const row = { segment, bytes, address, used: 0, mount: index, version: index };
    draft.segments.set(segment, segmentRecord(row));
    return {
      result: { op: op.op, id: segment, outcome: "created", version: index },
      effects: [{ kind: "segment_mounted", segment, bytes, address }],
    };
  }
  if (before.bytes !== bytes || before.address !== address) {
    throw refuse("CONFLICT", `segment "${segment}" is mounted otherwise; unmount it first`);
  }
  const result = { op: op.op, id: segment, outcome: "unchanged", version: before.version } as const;
  return { result, effects: [] };
}

function unmount(draft: CatalogueDraft, op: Step<"unmount_segment">): AppliedOperation {
  if (draft.segments.get(op.segment) === undefined) {
    throw refuse("NOT_FOUND", `segment "${op.segment}" is not mounted`);
  }
  draft.segments.set(op.segment, undefined);
  return deleted(op.op, op.segment, { kind: "segment_unmounted", segment: op.segment });
}

function evict(draft: CatalogueDraft, op: Step<"evict">, stamp: Stamp): AppliedOperation {
  const evicted: string[] = [];
  const kept: string[] = [];
  for (const { key, version } of op.objects) {
    const before = draft.objects.get(key);
    const isFree = before?.version === version && (before.complete === 1 || !isLive(draft, before));
    (isFree ? evicted : kept).push(key);
    if (isFree) drop(draft, before, stamp.index);
  }
  return {
    result: { op: op.op, evicted, kept },
    effects: evicted.map((key) => ({ kind: "object_evicted", key })),
  };
}

/** Takes room for a copy on its segment. */
function allocate(
  draft: CatalogueDraft,
  key: string,
  replica: Replica,
  index: number,
): MountedReplica {
  const { segment, offset, bytes } = replica;
  const before = draft.segments.get(segment);
  if (before === undefined) {
    throw refuse("CONFLICT", `object "${key}" needs segment "${segment}", which is not mounted`);
  }
  if (offset + bytes > before.bytes || before.used + bytes > before.bytes) {
    const free = before.bytes - before.used;
    throw refuse(
      "CONFLICT",
      `segment "${segment}" of ${before.bytes} bytes has ${free} free: ${bytes} at ${offset} do not fit`,
    );
  }
  const used = before.used + bytes;
  draft.segments.set(segment, segmentRecord({ ...before, used, version: index }));
  return { segment, offset, bytes, mount: before.mount };
}

/** Takes an object away and gives back its room where the segment is still the same one. */
function drop(draft: CatalogueDraft, object: ObjectRecord, index: number): void {
  for (const { segment, bytes } of liveReplicas(
    object,
    (name) => draft.segments.get(name)?.mount,
  )) {
    const before = draft.segments.get(segment);
    if (before === undefined) continue;
    const used = before.used - bytes;
    draft.segments.set(segment, segmentRecord({ ...before, used, version: index }));
  }
  draft.objects.set(object.key, undefined);
}

function putOf(draft: CatalogueDraft, op: { readonly key: string; readonly put: number }) {
  const object = draft.objects.get(op.key);
  if (object?.put === op.put) return object;
  throw refuse("NOT_FOUND", `object "${op.key}" has no put ${op.put}`);
}

function isLive(draft: CatalogueDraft, object: ObjectRecord): boolean {
  return liveReplicas(object, (name) => draft.segments.get(name)?.mount).length > 0;
}

function deleted(
  op: "put_revoke" | "remove" | "unmount_segment",
  id: string,
  effect: ObjectEffect,
): AppliedOperation {
  return { result: { op, id, outcome: "deleted", version: 0 }, effects: [effect] };
}

function refuse(code: ReplicationError["code"], message: string): ReplicationError {
  return new ReplicationError(code, message);
}
