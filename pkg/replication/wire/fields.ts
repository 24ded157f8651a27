import {
  isSafeCount,
  type JsonValue,
  type LogIndex,
  type NodeId,
  type Position,
  parseNodeId,
  type Term,
  toLogIndex,
  toTerm,
} from "../../base/index.js";
import { ReplicationError } from "../errors.js";
import type { PeerPayload } from "../ports/index.js";

/** @returns the error for a message of another node that is not what we understand */
export function badField(field: string, mustBe: string): ReplicationError {
  return new ReplicationError("INVALID", `${field} must be ${mustBe}`, { field });
}

/** The keys of a payload; those of its prototype are none of them. */
export type PayloadRecord = { readonly [key: string]: PeerPayload | undefined };

/** @throws ReplicationError `INVALID` when the value is no object */
export function toRecord(value: PeerPayload | undefined, where: string): PayloadRecord {
  const isRecord =
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array);
  if (!isRecord) throw badField(where, "an object");
  return value as PayloadRecord;
}

/**
 * The fields of a payload that another node sent, each checked where it is read.
 * Every method throws ReplicationError `INVALID` naming the field, such as `vote_request.term`.
 */
export class PayloadFields {
  readonly #where: string;
  readonly #values: PayloadRecord;

  constructor(value: PeerPayload | undefined, where: string) {
    this.#where = where;
    this.#values = toRecord(value, where);
  }

  /** The error to throw when the field is well formed but wrong. */
  bad(name: string, mustBe: string): ReplicationError {
    return badField(`${this.#where}.${name}`, mustBe);
  }

  value(name: string): PeerPayload | undefined {
    return Object.hasOwn(this.#values, name) ? this.#values[name] : undefined;
  }

  count(name: string): number {
    const value = this.value(name);
    if (!isSafeCount(value)) throw this.bad(name, "a whole number from 0 to 2^53 - 1");
    return value;
  }

  /** A missing field counts as 0: NornicDB leaves some out. */
  countOr0(name: string): number {
    return this.value(name) === undefined ? 0 : this.count(name);
  }

  term(name: string): Term {
    return toTerm(this.count(name));
  }

  index(name: string): LogIndex {
    return toLogIndex(this.count(name));
  }

  position(name: string): Position {
    const fields = this.fields(name);
    return { index: fields.index("index"), term: fields.term("term") };
  }

  flag(name: string): boolean {
    const value = this.value(name);
    if (typeof value !== "boolean") throw this.bad(name, "true or false");
    return value;
  }

  /** Text of `lengthMax` characters at most, all of them printable ASCII; may be empty. */
  text(name: string, lengthMax: number): string {
    const value = this.value(name);
    if (typeof value !== "string") throw this.bad(name, "a text");
    if (value.length > lengthMax || !/^[\x20-\x7e]*$/.test(value)) {
      throw this.bad(name, `at most ${lengthMax} printable ASCII characters`);
    }
    return value;
  }

  oneOf<T extends string>(name: string, choices: readonly T[]): T {
    const value = this.value(name);
    const found = choices.find((choice) => choice === value);
    if (found === undefined) throw this.bad(name, `one of ${choices.join(", ")}`);
    return found;
  }

  nodeId(name: string): NodeId {
    const value = this.value(name);
    const id = typeof value === "string" ? parseNodeId(value) : undefined;
    if (id === undefined) throw this.bad(name, "a node id");
    return id;
  }

  bytes(name: string): Uint8Array {
    const value = this.value(name);
    if (!(value instanceof Uint8Array)) throw this.bad(name, "bytes");
    return value;
  }

  fields(name: string): PayloadFields {
    return new PayloadFields(this.value(name), `${this.#where}.${name}`);
  }

  list(name: string, itemsMax: number): readonly PeerPayload[] {
    const value = this.value(name);
    if (!Array.isArray(value)) throw this.bad(name, "a list");
    if (value.length > itemsMax) throw this.bad(name, `a list of at most ${itemsMax} items`);
    return value as readonly PeerPayload[];
  }

  /** Any JSON; a missing field is refused, and so are bytes. */
  json(name: string): JsonValue {
    const value = this.value(name);
    if (value === undefined || value instanceof Uint8Array) throw this.bad(name, "JSON");
    return value as JsonValue;
  }
}
