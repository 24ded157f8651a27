import { ABSENT, type Guarded, NONE, toGuarded } from "./guarded.js";
import type { Operation, Value } from "./operation.js";

/** The values that exactly one operation writes, each with what is known about its reign. */
export interface Block {
  readonly value: number;
  readonly producer: number;
  /** Position of the first event at which an operation of the block had returned. */
  readonly firstReturn: number;
  /** Position of the last event at which a definite operation of the block was invoked. */
  readonly lastInvoke: number;
}

/** One key's history, ready to be searched. Positions are indexes into `events`. */
export interface Problem {
  /** In order of invocation. */
  readonly operations: readonly Guarded[];
  /** `i`: operation i is invoked; `~i`: it returns. What is optional or open-ended never returns. */
  readonly events: Int32Array;
  /** By value: 1 when one operation alone can produce it. */
  readonly unique: Uint8Array;
  /** By value: how many definite operations must find it, when it is unique; otherwise 0. */
  readonly readers: Int32Array;
  /** Assignments of known version, ascending. */
  readonly byVersion: Int32Array;
  /** By first return. */
  readonly blocks: readonly Block[];
  /** By value: its block, or `NONE`. */
  readonly blockOf: Int32Array;
  /** By position: the first block whose first return is at or after it. */
  readonly blockFrom: Int32Array;
  /** The operation before it, in order of invocation, that could stand in for it; or `NONE`. */
  readonly twin: Int32Array;
}

/** @param history - operations of one key, in any order */
export function toProblem(history: readonly Operation[]): Problem {
  const identities = new Map<Value, number>();
  const identify = (value: Value) => {
    const known = identities.get(value);
    if (known !== undefined) return known;
    identities.set(value, identities.size + 1);
    return identities.size;
  };
  const all = history.map((operation) => toGuarded(operation, identify));
  const given = all.filter((operation) => operation !== undefined);
  const valueCount = identities.size + 2;
  const producers = producersOf(given, valueCount);
  settleWhatWasSeen(given, producers);
  nameWhatVersionsMean(given);
  const operations = withoutIdle(given, producers, valueCount).sort(
    (a, b) => a.source.invokedAt - b.source.invokedAt,
  );
  const events = eventsOf(operations);
  const unique = new Uint8Array(valueCount);
  for (const [value, producer] of producers.entries()) {
    if (producer !== undefined && producer !== null && value !== ABSENT) unique[value] = 1;
  }
  return {
    operations,
    events,
    unique,
    readers: readersOf(operations, unique),
    byVersion: versionOrder(operations),
    ...blocksOf(operations, events, unique),
    twin: twinsOf(operations),
  };
}

/** By value: its one producer, `null` when there are several, `undefined` when there is none. */
type Producers = readonly (Guarded | null | undefined)[];

function producersOf(operations: readonly Guarded[], valueCount: number): Producers {
  const producers = new Array<Guarded | null | undefined>(valueCount).fill(undefined);
  for (const operation of operations) {
    if (operation.sets <= ABSENT) continue;
    producers[operation.sets] = producers[operation.sets] === undefined ? operation : null;
  }
  return producers;
}

/**
 * Who finds a value proves that its only producer took effect, and at which version. The producer's
 * own condition then held as well, which may prove the next one: the list grows while it is walked.
 */
function settleWhatWasSeen(operations: readonly Guarded[], producers: Producers): void {
  const certain = operations.filter(({ optional }) => !optional);
  for (const { needValue, needVersion, negated } of certain) {
    const producer = needValue > ABSENT && !negated ? producers[needValue] : undefined;
    if (producer === undefined || producer === null) continue;
    if (producer.version === 0) producer.version = needVersion;
    if (!producer.optional) continue;
    producer.optional = false;
    certain.push(producer);
  }
}

/** A version whose assignment is known stands for the value that was assigned. */
function nameWhatVersionsMean(operations: readonly Guarded[]): void {
  const assigned = new Map<number, number>();
  for (const { version, sets } of operations) if (version > 0) assigned.set(version, sets);
  for (const operation of operations) {
    if (operation.needValue !== NONE || operation.negated) continue;
    operation.needValue = assigned.get(operation.needVersion) ?? NONE;
  }
}

/**
 * Leaves out what cannot matter: an optional operation that can never happen, or whose value nobody
 * names while no other answer could depend on there being some value. Where one could, all such
 * values are as good as one.
 */
