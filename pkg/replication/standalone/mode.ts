import { type LogIndex, type Position, unreachable } from "../../base/index.js";
import type { Answer } from "../driver/driver.js";
import type { Proposal } from "../driver/effects.js";
import type { Mode, ModeHealth, ModeHost, Order } from "../driver/mode.js";
import { ReplicationError } from "../errors.js";
import type { LogStore } from "../ports/index.js";
import type { ReadLevel } from "../replicator.js";
import type { StandaloneInput } from "./core/inputs.js";
import type { StandaloneState } from "./core/state.js";
import { standaloneCore } from "./core/step.js";

const NOTES: Readonly<Record<string, string>> = {
  became_leader: "[replication] Accepting writes",
  writes_refused: "[replication] Refusing writes",
  writes_resumed: "[replication] Accepting writes again",
  stopping: "[replication] Stopping",
};

/** One node: it has nobody to ask and nobody to tell. */
export class StandaloneMode implements Mode<StandaloneState, StandaloneInput, never> {
  readonly core = standaloneCore;
  readonly #log: LogStore;
  #host: ModeHost<StandaloneState, StandaloneInput> | undefined;

  constructor(log: LogStore) {
    this.#log = log;
  }

  bind(host: ModeHost<StandaloneState, StandaloneInput>): void {
    this.#host = host;
  }

  recovered(applied: Position): StandaloneInput {
    const { hardState, last } = this.#log;
    return { kind: "recovered", hard: hardState, last, applied };
  }

  async started(): Promise<void> {}

  carryOut(effect: never): void {
    unreachable(effect);
  }

  propose(proposals: readonly Proposal[]): void {
    this.#host?.input({ kind: "propose", proposals });
  }

  answered(answers: readonly Answer[]): readonly Answer[] {
    return answers;
  }

  /** What is applied here is all that there is, at any level. */
  read(ticket: number, _level: ReadLevel): void {
    this.#host?.settleRead(ticket, this.#host.applied());
  }

  order(ticket: number, { action }: Order): void {
    const message = `mode standalone has no "${action}"`;
    this.#host?.settleOrder(ticket, new ReplicationError("CONFLICT", message));
  }

  describe(note: string) {
    const level = note === "writes_refused" ? ("warn" as const) : ("info" as const);
    return { level, text: NOTES[note] ?? note };
  }

  health(): ModeHealth {
    return { address: null, leaderAddr: null, peers: [], lagMs: 0 };
  }

  async beforeCut(upTo: LogIndex): Promise<LogIndex> {
    return upTo;
  }

  cut(): void {}
  async leaving(): Promise<void> {}
  async close(): Promise<void> {}
}
