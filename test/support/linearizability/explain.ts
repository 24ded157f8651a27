import type { Operation, Value } from "./operation.js";

/** Why a key is not linearizable, small enough to be read. */
export interface Explanation {
  readonly key: string;
  /** Operations that had begun when the first unexplainable answer came. */
  readonly prefixOperations: number;
  /** The operation whose answer ends the smallest prefix that has no order. */
  readonly last: Operation;
  /**
   * Answers that contradict each other whatever else happened: any smaller set of them, with every
   * other operation free to happen or not, has an order. By invocation.
   */
  readonly core: readonly Operation[];
  /** False when a limit was reached: prefix and core are right, but smaller ones may do. */
  readonly isSmallest: boolean;
  readonly text: string;
}

/** Answers questions about one key's operations, as long as it may. */
export interface Judge {
  /** Whether they certainly have no order; false also where a limit left it open. */
  isViolated(operations: readonly Operation[]): boolean;
  /** No more questions. */
  readonly isSpent: boolean;
  /** A question was left open, or may have been. */
  readonly wasCutShort: boolean;
}

/** @param operations - one key's, known to have no order */
export function explain(operations: readonly Operation[], judge: Judge): Explanation {
  const { prefix, last } = smallestPrefix(operations, judge);
  const core = smallestCore(prefix, judge).sort((a, b) => a.invokedAt - b.invokedAt);
  const isSmallest = !judge.wasCutShort;
  const facts = { key: last.key, prefixOperations: prefix.length, last, core, isSmallest };
  return { ...facts, text: textOf(facts, operations) };
}

/** Prefixes of what has an order have one, too, so halving finds the first that has none. */
function smallestPrefix(
  operations: readonly Operation[],
  judge: Judge,
): { readonly prefix: readonly Operation[]; readonly last: Operation } {
  const returns = operations
    .filter(isCertain)
    .sort((a, b) => a.returnedAt - b.returnedAt || a.invokedAt - b.invokedAt);
  let low = 0;
  let high = returns.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (judge.isViolated(until(operations, returns[middle]!.returnedAt))) high = middle;
    else low = middle + 1;
  }
  const last = returns[low]!;
  return { prefix: until(operations, last.returnedAt), last };
}

/** What an observer knew at that moment: nothing of answers that had not come yet. */
function until(operations: readonly Operation[], at: number): Operation[] {
  return operations
    .filter(({ invokedAt }) => invokedAt <= at)
    .flatMap((operation) => (operation.returnedAt <= at ? [operation] : open(operation)));
}

/** The operation with its answer taken away: a read is nothing then, another may have happened. */
function open(operation: Operation): Operation[] {
  if (operation.call === "read") return [];
  if (operation.outcome.kind === "refused") return [operation];
  return [{ ...operation, outcome: { kind: "unknown", reason: "no answer yet" } }];
}

/** Still weaker: without its condition, too. This leaves little to search. */
function released(operation: Operation): Operation[] {
  const { call, key, client, invokedAt, returnedAt } = operation;
  if (call === "read" || operation.outcome.kind === "mismatch") return [];
  const rest = { key, client, invokedAt, returnedAt } as const;
  const outcome = { kind: "unknown", reason: "left open" } as const;
  if (call === "delete" || operation.value === null) return [{ call: "delete", ...rest, outcome }];
  return [{ call: "write", ...rest, value: operation.value, outcome }];
}

function isCertain({ outcome }: Operation): boolean {
  return outcome.kind !== "unknown" && outcome.kind !== "refused" && outcome.kind !== "failed";
}

/**
 * Takes answers away, in ever smaller groups, as long as what stays is still contradictory. Early
 * ones go first: what contradicts the end of the prefix is mostly near it.
 */
