import type { RegionId, RequestId } from "../../base/index.js";
import { ReplicationError } from "../errors.js";
import type { RegionLog } from "../ports/index.js";
import type {
  ChangesAnswer,
  ChangesMessage,
  Proposed,
  RegionCore,
  RegionEffect,
  RegionInput,
  RegionLag,
  RegionNote,
  RegionProposal,
  RegionState,
} from "./core/index.js";

export interface RegionRunnerParts {
  readonly core: RegionCore;
  readonly log: Pick<RegionLog, "changes">;
  /** Rejects when no answer came. */
  send(region: RegionId, message: ChangesMessage): Promise<ChangesAnswer>;
  retarget(region: RegionId, leader: string | null): void;
  propose(operation: RegionProposal, done: (outcome: Proposed) => void): void;
  release(request: RequestId, reached: boolean): void;
  note(event: RegionNote, region: RegionId, reason: string): void;
  /** Kept changes cannot be read: the node must end. */
  fail(error: unknown): void;
}

type EffectOf<Kind extends RegionEffect["kind"]> = Extract<RegionEffect, { readonly kind: Kind }>;

/** Runs the core that tells other regions and takes from them, and carries its effects out. */
export class RegionRunner {
  readonly #parts: RegionRunnerParts;
  readonly #inbox: RegionInput[] = [];
  readonly #calls = new Map<number, (answer: ChangesAnswer) => void>();
  #state: RegionState;
  #lastCall = 0;
  #running = false;
  #closed = false;

  constructor(parts: RegionRunnerParts) {
    this.#parts = parts;
    this.#state = parts.core.initial;
  }

  get isLeading(): boolean {
    return this.#state.leading;
  }

  lag(): ReadonlyMap<RegionId, RegionLag> {
    return this.#parts.core.lag(this.#state);
  }

  /** Effects of this input are carried out, or under way, when the call returns. */
  input(input: RegionInput): void {
    if (this.#closed) return;
    this.#inbox.push(input);
    if (this.#running) return;
    this.#running = true;
    try {
      for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) {
        const { core } = this.#parts;
        const { state, effects } = core.step(this.#state, next);
        core.assertInvariants(state);
        this.#state = state;
        for (const effect of effects) this.#carryOut(effect);
      }
    } finally {
      this.#running = false;
    }
  }

  /** Another region's message; resolves with what it is to be answered. */
  request(message: ChangesMessage): Promise<ChangesAnswer> {
    if (this.#closed) return Promise.resolve({ kind: "failed" });
    this.#lastCall += 1;
    const call = this.#lastCall;
    return new Promise((resolve) => {
      this.#calls.set(call, resolve);
      this.input({ kind: "request", call, message });
    });
  }

  close(): void {
    this.#closed = true;
    for (const answer of this.#calls.values()) answer({ kind: "failed" });
    this.#calls.clear();
  }

  #carryOut(effect: RegionEffect): void {
    const parts = this.#parts;
    switch (effect.kind) {
      case "load":
        void this.#load(effect);
        return;
      case "send":
        void this.#send(effect);
        return;
      case "retarget":
        parts.retarget(effect.region, effect.leader);
        return;
      case "propose": {
        const { ticket, operation } = effect;
        parts.propose(operation, (outcome) => this.input({ kind: "proposed", ticket, outcome }));
        return;
      }
      case "answer":
        this.#calls.get(effect.call)?.(effect.answer);
        this.#calls.delete(effect.call);
        return;
      case "release":
        parts.release(effect.request, effect.reached);
        return;
      default:
        parts.note(effect.event, effect.region, effect.reason);
    }
  }

  async #load(effect: EffectOf<"load">): Promise<void> {
    const { region, ticket, origin, after, charsMax } = effect;
    // The state may be further than what the core knows of it, and must not be told ahead of that.
    const known = (this.#state.view.have.get(origin) ?? 0) - after;
    const countMax = Math.max(1, Math.min(effect.countMax, known));
    try {
      const kept = await this.#parts.log.changes(origin, after, { countMax, charsMax });
      this.input({ kind: "loaded", region, ticket, run: { origin, ...kept } });
    } catch (error) {
      if (this.#closed) return;
      if (error instanceof ReplicationError && error.code === "COMPACTED") {
        this.input({ kind: "not_kept", region, ticket });
      } else this.#parts.fail(error);
    }
  }

  async #send({ region, ticket, message }: EffectOf<"send">): Promise<void> {
    let answer: ChangesAnswer;
    try {
      answer = await this.#parts.send(region, message);
    } catch {
      this.input({ kind: "unreachable", region, ticket });
      return;
    }
    this.input({ kind: "reply", region, ticket, answer });
  }
}
