import type { ResourceLimits } from "node:worker_threads";

/**
 * What a thread of ours may take. What it makes lives for a batch and dies: a larger young
 * generation makes it no faster, and six of them are most of what a node would weigh.
 */
export const THREAD_LIMITS: Readonly<ResourceLimits> = { maxYoungGenerationSizeMb: 6 };
