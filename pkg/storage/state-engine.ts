import {
  invariant,
  type JsonValue,
  NO_POSITION,
  type Position,
  toLogIndex,
  toTerm,
} from "../base/index.js";
import type { ApplyResult, Entry } from "../replication/ports/index.js";
import { applyOperations } from "./apply-operations.js";
import { type DecodedCommand, decodeCommand, type Refusal } from "./commands.js";
import { DigestSums } from "./digest-sums.js";
import { Draft, type GraphView } from "./draft.js";
import { effectsText } from "./effects.js";
import type { GraphCounts, OperationResult } from "./graph.js";
import type { EdgeRecord, IndexRecord, NodeRecord } from "./records.js";
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

/** What stands beside the graph and changes together with it. */
export interface EngineState {
  readonly position: Position;
  readonly counts: GraphCounts;
  readonly horizonMs: number;
  readonly digest: Uint8Array;
  /** Changes at or below it are not there, whatever the window says. */
  readonly changesFrom: number;
}

export type Outcome =
  | { readonly ok: true; readonly value: readonly OperationResult[] }
  | ({ readonly ok: false } & Refusal);

/** Where the engine keeps the graph. `change…` is called once for each thing a command changed. */
export interface StateStore extends GraphView {
  changeNode(id: string, before: NodeRecord | undefined, after: NodeRecord | undefined): void;
  changeEdge(id: string, before: EdgeRecord | undefined, after: EdgeRecord | undefined): void;
  changeIndex(before: IndexRecord | undefined, after: IndexRecord | undefined): void;
  appendApplied(row: AppliedRow): void;
  /** The row that covers the index. */
  appliedRow(index: number): AppliedRow | undefined;
}

/** Text of one applied row before it is written out in the middle of a batch. */
const ROW_CHARS_MAX = 4 * 1024 * 1024;

/** The state machine's rules, the same over every store. */
export class StateEngine {
  readonly #store: StateStore;
  readonly #requests: RequestMemory;
  readonly #digest = new DigestSums();
  #position: Position = NO_POSITION;
  #nodes = 0;
  #edges = 0;
  #changesFrom = 0;
  #pending = new RowBuilder();

  constructor(store: StateStore, rememberedRequestsMax: number) {
    this.#store = store;
    this.#requests = new RequestMemory(rememberedRequestsMax);
  }

  get position(): Position {
    return this.#position;
  }

  get counts(): GraphCounts {
    return { nodes: this.#nodes, edges: this.#edges };
  }

  shards(): readonly number[] {
    return this.#digest.toShards();
  }

  state(): EngineState {
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
    this.#nodes = state?.counts.nodes ?? 0;
    this.#edges = state?.counts.edges ?? 0;
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
  write(command: DecodedCommand): Outcome {
    const draft = new Draft(this.#store);
    const outcome = toOutcome(applyOperations(draft, command, this.#position.index));
    if (outcome.ok) this.#commit(draft);
    return outcome;
  }

  setPosition(position: Position): void {
    this.#position = position;
    this.#changesFrom = position.index;
  }

  /** Sums and counts as the content itself says. */
  recount(shards: readonly number[], counts: GraphCounts): void {
    this.#digest.setShards(shards);
    this.#nodes = counts.nodes;
    this.#edges = counts.edges;
  }

  #applyCommand(entry: Entry): ApplyResult {
    const { index } = entry;
    const command = decodeCommand(entry.payload);
    const { requestId, timestampMs } = command;
    if (requestId !== "") {
      const known = this.#requests.find(requestId, index);
      if (known !== undefined) {
        this.#requests.advance(index, 0);
        return { index, replayed: true, ...toResult(this.#recall(known)) };
      }
      if (this.#requests.isExpired(requestId, timestampMs)) {
        this.#requests.advance(index, 0);
        return { index, replayed: false, ok: false, ...EXPIRED };
      }
    }
    const draft = new Draft(this.#store);
    const applied = command.refusal ?? applyOperations(draft, command, index);
    const outcome = toOutcome(applied);
    this.#pending.add(
      index,
      timestampMs,
      requestId,
      outcome,
      outcome.ok ? effectsText(draft) : "[]",
    );
    if (outcome.ok) this.#commit(draft);
    if (this.#pending.chars > ROW_CHARS_MAX) this.#flushRow();
    this.#requests.advance(index, timestampMs);
    if (requestId !== "") this.#requests.remember(requestId, index);
    return { index, replayed: false, ...toResult(outcome) };
  }

  #commit(draft: Draft): void {
    const store = this.#store;
    for (const [id, { before, after }] of draft.edges) {
      if (before === after) continue;
      this.#edges += count(after) - count(before);
      this.#digest.changeEdge(id, before, after);
      store.changeEdge(id, before, after);
    }
    for (const [id, { before, after }] of draft.nodes) {
      if (before === after) continue;
      this.#nodes += count(after) - count(before);
      this.#digest.changeNode(id, before, after);
      store.changeNode(id, before, after);
    }
    for (const { before, after } of draft.indexes.values()) {
      if (before === after) continue;
      this.#digest.changeIndex(before, after);
      store.changeIndex(before, after);
    }
  }

  #recall(index: number): Outcome {
    if (this.#pending.firstIndex <= index) this.#flushRow();
    const row = this.#store.appliedRow(index);
    invariant(row !== undefined, "a remembered request has its row");
    const requests: (number | string)[] = JSON.parse(row.requests);
    let at = 0;
    while (at * 3 < requests.length && requests[at * 3] !== index) at += 1;
    const outcome = (JSON.parse(row.results) as Outcome[])[at];
    invariant(outcome !== undefined, "a remembered request has its result");
    return outcome;
  }

  #flushRow(): void {
    const row = this.#pending.take();
    if (row !== undefined) this.#store.appendApplied(row);
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

function toOutcome(applied: readonly OperationResult[] | Refusal): Outcome {
  return "code" in applied ? { ok: false, ...applied } : { ok: true, value: applied };
}

function toResult(outcome: Outcome) {
  return outcome.ok
    ? { ok: true as const, value: outcome.value as unknown as JsonValue }
    : { ok: false as const, code: outcome.code, message: outcome.message };
}

function count(record: unknown): number {
  return record === undefined ? 0 : 1;
}

/** A position from stored numbers. */
export function toPosition(index: number, term: number): Position {
  return { index: toLogIndex(index), term: toTerm(term) };
}
