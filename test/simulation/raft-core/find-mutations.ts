import { type Mutation, mutate } from "./mutations.js";
import { runSeed } from "./run.js";
import { World } from "./world.js";

export interface Finding {
  readonly seed: number;
  readonly message: string;
}

/** The first seed that shows the planted bug, if any of `count` does. */
export function findMutation(mutation: Mutation, count: number, steps: number): Finding | undefined {
  const rules = mutate(mutation);
  for (let seed = 1; seed <= count; seed += 1) {
    try {
      runSeed(seed, steps, rules);
    } catch (error) {
      if (World.isViolation(error)) return { seed, message: error.message };
      throw error;
    }
  }
  return undefined;
}
