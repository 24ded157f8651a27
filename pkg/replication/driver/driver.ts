import { InvariantViolation, invariant, type LogIndex, type Position } from "../../base/index.js";
import { ReplicationError } from "../errors.js";
import type { ReplicationLimits } from "../limits.js";
import {
  type ApplyResult,
  type Entry,
  type LogStore,
  type StateMachine,
  StateMachineError,
} from "../ports/index.js";
import type { Durability } from "../replicator.js";
import type { Core, CoreView, Effect, Input } from "./effects.js";
import { isRefusal } from "./is-refusal.js";

/** What became of one write. */
export type Answer =
  | {
      readonly ticket: number;
      readonly result: ApplyResult;
      readonly term: number;
      readonly durability: Durability;
    }
  | { readonly ticket: number; readonly refused: ReplicationError };

/** Where the driver reports to; called between steps, never from inside one. */
export interface DriverListener {
  onAnswers(answers: readonly Answer[]): void;
  onNote(event: string, reason: string): void;
  /** The core's view may have changed. */
  onStep(): void;
  /** The log or the state machine broke: nothing more is acknowledged, the node must end. */
  onFailure(error: Error): void;
}

export interface DriverParts<E> {
  readonly log: LogStore;
  readonly stateMachine: StateMachine;
  readonly limits: ReplicationLimits;
  readonly listener: DriverListener;
  /** The effects that only the mode knows; may call `input`, which waits for the step's end. */
  readonly carryOut: (effect: E) => void;
  /** A marker was applied, and nothing after it is before this resolves. Missing: nobody cares. */
  readonly atMarker?: ((marker: Entry) => Promise<void>) | undefined;
}

/** Inputs that must be handled before any other that waits. */
const AT_ONCE: ReadonlySet<string> = new Set(["persist_refused", "sent", "installed"]);

type EffectOf<Kind extends Effect["kind"]> = Extract<Effect, { kind: Kind }>;

/**
 * The effect loop that every mode shares. It owns the order of things: an effect is carried out
 * before the next one, one sync is under way at a time, and what gathers meanwhile shares the next
 * (group commit); the state machine gets batches as far ahead as it allows. A failure of the log or of the state machine ends it: from then
 * on inputs are ignored and no answer is given.
 */
export class Driver<
  State,
  I extends { readonly kind: string },
  E extends { readonly kind: string },
