import { type Mutation, mutate } from "./mutations.js";
import { runSeed } from "./run.js";
import { World } from "./world.js";

export interface Finding {
  readonly seed: number;
  readonly message: string;
}

/** The first seed that shows the planted bug, if any does. */
export function findMutation(
  mutation: Mutation,
  seeds: { readonly from: number; readonly to: number; readonly steps: number },
): Finding | undefined {
  const rules = mutate(mutation);
  for (let seed = seeds.from; seed <= seeds.to; seed += 1) {
    try {
      runSeed(seed, seeds.steps, rules);
    } catch (error) {
      if (World.isViolation(error)) return { seed, message: error.message };
      throw error;
    }
  }
  return undefined;
}
