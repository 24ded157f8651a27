/** Our own mistake, never a caller's or the world's: the process stops on it. */
export class InvariantViolation extends Error {
  override readonly name = "InvariantViolation";
}

/**
 * States what must hold here. Stays on in production.
 * @throws InvariantViolation when it does not hold; only `cmd` and the simulator may catch it
 */
export function invariant(condition: boolean, whatHolds: string): asserts condition {
  if (!condition) throw new InvariantViolation(`invariant violated: ${whatHolds}`);
}

/** Closes a `switch` over a union: compiles only when every member has its case. */
export function unreachable(value: never): never {
  throw new InvariantViolation(`unreachable value: ${JSON.stringify(value)}`);
}
