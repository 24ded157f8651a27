import {
  invariant,
  type JsonValue,
  NO_POSITION,
  type Position,
  toLogIndex,
  toTerm,
} from "../base/index.js";
import type { ApplyResult, Entry } from "../replication/ports/index.js";
import { DigestSums } from "./digest-sums.js";
import { decodeEnvelope, type Envelope, type Refusal } from "./envelope.js";
import { RequestMemory } from "./request-memory.js";

/** What a run of entries left behind: ids, results and effects, for retries and the change stream. */
export interface AppliedRow {
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** JSON `[index, leader's milliseconds, request id, …]`, three values for each command. */
  readonly requests: string;
  /** JSON, one result for each command. */
  readonly results: string;
  /** JSON, one `Effect[]` for each command. */
  readonly effects: string;
}

/** How many things of which kind there are. */
export type Counts = Readonly<Record<string, number>>;

/** What stands beside the content and changes together with it. */
export interface EngineState {
  readonly position: Position;
  readonly counts: Counts;
  readonly horizonMs: number;
  readonly digest: Uint8Array;
  /** Changes at or below it are not there, whatever the window says. */
  readonly changesFrom: number;
}

export type Outcome =
  | { readonly ok: true; readonly value: JsonValue }
  | ({ readonly ok: false } & Refusal);

/** What a command would do. Nothing of it has happened, and dropping it leaves nothing behind. */
export interface Prepared {
  readonly outcome: Outcome;
  /** JSON list of what it changes, for the change stream; `[]` for a refusal. */
  readonly effects: string;
  /** Changes the store and the counts, and tells the digest of every change. */
  commit(digest: DigestSums): void;
}

/**
 * What a state machine has of its own: how a command changes what is stored. It reads nothing but
 * the command and the store: no clock, no randomness, no environment.
 */
export interface StateRules {
  counts: Counts;
  /** @param index - the command's, which is the version of what it writes */
  prepare(envelope: Envelope, index: number): Prepared;
  /** Tells the digest what it was not told with every command; before it is read. */
  settle?(digest: DigestSums): void;
}

/** Where the engine keeps ids, results and effects, beside what the rules store. */
export interface AppliedRows {
  appendApplied(row: AppliedRow): void;
  /** The row that covers the index. */
  appliedRow(index: number): AppliedRow | undefined;
}

/** What came of a command that does nothing. */
export function refusedCommand(refusal: Refusal): Prepared {
  return { outcome: { ok: false, ...refusal }, effects: "[]", commit: () => {} };
}

/** Text of one applied row before it is written out in the middle of a batch. */
const ROW_CHARS_MAX = 4 * 1024 * 1024;

/** What all state machines have in common: order, request ids, results, effects and the digest. */
export class StateEngine<Rules extends StateRules = StateRules> {
  readonly #rules: Rules;
  readonly #rows: AppliedRows;
  readonly #requests: RequestMemory;
  readonly #digest = new DigestSums();
  #position: Position = NO_POSITION;
  #changesFrom = 0;
  #pending = new RowBuilder();

