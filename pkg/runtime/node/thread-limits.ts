import { setFlagsFromString } from "node:v8";
import type { ResourceLimits } from "node:worker_threads";

/**
 * What a thread of ours may take. What it makes lives for a batch and dies: a larger young
 * generation makes it no faster, and six of them are most of what a node would weigh.
 */
export const THREAD_LIMITS: Readonly<ResourceLimits> = { maxYoungGenerationSizeMb: 6 };

/** For one whose batch is hundreds of commands in one: too little made 7 % more work of the whole. */
export const WIDE_THREAD_LIMITS: Readonly<ResourceLimits> = { maxYoungGenerationSizeMb: 24 };

/** Garbage may grow to that part of what is in use before V8 collects it; its own default is 300. */
const GARBAGE_PERCENT = 60;

/**
 * For a process that is ours alone: holds for all its threads, those that run already too. A
 * request outlives a few collections of the young generation, so under load most of what dies is
 * garbage of the old one, three times what is in use; collecting sooner costs about 1 % of a core.
 */
export function limitGarbage(): void {
  setFlagsFromString(`--heap-growing-percent=${GARBAGE_PERCENT}`);
}
