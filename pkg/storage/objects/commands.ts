import { ReplicationError } from "../../replication/errors.js";
import { type Envelope, type Fields, invalid, toObject } from "../envelope.js";
import { checkPlainText } from "../validate.js";
import type { ObjectOperation } from "./catalogue.js";
import { OBJECT_LIMITS } from "./limits.js";

/** The catalogue's command numbers, from the range for state machines beside the graph. */
export const ObjectCommandType = {
  putStart: 128,
  putEnd: 129,
  putRevoke: 130,
  remove: 131,
  mountSegment: 132,
  unmountSegment: 133,
  evict: 134,
} as const;

type Op = ObjectOperation["op"];

const TYPES: Readonly<Record<Op, number>> = {
  put_start: ObjectCommandType.putStart,
  put_end: ObjectCommandType.putEnd,
  put_revoke: ObjectCommandType.putRevoke,
  remove: ObjectCommandType.remove,
  mount_segment: ObjectCommandType.mountSegment,
  unmount_segment: ObjectCommandType.unmountSegment,
  evict: ObjectCommandType.evict,
};
const OPS = new Map<unknown, Op>(Object.entries(TYPES).map(([op, type]) => [type, op as Op]));

type Check = (value: unknown, field: string) => void;

const FIELDS: Readonly<Record<Op, Readonly<Record<string, Check>>>> = {
  put_start: { key: checkKey, replicas: checkReplicas },
  put_end: { key: checkKey, put: checkCount },
  put_revoke: { key: checkKey, put: checkCount },
  remove: {
    key: checkKey,
    version: (value, field) => value === undefined || checkCount(value, field),
  },
  mount_segment: { segment: checkKey, bytes: checkBytes, address: checkAddress },
  unmount_segment: { segment: checkKey },
  evict: { objects: checkVictims },
};

/**
 * The command for one operation, for `Replicator.apply`.
 * @throws ReplicationError `INVALID` | `TOO_LARGE` naming the field
 */
export function encodeObjectOperation(operation: ObjectOperation): {
  readonly type: number;
  readonly data: Uint8Array;
} {
  const { op, ...fields } = operation;
  if (!Object.hasOwn(TYPES, op)) {
    throw new ReplicationError("INVALID", `op must be one of ${Object.keys(TYPES).join(", ")}`, {
      field: "op",
    });
  }
  checkFields(op, fields);
  return { type: TYPES[op], data: Buffer.from(JSON.stringify(fields)) };
}

/** @throws ReplicationError when the command is none of the catalogue's */
export function readOperation(envelope: Envelope): ObjectOperation {
  const op = OPS.get(envelope.type);
  if (op === undefined) throw invalid(`unknown command type ${String(envelope.type).slice(0, 20)}`);
  const fields = toObject(envelope.data);
  checkFields(op, fields);
  return { ...fields, op } as unknown as ObjectOperation;
}

function checkFields(op: Op, fields: Fields): void {
  const checks = FIELDS[op];
  for (const name of Object.keys(fields)) {
    if (!Object.hasOwn(checks, name)) throw wrong(name, `is not a field of ${op}`);
  }
  for (const [name, check] of Object.entries(checks)) check(fields[name], name);
}

function checkKey(value: unknown, field: string): void {
  checkPlainText(value, asIs, field, OBJECT_LIMITS.keyBytesMax);
}

function checkAddress(value: unknown, field: string): void {
  checkPlainText(value, asIs, field, OBJECT_LIMITS.addressBytesMax);
}

function asIs(field: string): string {
  return field;
}

function checkCount(value: unknown, field: string): void {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return;
  throw wrong(field, "must be a whole number from 0 to 2^53 - 1");
}

function checkBytes(value: unknown, field: string): void {
  checkCount(value, field);
  if (value === 0) throw wrong(field, "must be at least 1");
}

function checkReplicas(value: unknown, field: string): void {
  const replicas = checkList(value, field, OBJECT_LIMITS.replicasMax, [
    "segment",
    "offset",
    "bytes",
  ]);
  const segments = new Set<unknown>();
  for (const [at, { segment, offset, bytes }] of replicas.entries()) {
    const name = `${field}[${at}]`;
    checkKey(segment, `${name}.segment`);
    checkCount(offset, `${name}.offset`);
    checkBytes(bytes, `${name}.bytes`);
    if (segments.has(segment)) throw wrong(`${name}.segment`, "has a copy already");
    segments.add(segment);
  }
}

function checkVictims(value: unknown, field: string): void {
  const victims = checkList(value, field, OBJECT_LIMITS.evictedMax, ["key", "version"]);
  for (const [at, { key, version }] of victims.entries()) {
    checkKey(key, `${field}[${at}].key`);
    checkCount(version, `${field}[${at}].version`);
  }
}

function checkList(
  value: unknown,
  field: string,
  most: number,
  names: readonly string[],
): readonly Fields[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw wrong(field, "must be a list with at least one item");
  }
  if (value.length > most) {
    throw new ReplicationError("TOO_LARGE", `${field} has more than ${most} items`, { field });
  }
  for (const [at, item] of value.entries()) {
    const isMap = typeof item === "object" && item !== null && !Array.isArray(item);
    const unknown = isMap ? Object.keys(item).find((name) => !names.includes(name)) : undefined;
    if (isMap && unknown === undefined) continue;
    throw wrong(`${field}[${at}]`, `must be an object with ${names.join(", ")} and nothing else`);
  }
  return value;
}

function wrong(field: string, problem: string): ReplicationError {
  return new ReplicationError("INVALID", `${field} ${problem}`, { field });
}
