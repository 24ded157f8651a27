import { invariant } from "../../pkg/base/index.js";
import type { Random } from "../../pkg/runtime/index.js";

const WORDS = 2 ** 32;

/** A probability as whole numbers: `[1, 10]` is one in ten. */
export type Ratio = readonly [numerator: number, denominator: number];

/** Randomness of a simulation: the same seed gives the same numbers, in whole numbers only. */
export interface SeededRandom extends Random {
  readonly seed: string;
  /** True in `numerator` of `denominator` cases; always draws one number. */
  chance(numerator: number, denominator: number): boolean;
  /** Whole number from `low` to `high`, both included. */
  between(low: number, high: number): number;
  pick<T>(choices: readonly T[]): T;
  /** A new array in random order. */
  shuffle<T>(items: readonly T[]): T[];
  /** A generator of its own for one part; depends on the seed and the label, not on what was drawn. */
  fork(label: string): SeededRandom;
}

export function seededRandom(seed: number | string): SeededRandom {
  return new Xoshiro128(`${seed}`);
}

/** xoshiro128** 1.1 by Blackman and Vigna, its state filled by a hash of the seed's text. */
class Xoshiro128 implements SeededRandom {
  readonly seed: string;
  readonly #state: Uint32Array;

  constructor(seed: string) {
    this.seed = seed;
    this.#state = stateOf(seed);
  }

  below(boundExclusive: number): number {
    invariant(
      Number.isSafeInteger(boundExclusive) && boundExclusive > 0 && boundExclusive <= WORDS,
      "a random bound is a whole number from 1 to 2^32",
    );
    const fair = WORDS - (WORDS % boundExclusive);
    for (;;) {
      const word = this.#next();
      if (word < fair) return word % boundExclusive;
    }
  }

  bytes(count: number): Uint8Array {
    const out = new Uint8Array(count);
    for (let i = 0; i < count; i += 1) out[i] = this.#next() >>> 24;
    return out;
  }

  chance(numerator: number, denominator: number): boolean {
    return this.below(denominator) < numerator;
  }

  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  shuffle<T>(items: readonly T[]): T[] {
    const out = [...items];
    for (let i = out.length - 1; i > 0; i -= 1) {
      const j = this.below(i + 1);
      const held = out[i] as T;
      out[i] = out[j] as T;
      out[j] = held;
    }
    return out;
  }

  fork(label: string): SeededRandom {
    return new Xoshiro128(`${this.seed}/${label}`);
  }

  #next(): number {
    const s = this.#state;
    const s0 = s[0] as number;
    const s1 = s[1] as number;
    const word = Math.imul(rotate(Math.imul(s1, 5), 7), 9) >>> 0;
    const s2 = (s[2] as number) ^ s0;
    const s3 = (s[3] as number) ^ s1;
    s[1] = s1 ^ s2;
    s[0] = s0 ^ s3;
    s[2] = s2 ^ (s1 << 9);
    s[3] = rotate(s3, 11);
    return word;
  }
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function stateOf(seed: string): Uint32Array {
  let hash = 0x811c9dc5;
  for (let i = 0; i < seed.length; i += 1) {
    hash = Math.imul(hash ^ seed.charCodeAt(i), 0x01000193);
    hash ^= hash >>> 15;
  }
  const state = new Uint32Array(4);
  for (let i = 0; i < 4; i += 1) {
    hash = (hash + 0x9e3779b9) | 0;
    let word = hash;
    word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
    word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
    state[i] = word ^ (word >>> 16);
  }
  if (state.every((word) => word === 0)) state[0] = 1;
  return state;
}
