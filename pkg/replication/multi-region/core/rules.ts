import type { Vector } from "./messages.js";
import { includes } from "./vectors.js";

/**
 * The decisions on which it rests that nothing is lost, told too early or told for ever, one
 * function each, so that tests can plant a wrong one and see the checkers find it. Production uses
 * `STREAM_RULES`.
 */
export interface StreamRules {
  /** MR-31: where the sender goes on: where the receiver's state is, not where it had been itself. */
  resumeAt(have: number, sent: number): number;
  /** MR-34: what a receiver says that it contains: what is applied, not what is under way. */
  contained(have: Vector, planned: Vector): Vector;
  /** MR-36: there is something to tell besides changes. */
  isNews(contains: Vector, told: Vector): boolean;
  /** MR-38: a wait is over once a region has said that it contains the change. */
  isThere(seq: number, acknowledged: number): boolean;
}

export const STREAM_RULES: StreamRules = {
  resumeAt: (have) => have,
  contained: (have) => have,
  isNews: (contains, told) => !includes(told, contains),
  isThere: (seq, acknowledged) => seq <= acknowledged,
};
