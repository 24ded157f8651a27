import type { JsonValue } from "../../base/index.js";
import type { Clock } from "../../runtime/index.js";
import type { RegionOperation } from "./operations.js";
import type { OperationOutcome } from "./region-proposals.js";

export interface ForgettingParts {
  readonly clock: Clock;
  /** Tombstones stay at least so long, in milliseconds. */
  readonly retentionMs: number;
  propose(operation: RegionOperation, done: (outcome: OperationOutcome) => void): void;
}

/** Between two passes over everything that fades, in milliseconds. */
const PASS_MS_MIN = 10_000;
const PASS_MS_MAX = 3_600_000;
/** Between two commands of one pass: each looks at a bounded piece of it. */
const PIECE_MS = 1_000;

/** MR-48: what a region's leader does so that tombstones which all regions know go away. */
export class Forgetting {
  readonly #parts: ForgettingParts;
  readonly #passMs: number;
  #underWay = false;
  #after = "";
  #dueMs: number;

  constructor(parts: ForgettingParts) {
    this.#parts = parts;
    this.#passMs = Math.min(PASS_MS_MAX, Math.max(PASS_MS_MIN, Math.floor(parts.retentionMs / 4)));
    this.#dueMs = parts.clock.monotonicMs() + this.#passMs;
  }

  /** Called now and then by who leads. */
  tick(): void {
    const { clock, retentionMs, propose } = this.#parts;
    if (this.#underWay || clock.monotonicMs() < this.#dueMs) return;
    this.#underWay = true;
    const beforeMs = Math.max(0, clock.wallMs() - retentionMs);
    propose({ op: "forget", beforeMs, after: this.#after }, (outcome) => this.#done(outcome));
  }

  #done(outcome: OperationOutcome): void {
    this.#underWay = false;
    const next = outcome.ok ? (outcome.value as { readonly next?: JsonValue }).next : null;
    this.#after = typeof next === "string" ? next : "";
    const waitMs = this.#after === "" ? this.#passMs : PIECE_MS;
    this.#dueMs = this.#parts.clock.monotonicMs() + waitMs;
  }
}
