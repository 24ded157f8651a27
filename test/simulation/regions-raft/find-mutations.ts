import { type Mutation, mutate } from "./mutations.js";
import { runSeed, violationOf } from "./run.js";

export interface Finding {
  readonly seed: number;
  readonly message: string;
}

/** The first seed that shows the planted bug, if any does. */
export function findMutation(
  mutation: Mutation,
  seeds: { readonly from: number; readonly to: number },
): Finding | undefined {
  const rules = mutate(mutation);
  for (let seed = seeds.from; seed <= seeds.to; seed += 1) {
    try {
      runSeed(seed, rules);
    } catch (error) {
      const violation = violationOf(error);
      if (violation === undefined) throw error;
      return { seed, message: violation.message };
    }
  }
  return undefined;
}
