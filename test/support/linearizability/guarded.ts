import type { Expectation, Operation, Value } from "./operation.js";

/** Identity of the absent value; written values count from 1. */
export const ABSENT = 0;
/** "No condition on the value", "sets nothing". */
export const NONE = -1;

/**
 * An operation as the search sees it: conditions on the state, then perhaps an assignment. All
 * conditions must hold; of a negated one, which has a single condition, it must not.
 */
export interface Guarded {
  readonly source: Operation;
  /** Value identity, `ABSENT`, or `NONE`. */
  needValue: number;
  readonly needPresent: boolean;
  /** 0: any. */
  readonly needVersion: number;
  readonly negated: boolean;
  /** Value identity, `ABSENT` for a delete, `NONE` for what changes nothing. */
  sets: number;
  /** Version that the assignment got; 0: not known. */
  version: number;
  /** It may never happen: its outcome is unknown and nobody has seen its effect. */
  optional: boolean;
}

interface Needs {
  readonly needValue: number;
  readonly needPresent: boolean;
  readonly needVersion: number;
}

const NO_NEEDS: Needs = { needValue: NONE, needPresent: false, needVersion: 0 };

/**
 * @param identify - gives equal values equal identities from 1
 * @returns nothing for what tells nothing: refused operations and failed reads
 */
export function toGuarded(
  source: Operation,
  identify: (value: Value) => number,
): Guarded | undefined {
  const { outcome } = source;
  if (outcome.kind === "refused" || outcome.kind === "failed") return undefined;
  const guard = (needs: Needs, sets: number): Guarded => ({
    source,
    needValue: needs.needValue,
    needPresent: needs.needPresent,
    needVersion: needs.needVersion,
    negated: outcome.kind === "mismatch",
    sets: outcome.kind === "mismatch" ? NONE : sets,
    version: outcome.kind === "done" ? (outcome.version ?? 0) : 0,
    optional: outcome.kind === "unknown",
  });
  switch (source.call) {
    case "read":
      return guard(needsOfRead(source.outcome, identify), NONE);
    case "write":
      return guard(NO_NEEDS, identify(source.value));
    case "cas":
      return guard(
        needsOf(source.expect, identify),
        source.value === null ? ABSENT : identify(source.value),
      );
    case "delete":
      return guard(needsOfDelete(source.outcome), ABSENT);
  }
}

function needsOfRead(
  outcome: Extract<Operation, { call: "read" }>["outcome"],
  identify: (value: Value) => number,
): Needs {
  if (outcome.kind !== "value") return { ...NO_NEEDS, needValue: ABSENT };
  return {
    needValue: identify(outcome.value),
    needPresent: false,
    needVersion: outcome.version ?? 0,
  };
}

function needsOf(expect: Expectation, identify: (value: Value) => number): Needs {
  if ("value" in expect) return { ...NO_NEEDS, needValue: identify(expect.value) };
  if ("version" in expect) return { ...NO_NEEDS, needVersion: expect.version };
  return expect.exists ? { ...NO_NEEDS, needPresent: true } : { ...NO_NEEDS, needValue: ABSENT };
}

function needsOfDelete(outcome: Extract<Operation, { call: "delete" }>["outcome"]): Needs {
  if (outcome.kind !== "done" || outcome.existed === undefined) return NO_NEEDS;
  return outcome.existed ? { ...NO_NEEDS, needPresent: true } : { ...NO_NEEDS, needValue: ABSENT };
}