function withoutIdle(
  operations: readonly Guarded[],
  producers: Producers,
  valueCount: number,
): Guarded[] {
  const named = new Uint8Array(valueCount);
  let anyValueCounts = false;
  for (const { needValue, needPresent, needVersion, negated } of operations) {
    if (needValue !== NONE) named[needValue] = 1;
    anyValueCounts ||= needPresent || negated || (needVersion > 0 && needValue === NONE);
  }
  const nameless = valueCount - 1;
  const kept: Guarded[] = [];
  for (const operation of operations) {
    const { sets, needValue, optional } = operation;
    if (optional && needValue > ABSENT && producers[needValue] === undefined) continue;
    if (optional && sets > ABSENT && named[sets] === 0 && producers[sets] !== null) {
      if (!anyValueCounts) continue;
      operation.sets = nameless;
    }
    kept.push(operation);
  }
  return kept;
}

/** By time; at equal times invocations come first, so that such operations overlap. */
function eventsOf(operations: readonly Guarded[]): Int32Array {
  const events: { readonly at: number; readonly event: number }[] = [];
  for (const [i, { source }] of operations.entries()) {
    events.push({ at: source.invokedAt, event: i });
    if (source.outcome.kind !== "unknown") events.push({ at: source.returnedAt, event: ~i });
  }
  events.sort((a, b) => a.at - b.at || Number(a.event < 0) - Number(b.event < 0));
  return Int32Array.from(events, ({ event }) => event);
}

function readersOf(operations: readonly Guarded[], unique: Uint8Array): Int32Array {
  const readers = new Int32Array(unique.length);
  for (const { needValue, negated, optional } of operations) {
    if (needValue > ABSENT && unique[needValue] === 1 && !negated && !optional) {
      readers[needValue] = (readers[needValue] as number) + 1;
    }
  }
  return readers;
}

function versionOrder(operations: readonly Guarded[]): Int32Array {
  const versioned = [...operations.keys()].filter((i) => operations[i]!.version > 0);
  return Int32Array.from(versioned.sort((a, b) => operations[a]!.version - operations[b]!.version));
}

/**
 * Between the write of a unique value and its overwriting stand all who find it, and nobody who
 * finds another: so if one of block A returned before one of block B began, A is over before B.
 */
function blocksOf(
  operations: readonly Guarded[],
  events: Int32Array,
  unique: Uint8Array,
): Pick<Problem, "blocks" | "blockOf" | "blockFrom"> {
  const producer = new Int32Array(unique.length).fill(NONE);
  const firstReturn = new Int32Array(unique.length).fill(events.length);
  const lastInvoke = new Int32Array(unique.length).fill(NONE);
  for (const [i, { sets, optional }] of operations.entries()) {
    if (sets > ABSENT && unique[sets] === 1 && !optional) producer[sets] = i;
  }
  for (const [position, event] of events.entries()) {
    const { sets, needValue, negated, optional } = operations[event < 0 ? ~event : event]!;
    if (optional) continue;
    for (const value of negated ? [sets] : [sets, needValue]) {
      if (value <= ABSENT) continue;
      if (event >= 0) lastInvoke[value] = position;
      else if (firstReturn[value] === events.length) firstReturn[value] = position;
    }
  }
  const blocks = [...producer.keys()]
    .filter((value) => producer[value] !== NONE)
    .map((value) => ({
      value,
      producer: producer[value]!,
      firstReturn: firstReturn[value]!,
      lastInvoke: lastInvoke[value]!,
    }))
    .sort((a, b) => a.firstReturn - b.firstReturn);
  const blockOf = new Int32Array(unique.length).fill(NONE);
  for (const [at, { value }] of blocks.entries()) blockOf[value] = at;
  const blockFrom = new Int32Array(events.length);
  for (let position = 0, at = 0; position < events.length; position += 1) {
    while (at < blocks.length && blocks[at]!.firstReturn < position) at += 1;
    blockFrom[position] = at;
  }
  return { blocks, blockOf, blockFrom };
}

/** Optional operations with the same conditions and the same effect are used in order. */
function twinsOf(operations: readonly Guarded[]): Int32Array {
  const latest = new Map<string, number>();
  return Int32Array.from(operations, (operation, i) => {
    if (!operation.optional) return NONE;
    const { needValue, needPresent, needVersion, sets } = operation;
    const likeness = `${needValue},${needPresent},${needVersion},${sets}`;
    const twin = latest.get(likeness) ?? NONE;
    latest.set(likeness, i);
    return twin;
  });
}