  /** @param seed - of where request ids are kept in memory; see `RequestMemoryOptions` */
  constructor(rules: Rules, rows: AppliedRows, rememberedRequestsMax: number, seed?: number) {
    this.#rules = rules;
    this.#rows = rows;
    this.#requests = new RequestMemory({
      window: rememberedRequestsMax,
      idAt: (index) => this.#lookUp(index)?.requestId,
      seed,
    });
  }

  get position(): Position {
    return this.#position;
  }

  get counts(): Counts {
    return this.#rules.counts;
  }

  shards(): readonly number[] {
    this.#rules.settle?.(this.#digest);
    return this.#digest.toShards();
  }

  state(): EngineState {
    this.#rules.settle?.(this.#digest);
    return {
      position: this.#position,
      counts: this.counts,
      horizonMs: this.#requests.horizonMs,
      digest: this.#digest.encode(),
      changesFrom: this.#changesFrom,
    };
  }

  load(state: EngineState | undefined, rows: Iterable<AppliedRow>): void {
    this.#pending = new RowBuilder();
    this.#position = state?.position ?? NO_POSITION;
    this.#rules.counts = state?.counts ?? {};
    this.#changesFrom = state?.changesFrom ?? 0;
    if (state === undefined) this.#digest.clear();
    else this.#digest.load(state.digest);
    this.#requests.reload(state?.horizonMs ?? 0, requestsOf(rows));
  }

  apply(entries: readonly Entry[]): ApplyResult[] {
    const results: ApplyResult[] = [];
    for (const entry of entries) {
      invariant(entry.index === this.#position.index + 1, "entries are applied in order");
      if (entry.kind === "command") results.push(this.#applyCommand(entry));
      else this.#requests.advance(entry.index, 0);
      this.#position = { index: entry.index, term: entry.term };
    }
    this.#flushRow();
    return results;
  }

  /** Writes without a log, at the version of the position. */
  write(prepare: (rules: Rules, version: number) => Prepared): Outcome {
    const prepared = prepare(this.#rules, this.#position.index);
    if (prepared.outcome.ok) prepared.commit(this.#digest);
    return prepared.outcome;
  }

  setPosition(position: Position): void {
    this.#position = position;
    this.#changesFrom = position.index;
  }

  /** Sums and counts as the content itself says. */
  recount(shards: readonly number[], counts: Counts): void {
    this.#digest.setShards(shards);
    this.#rules.counts = counts;
  }

  #applyCommand(entry: Entry): ApplyResult {
    const { index } = entry;
    const envelope = decodeEnvelope(entry.payload);
    const { requestId, timestampMs } = envelope;
    if (requestId !== "") {
      const known = this.#requests.find(requestId, index);
      if (known !== undefined) {
        this.#requests.advance(index, 0);
        return { index, replayed: true, ...this.#recall(known) };
      }
      if (this.#requests.isExpired(requestId, timestampMs)) {
        this.#requests.advance(index, 0);
        return { index, replayed: false, ok: false, ...EXPIRED };
      }
    }
    const { refusal } = envelope;
    const prepared =
      refusal === undefined ? this.#rules.prepare(envelope, index) : refusedCommand(refusal);
    const { outcome, effects } = prepared;
    this.#pending.add(index, timestampMs, requestId, outcome, effects);
    if (outcome.ok) prepared.commit(this.#digest);
    if (this.#pending.chars > ROW_CHARS_MAX) this.#flushRow();
    this.#requests.advance(index, timestampMs);
    if (requestId !== "") this.#requests.remember(requestId, index);
    return { index, replayed: false, ...outcome };
  }

  #recall(index: number): Outcome {
    const found = this.#lookUp(index);
    invariant(found !== undefined, "a remembered request has its row");
    return found.outcome();
  }

  /** The command at that index as it is kept; undefined: it is no command, or not kept. */
  #lookUp(index: number): { readonly requestId: string; outcome(): Outcome } | undefined {
    if (this.#pending.firstIndex <= index) this.#flushRow();
    const row = this.#rows.appliedRow(index);
    if (row === undefined) return undefined;
    const requests: (number | string)[] = JSON.parse(row.requests);
    let at = 0;
    while (at * 3 < requests.length && requests[at * 3] !== index) at += 1;
    if (at * 3 >= requests.length) return undefined;
    return {
      requestId: requests[at * 3 + 2] as string,
      outcome: () => (JSON.parse(row.results) as Outcome[])[at] as Outcome,
    };
  }

  #flushRow(): void {
    const row = this.#pending.take();
    if (row !== undefined) this.#rows.appendApplied(row);
  }
}

const EXPIRED: Refusal = {
  code: "CONFLICT",
  message:
    "request id expired: it was made before the oldest request that is remembered, so whether it was applied is not known; look before you write again with a new id",
};

/** Collects the applied commands of one batch as text, so that they cost one insert. */
class RowBuilder {
  #requests: string[] = [];
  #results: string[] = [];
  #effects: string[] = [];
  firstIndex = Number.POSITIVE_INFINITY;
  #lastIndex = 0;
  chars = 0;

  add(index: number, ms: number, requestId: string, outcome: Outcome, effects: string): void {
    if (this.#requests.length === 0) this.firstIndex = index;
    this.#lastIndex = index;
    this.#requests.push(`${index},${ms},${JSON.stringify(requestId)}`);
    this.#results.push(JSON.stringify(outcome));
    this.#effects.push(effects);
    this.chars += effects.length;
  }

  take(): AppliedRow | undefined {
    if (this.#requests.length === 0) return undefined;
    const row = {
      firstIndex: this.firstIndex,
      lastIndex: this.#lastIndex,
      requests: `[${this.#requests.join(",")}]`,
      results: `[${this.#results.join(",")}]`,
      effects: `[${this.#effects.join(",")}]`,
    };
    this.#requests = [];
    this.#results = [];
    this.#effects = [];
    this.firstIndex = Number.POSITIVE_INFINITY;
    this.chars = 0;
    return row;
  }
}

function* requestsOf(rows: Iterable<AppliedRow>) {
  for (const row of rows) {
    const flat: (number | string)[] = JSON.parse(row.requests);
    for (let i = 0; i + 2 < flat.length; i += 3) {
      yield {
        index: flat[i] as number,
        timestampMs: flat[i + 1] as number,
        requestId: flat[i + 2] as string,
      };
    }
  }
}

/** A position from stored numbers. */
export function toPosition(index: number, term: number): Position {
  return { index: toLogIndex(index), term: toTerm(term) };
}
