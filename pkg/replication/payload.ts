import type { RequestId } from "../base/index.js";
import type { CommandTypeCode } from "./command.js";
import type { Durability } from "./replicator.js";

/** What JSON must escape, and what NornicDB's encoder escapes beyond it. */
const NEEDS_ESCAPE = /["\\<>&]/;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
};

/**
 * RFC 3339 in milliseconds as frames spell it, without trailing zeros. Any other spelling would be
 * put right on the way, and the entry of a follower would have other bytes than the leader's.
 */
export function toTimestamp(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/\.?0+Z$/, "Z");
}

/** Several payloads in one piece of memory: payload `i` ends before `ends[i]`. */
export interface PackedPayloads {
  readonly bytes: Uint8Array;
  readonly ends: Uint32Array;
  /** Places of those that ask for a durability, and which. */
  readonly wants?: readonly (readonly [number, Durability])[];
}

/**
 * Encodes commands as they stand in the log and on the wire:
 * `{"Type":7,"Data":"<base64>","Timestamp":"<RFC 3339>","RequestID":"<id>"}`. Encoding happens once,
 * where the command enters; the same bytes go into every log and frame.
 */
export class PayloadPacker {
  #buffer = Buffer.allocUnsafeSlow(64 * 1024);
  #used = 0;
  #ends: number[] = [];
  #wants: [number, Durability][] = [];

  get count(): number {
    return this.#ends.length;
  }

  get byteLength(): number {
    return this.#used;
  }

  /** @param timestamp - RFC 3339, fixed by the node where the command enters */
  add(
    type: CommandTypeCode,
    data: Uint8Array,
    timestamp: string,
    requestId: RequestId,
    durability?: Durability,
  ): number {
    if (durability !== undefined) this.#wants.push([this.#ends.length, durability]);
    const id = NEEDS_ESCAPE.test(requestId)
      ? requestId.replace(/["\\<>&]/g, (character) => ESCAPES[character] as string)
      : requestId;
    const base64 = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");
    const text = `{"Type":${type},"Data":"${base64}","Timestamp":"${timestamp}","RequestID":"${id}"}`;
    this.#reserve(text.length);
    this.#buffer.write(text, this.#used, "latin1");
    this.#used += text.length;
    this.#ends.push(this.#used);
    return text.length;
  }

  #reserve(byteLength: number): void {
    const needed = this.#used + byteLength;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#used);
    this.#buffer = grown;
  }

  /** Hands out what was added, in memory of its own, and starts again. */
  take(): PackedPayloads {
    const bytes = new Uint8Array(this.#used);
    bytes.set(this.#buffer.subarray(0, this.#used));
    const ends = Uint32Array.from(this.#ends);
    this.#used = 0;
    this.#ends = [];
    if (this.#wants.length === 0) return { bytes, ends };
    const wants = this.#wants;
    this.#wants = [];
    return { bytes, ends, wants };
  }
}

/** @returns views into `packed.bytes`, one for each payload */
export function unpackPayloads(packed: PackedPayloads): Uint8Array[] {
  const payloads: Uint8Array[] = [];
  let start = 0;
  for (const end of packed.ends) {
    payloads.push(packed.bytes.subarray(start, end));
    start = end;
  }
  return payloads;
}