> {
  readonly #core: Core<State, I, E>;
  readonly #parts: DriverParts<E>;
  #state: State;
  #viewed: { readonly state: State; readonly view: CoreView } | undefined;
  readonly #inputs: (Input | I)[] = [];
  #running = false;
  #paused = false;
  #syncing = false;
  /** `seq` of the newest `persist`. */
  #persistSeq = 0;
  #syncWanted = false;
  #applied: Position;
  /** Handed to the state machine; not below `#applied`. */
  #handedOut: LogIndex;
  /** Asked for by the core. */
  #applyUpTo: LogIndex;
  #applyCalls = 0;
  /** The last batch handed out ends in a marker: nothing more is until that is dealt with. */
  #standing = false;
  /** A batch found no room: nothing more is handed out until the position is known. */
  #applyRefused = false;
  #results = new Map<number, ApplyResult>();
  /** By ticket: applied, and not to be answered yet. */
  readonly #held = new Map<number, { readonly result: ApplyResult; readonly term: number }>();
  #answers: Answer[] = [];
  #failure: Error | undefined;
  #ended = false;

  constructor(core: Core<State, I, E>, parts: DriverParts<E>, applied: Position) {
    this.#core = core;
    this.#parts = parts;
    this.#state = core.initial;
    this.#applied = applied;
    this.#handedOut = applied.index;
    this.#applyUpTo = applied.index;
  }

  view(): CoreView {
    if (this.#viewed?.state !== this.#state) {
      this.#viewed = { state: this.#state, view: this.#core.view(this.#state) };
    }
    return this.#viewed.view;
  }

  get applied(): Position {
    return this.#applied;
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  /** True when no sync and no apply is under way. */
  get idle(): boolean {
    return !this.#syncing && !this.#applying;
  }

  get #applying(): boolean {
    return this.#applyCalls > 0 || this.#applyRefused;
  }

  get state(): State {
    return this.#state;
  }

  /**
   * Asks the state machine where it is: its last commit may have failed while nobody applied, and
   * then the log must bring it forward again.
   */
  async noticeFallback(): Promise<void> {
    const expected = this.#applied;
    if (this.#applying || this.#failure !== undefined) return;
    const position = await this.#parts.stateMachine.getWALPosition();
    if (this.#applying || this.#applied !== expected || position.index >= expected.index) return;
    this.#fallBack(position);
  }

  /** Steps the core; effects of this input are carried out before the call returns. */
  input(input: Input | I): void {
    if (this.#failure !== undefined || this.#ended) return;
    if (AT_ONCE.has(input.kind)) this.#inputs.unshift(input);
    else this.#inputs.push(input);
    if (!this.#running && !this.#paused) this.#run();
  }

  #run(): void {
    this.#running = true;
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        this.#step(next);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#running = false;
    }
    this.#report();
  }

  /** Runs `body` between two steps: what happens meanwhile waits for its end. */
  async exclusively(body: () => Promise<void>): Promise<void> {
    invariant(!this.#paused, "one exclusive piece of work at a time");
    this.#paused = true;
    try {
      await body();
    } finally {
      this.#paused = false;
    }
    if (!this.#running && this.#inputs.length > 0) this.#run();
  }

  #step(input: Input | I): void {
    const step = this.#core.step(this.#state, input);
    this.#core.assertInvariants(step.state);
    this.#state = step.state;
    for (const effect of step.effects) this.#carryOut(effect);
    // Whoever waited for these results has been answered by now.
    if (input.kind === "applied") this.#results.clear();
  }

  #report(): void {
    if (this.#answers.length > 0 && this.#failure === undefined) {
      const answers = this.#answers;
      this.#answers = [];
      this.#parts.listener.onAnswers(answers);
    }
    this.#parts.listener.onStep();
  }

  #carryOut(effect: Effect | E): void {
    const shared = effect as Effect;
    switch (shared.kind) {
      case "persist":
        this.#persist(shared);
        return;
      case "apply":
        this.#apply(shared.upTo);
        return;
      case "answer":
        this.#answer(shared);
        return;
      case "hold":
        this.#held.set(shared.ticket, { result: this.#resultAt(shared.index), term: shared.term });
        return;
      case "settle":
        this.#settle(shared);
        return;
      case "refuse":
        this.#refuse(shared);
        return;
      case "note":
        this.#parts.listener.onNote(shared.event, shared.reason);
        return;
      default:
        this.#parts.carryOut(effect as E);
    }
  }

  #persist(effect: EffectOf<"persist">): void {
    const { log } = this.#parts;
    const { seq, hard, entries, truncateFrom } = effect;
    const from = entries[0]?.index;
    if (truncateFrom !== undefined) log.truncateSuffix(truncateFrom);
    try {
      if (hard !== undefined) log.saveHardState(hard);
      if (from !== undefined) log.append(entries);
    } catch (error) {
      if (from === undefined || !isRefusal(error, hard, log.hardState)) throw error;
      this.input({ kind: "persist_refused", seq, from });
    }
    this.#persistSeq = seq;
    this.#syncWanted = true;
    void this.#sync();
  }

  async #sync(): Promise<void> {
    if (this.#syncing) return;
    this.#syncing = true;
    try {
      while (this.#syncWanted && this.#failure === undefined && !this.#ended) {
        this.#syncWanted = false;
        const seq = this.#persistSeq;
        const upTo = await this.#parts.log.sync();
        this.input({ kind: "persisted", seq, upTo });
      }
    } catch (error) {
      this.#fail(error);
      this.#report();
    } finally {
      this.#syncing = false;
    }
  }

  #apply(upTo: LogIndex): void {
    this.#applyUpTo = upTo;
    const { log, stateMachine, limits } = this.#parts;
    const callsMax = stateMachine.applyAheadMax ?? 1;
    while (
      this.#handedOut < this.#applyUpTo &&
      this.#applyCalls < callsMax &&
      !this.#applyRefused &&
      !this.#standing &&
      this.#failure === undefined
    ) {
      const from = (this.#handedOut + 1) as LogIndex;
      const to = Math.min(upTo, this.#handedOut + limits.applyBatchEntriesMax) as LogIndex;
      const entries = this.#upToMarker(log.read(from, to, limits.applyBatchBytesMax));
      const last = entries.at(-1);
      invariant(last !== undefined, "committed entries can be read from the log");
      this.#standing = this.#isMarker(last);
      this.#handedOut = last.index;
      this.#applyCalls += 1;
      void this.#applyBatch(entries, last);
    }
  }

  #isMarker(entry: Entry): boolean {
    return entry.kind === "marker" && this.#parts.atMarker !== undefined;
  }

  #upToMarker(entries: readonly Entry[]): readonly Entry[] {
    const at = entries.findIndex((entry) => this.#isMarker(entry));
    return at < 0 ? entries : entries.slice(0, at + 1);
  }

  async #applyBatch(entries: readonly Entry[], last: Entry): Promise<void> {
    const isMarker = this.#isMarker(last);
    let results: readonly ApplyResult[];
    try {
      results = await this.#parts.stateMachine.applyBatch(entries);
      if (isMarker) {
        await this.#parts.atMarker?.(last);
        results = [...results, { index: last.index, replayed: false, ok: true, value: null }];
      }
    } catch (error) {
      this.#applyCalls -= 1;
      if (isMarker) this.#standing = false;
      await this.#onApplyError(error);
      return;
    }
    this.#applyCalls -= 1;
    if (isMarker) this.#standing = false;
    if (this.#failure === undefined) this.#onApplied(results, last);
  }

  #onApplied(results: readonly ApplyResult[], last: Position): void {
    try {
      invariant(!this.#applyRefused, "nothing behind a refused batch is applied");
      for (const result of results) this.#results.set(result.index, result);
      this.#applied = { index: last.index, term: last.term };
      this.input({ kind: "applied", upTo: this.#applied });
      this.#apply(this.#applyUpTo);
    } catch (error) {
      this.#fail(error);
      this.#report();
    }
  }

  /** When the last batch under way has come back, the state machine says where it is. */
  async #onApplyError(error: unknown): Promise<void> {
    try {
      if (!(error instanceof StateMachineError && error.code === "STORAGE_FULL")) throw error;
      this.#applyRefused = true;
      if (this.#applyCalls > 0) return;
      const position = await this.#parts.stateMachine.getWALPosition();
      this.#applyRefused = false;
      this.#fallBack(position);
    } catch (fatal) {
      this.#fail(fatal);
      this.#report();
    }
  }

  #fallBack(position: Position): void {
    this.restored(position);
    this.input({ kind: "apply_refused", position });
  }

  /** The state machine is at another place now; only while no apply is under way. */
  restored(position: Position): void {
    invariant(this.#applyCalls === 0, "nothing is applied while the state is replaced");
    this.#applied = position;
    this.#handedOut = position.index;
    this.#applyUpTo = position.index;
  }

  #resultAt(index: LogIndex): ApplyResult {
    const result = this.#results.get(index);
    invariant(result !== undefined, "an applied command has a result");
    return result;
  }

  #answer({ ticket, index, term, durability }: EffectOf<"answer">): void {
    this.#answers.push({ ticket, result: this.#resultAt(index), term, durability });
  }

  #settle({ ticket, durability }: EffectOf<"settle">): void {
    const held = this.#held.get(ticket);
    invariant(held !== undefined, "what is settled was held");
    this.#held.delete(ticket);
    this.#answers.push({ ticket, ...held, durability });
  }

  #refuse(effect: EffectOf<"refuse">): void {
    for (const ticket of effect.tickets) {
      this.#held.delete(ticket);
      const refused = new ReplicationError(effect.code, effect.reason, {
        retryAfterMs: effect.code === "OVERLOADED" ? this.#parts.limits.applyRetryMs : undefined,
      });
      this.#answers.push({ ticket, refused });
    }
  }

  /** Takes nothing in any more: from here on log and state machine may be closed. */
  end(): void {
    this.#ended = true;
    this.#inputs.length = 0;
  }

  /** Ends everything: nothing more is applied or answered. */
  fail(error: unknown): void {
    this.#fail(error);
    this.#report();
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined || this.#ended) return;
    this.#failure = error instanceof Error ? error : new Error(String(error));
    this.#inputs.length = 0;
    this.#answers = [];
    this.#parts.listener.onFailure(this.#failure);
    if (error instanceof InvariantViolation) throw error;
  }
}
