import { type Explanation, explain, type Judge } from "./explain.js";
import { type Operation, validateOperation } from "./operation.js";
import { toProblem } from "./problem.js";
import { Search, type SearchResult } from "./search.js";

export interface CheckLimits {
  /** Looks at operations under way, for one key: this bounds the time. */
  readonly stepsPerKeyMax: number;
  /** The same for the whole history; keys that are left when it is reached are undecided. */
  readonly stepsMax: number;
  /** Configurations remembered as leading nowhere, for one key: this bounds the memory. */
  readonly deadEndsPerKeyMax: number;
  /** The same for the searches of one explanation together. */
  readonly explanationStepsMax: number;
  /** Violated keys that are explained; the others are only named. */
  readonly explainedKeysMax: number;
}

export const CHECK_LIMITS: CheckLimits = {
  stepsPerKeyMax: 60_000_000,
  stepsMax: 600_000_000,
  deadEndsPerKeyMax: 200_000,
  explanationStepsMax: 100_000_000,
  explainedKeysMax: 5,
};

/** No search of an explanation may use up more than this part of its limit. */
const SEARCHES_MIN = 20;
/** What preparing one operation for a search costs, in steps. */
const PREPARING_STEPS = 50;

/** `undecided` is not `linearizable`: a limit was reached first. */
export type Verdict = "linearizable" | "violation" | "undecided";

export interface CheckReport {
  readonly verdict: Verdict;
  readonly keys: number;
  readonly operations: number;
  readonly violated: readonly string[];
  readonly undecided: readonly string[];
  readonly explanations: readonly Explanation[];
  /** Looks at operations under way, explanations not counted. */
  readonly steps: number;
  /** For people: the verdict and every explanation. */
  readonly text: string;
}

/**
 * Decides whether one order of each key's operations, in keeping with real time, explains every
 * answer of a register that starts absent. Each key is checked alone.
 * @param history - in any order; not changed
 * @throws HistoryError when an operation cannot have been recorded like that
 */
export function checkLinearizability(
  history: readonly Operation[],
  limits: Partial<CheckLimits> = {},
): CheckReport {
  const bounds = { ...CHECK_LIMITS, ...limits };
  const byKey = groupByKey(history);
  const violated: string[] = [];
  const undecided: string[] = [];
  const explanations: Explanation[] = [];
  let steps = 0;
  for (const [key, operations] of byKey) {
    const stepsMax = Math.min(bounds.stepsPerKeyMax, bounds.stepsMax - steps);
    const result = search(operations, stepsMax, bounds);
    steps += result.steps;
    if (result.answer === "undecided") undecided.push(key);
    if (result.answer === "violation") violated.push(key);
  }
  for (const key of violated.slice(0, bounds.explainedKeysMax)) {
    explanations.push(explain(byKey.get(key) ?? [], new BoundedJudge(bounds)));
  }
  const facts = { keys: byKey.size, operations: history.length, violated, undecided, explanations };
  const verdict = verdictOf(violated, undecided);
  return { verdict, ...facts, steps, text: textOf(verdict, facts) };
}

function search(
  operations: readonly Operation[],
  stepsMax: number,
  bounds: CheckLimits,
): SearchResult {
  const limits = { stepsMax, deadEndsMax: bounds.deadEndsPerKeyMax };
  return new Search(toProblem(operations), limits).run();
}

/** A search past its limit counts as "not violated": the explanation is then merely less small. */
class BoundedJudge implements Judge {
  readonly #bounds: CheckLimits;
  #stepsLeft: number;
  #wasCutShort = false;

  constructor(bounds: CheckLimits) {
    this.#bounds = bounds;
    this.#stepsLeft = bounds.explanationStepsMax;
  }

  get isSpent(): boolean {
    return this.#stepsLeft <= 0;
  }

  get wasCutShort(): boolean {
    return this.#wasCutShort || this.isSpent;
  }

  isViolated(operations: readonly Operation[]): boolean {
    const stepsMax = this.#bounds.explanationStepsMax / SEARCHES_MIN;
    const result = search(operations, stepsMax, this.#bounds);
    this.#stepsLeft -= result.steps + operations.length * PREPARING_STEPS;
    this.#wasCutShort ||= result.answer === "undecided";
    return result.answer === "violation";
  }
}

function groupByKey(history: readonly Operation[]): Map<string, Operation[]> {
  const byKey = new Map<string, Operation[]>();
  for (const [at, operation] of history.entries()) {
    validateOperation(operation, at);
    const operations = byKey.get(operation.key);
    if (operations === undefined) byKey.set(operation.key, [operation]);
    else operations.push(operation);
  }
  return byKey;
}

function verdictOf(violated: readonly string[], undecided: readonly string[]): Verdict {
  if (violated.length > 0) return "violation";
  return undecided.length > 0 ? "undecided" : "linearizable";
}

const NAMED_MAX = 20;

function textOf(
  verdict: Verdict,
  facts: Pick<CheckReport, "keys" | "operations" | "violated" | "undecided" | "explanations">,
): string {
  const lines = [`${verdict}: ${facts.operations} operations on ${facts.keys} keys`];
  const name = (what: string, keys: readonly string[]) => {
    if (keys.length === 0) return;
    const more = keys.length > NAMED_MAX ? ` and ${keys.length - NAMED_MAX} more` : "";
    lines.push(`${what}: ${keys.slice(0, NAMED_MAX).join(", ")}${more}`);
  };
  name("violated keys", facts.violated);
  name("undecided keys (a limit was reached)", facts.undecided);
  return [lines.join("\n"), ...facts.explanations.map(({ text }) => text)].join("\n\n");
}