function smallestCore(prefix: readonly Operation[], judge: Judge): Operation[] {
  let core = prefix.filter(isCertain).sort((a, b) => a.returnedAt - b.returnedAt);
  for (let size = core.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < core.length && !judge.isSpent; ) {
      const rest = [...core.slice(0, at), ...core.slice(at + size)];
      const kept = new Set(rest);
      const weaker = prefix.flatMap((operation) =>
        !isCertain(operation) || kept.has(operation) ? [operation] : released(operation),
      );
      if (judge.isViolated(weaker)) core = rest;
      else at += size;
    }
  }
  return core;
}

const CORE_LINES_MAX = 40;

function textOf(facts: Omit<Explanation, "text">, all: readonly Operation[]): string {
  const { key, prefixOperations, last, core, isSmallest } = facts;
  const width = `${Math.max(...core.map(({ returnedAt }) => returnedAt))}`.length;
  const hint = hintFor(last, all);
  const more = core.length - CORE_LINES_MAX;
  return [
    `key "${key}" is not linearizable: no order explains its first ${prefixOperations} of ${all.length} operations`,
    `  first answer that has no place: ${describe(last)}`,
    ...(hint === undefined ? [] : [`  because ${hint}`]),
    `  these ${core.length} contradict each other, whatever else happened or not${isSmallest ? "" : " (fewer may do: a limit was reached)"}:`,
    ...core.slice(0, CORE_LINES_MAX).map((operation) => {
      const from = `${operation.invokedAt}`.padStart(width);
      const to = `${operation.returnedAt}`.padStart(width);
      return `    [${from}, ${to}] ${describe(operation)}`;
    }),
    ...(more > 0 ? [`    and ${more} more`] : []),
  ].join("\n");
}

/** The cases that need no search to be understood. */
function hintFor(last: Operation, all: readonly Operation[]): string | undefined {
  if (last.call !== "read" || last.outcome.kind !== "value") return undefined;
  const { value } = last.outcome;
  const writers = all.filter((operation) => "value" in operation && operation.value === value);
  const shown = JSON.stringify(value);
  if (writers.length === 0) return `nobody ever wrote ${shown}`;
  const possible = writers.filter(({ outcome }) => "refused" !== outcome.kind);
  if (possible.length === 0) return `every write of ${shown} was refused`;
  if (possible.every(({ outcome }) => outcome.kind === "mismatch")) {
    return `the condition of every write of ${shown} did not hold`;
  }
  if (possible.every(({ invokedAt }) => invokedAt > last.returnedAt)) {
    return `every write of ${shown} began after it was read`;
  }
  return undefined;
}

/** One operation for people, without its times. */
export function describe(operation: Operation): string {
  return `${operation.client} ${callOf(operation)} → ${answerOf(operation)}`;
}

function callOf(operation: Operation): string {
  switch (operation.call) {
    case "read":
    case "delete":
      return operation.call;
    case "write":
      return `write ${show(operation.value)}`;
    case "cas": {
      const { expect, value } = operation;
      const condition =
        "value" in expect
          ? `it is ${show(expect.value)}`
          : "version" in expect
            ? `its version is ${expect.version}`
            : expect.exists
              ? "it exists"
              : "it is absent";
      return `if ${condition}, ${value === null ? "delete" : `write ${show(value)}`}`;
    }
  }
}

function answerOf({ outcome }: Operation): string {
  const version = "version" in outcome && outcome.version !== undefined ? outcome.version : null;
  const at = version === null ? "" : ` at version ${version}`;
  switch (outcome.kind) {
    case "value":
      return `${show(outcome.value)}${at}`;
    case "done": {
      const existed = "existed" in outcome ? outcome.existed : undefined;
      return `done${at}${existed === undefined ? "" : existed ? ", it existed" : ", it was absent"}`;
    }
    case "absent":
    case "mismatch":
      return outcome.kind;
    case "failed":
    case "refused":
    case "unknown":
      return `${outcome.kind} (${outcome.reason})`;
  }
}

function show(value: Value): string {
  return JSON.stringify(value);
}
