import { randomBytes, randomFillSync } from "node:crypto";
import { invariant } from "../../base/index.js";
import type { Random } from "../random.js";

const WORDS = 2 ** 32;
/** Words fetched from the system at once; one call costs about as much as two hundred words. */
const pool = new Uint32Array(256);
let used = pool.length;

function nextWord(): number {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const word = pool[used] as number;
  pool[used] = 0;
  used += 1;
  return word;
}

/** `node:crypto`: unpredictable, also for ids and tokens. */
export const systemRandom: Random = {
  below(boundExclusive: number): number {
    invariant(
      Number.isSafeInteger(boundExclusive) && boundExclusive > 0 && boundExclusive <= WORDS,
      "a random bound is a whole number from 1 to 2^32",
    );
    const fair = WORDS - (WORDS % boundExclusive);
    for (;;) {
      const word = nextWord();
      if (word < fair) return word % boundExclusive;
    }
  },
  bytes: (count: number): Uint8Array => new Uint8Array(randomBytes(count)),
};
