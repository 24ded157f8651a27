/** Source of randomness. Real: `node:crypto`; simulated: a generator with a seed. */
export interface Random {
  /** Whole number from 0 to `boundExclusive - 1`, all equally likely; bound up to 2^32. */
  below(boundExclusive: number): number;
  /** Fresh bytes, owned by the caller. */
  bytes(count: number): Uint8Array;
}
