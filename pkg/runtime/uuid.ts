import type { RequestId } from "../base/index.js";
import type { Random } from "./random.js";
import type { Clock } from "./time.js";

const HEX_3 = Array.from({ length: 4096 }, (_, i) => i.toString(16).padStart(3, "0"));
/** Variant bits `10` and the two bits after them. */
const VARIANT = ["8", "9", "a", "b"] as const;
/** Twelve bits of `rand_a` and fourteen of `rand_b` count within one millisecond. */
const COUNTER_MAX = 2 ** 26 - 1;
/** A counter starts in the lower half, so that 33 million ids fit before time must be borrowed. */
const COUNTER_START_BOUND = 2 ** 25;
const POOL_BYTES = 6 * 256;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

/**
 * Makes request ids: UUIDs of version 7 (RFC 9562), each greater than the one before also when the
 * wall clock goes back (section 6.2, method 1: a counter of 26 bits, then 48 random bits).
 */
export function createRequestIds(ports: {
  readonly clock: Clock;
  readonly random: Random;
}): () => RequestId {
  const { clock, random } = ports;
  let timeMs = -1;
  let prefix = "";
  let counter = 0;
  let pool = new Uint8Array(0);
  let used = 0;
  return () => {
    const nowMs = clock.wallMs();
    if (nowMs > timeMs || counter === COUNTER_MAX) {
      timeMs = Math.max(nowMs, timeMs + 1);
      counter = random.below(COUNTER_START_BOUND);
      prefix = timePrefix(timeMs);
    } else counter += 1;
    if (used === pool.length) {
      pool = random.bytes(POOL_BYTES) as Uint8Array<ArrayBuffer>;
      used = 0;
    }
    const high = hex24(pool, used);
    const low = hex24(pool, used + 3);
    used += 6;
    const middle = `${VARIANT[(counter >> 12) & 3]}${HEX_3[counter & 4095]}`;
    return `${prefix}${HEX_3[counter >> 14]}-${middle}-${high}${low}` as RequestId;
  };
}

/** @returns the milliseconds since 1970 that the id was made at, or undefined for another text */
export function uuidV7TimeMs(text: string): number | undefined {
  if (!UUID_V7.test(text)) return undefined;
  return Number.parseInt(text.slice(0, 8) + text.slice(9, 13), 16);
}

function timePrefix(timeMs: number): string {
  const hex = timeMs.toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7`;
}

function hex24(bytes: Uint8Array, at: number): string {
  const word = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
  return `${HEX_3[word >> 12]}${HEX_3[word & 4095]}`;
}
