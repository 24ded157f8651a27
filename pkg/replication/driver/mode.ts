import type { JsonValue, LogIndex, Position } from "../../base/index.js";
import type { LogLevel } from "../../runtime/index.js";
import type { ReplicationError } from "../errors.js";
import type { Entry } from "../ports/index.js";
import type { Health, ReadLevel, ReplicatorEvent } from "../replicator.js";
import type { Answer } from "./driver.js";
import type { Core, CoreView, Input, Proposal } from "./effects.js";

/** What a node lets its mode do. */
export interface ModeHost<State, I> {
  input(input: Input | I): void;
  state(): State;
  view(): CoreView;
  applied(): Position;
  health(): Health;
  /** The mode has replaced the state; only while no apply is under way. */
  restored(position: Position): void;
  /** Runs `body` between two steps of the core. */
  exclusively(body: () => Promise<void>): Promise<void>;
  /** Ends writes that this node has admitted; each once. */
  answer(answers: readonly Answer[]): void;
  /** Ends a read. */
  settleRead(ticket: number, outcome: Position | ReplicationError): void;
  /** Ends an order. */
  settleOrder(ticket: number, outcome: JsonValue | ReplicationError): void;
  /** Tells whoever listens to this node's events. */
  tell(event: ReplicatorEvent): void;
  /** Nothing more is acknowledged; the process must end. */
  fail(error: unknown): void;
}

/** What the health page says beyond what every node knows of itself. */
export type ModeHealth = Pick<Health, "address" | "leaderAddr" | "peers" | "lagMs"> &
  Partial<Pick<Health, "region" | "regions" | "reason" | "healthy">>;

/** What an operator asks of a node: an action of the admin API with its arguments. */
export interface Order {
  readonly action: string;
  readonly args: { readonly [name: string]: JsonValue };
}

/**
 * How a mode is bound to the node that runs it. The node calls `bind` once, then feeds
 * `recovered` to the core, then `started` once the core serves. Calls never overlap a step, but for
 * `carryOut` and `answered`, which come from inside one.
 */
export interface Mode<State, I, E> {
  readonly core: Core<State, I, E>;
  bind(host: ModeHost<State, I>): void;
  /** The first input: what the disk held. */
  recovered(applied: Position): I;
  /** From here on peers may be talked to. Rejects when the mode cannot serve at all. */
  started(): Promise<void>;
  carryOut(effect: E): void;
  propose(proposals: readonly Proposal[]): void;
  /** @returns the answers that are final; the mode goes on with the others */
  answered(answers: readonly Answer[]): readonly Answer[];
  /**
   * Ends in `host.settleRead` with the position that the read must see.
   * @param key - the one thing that the read looks at, if it is one
   */
  read(ticket: number, level: ReadLevel, key?: string): void;
  /** Inputs have been handled, and something may have been applied. */
  stepped?(): void;
  /**
   * A marker was applied: state machine and log stand exactly there until the promise resolves.
   * Never rejects but for what must end the node.
   */
  atMarker?(marker: Entry): Promise<void>;
  /** Ends in `host.settleOrder`. */
  order(ticket: number, order: Order): void;
  describe(note: string): { readonly level: LogLevel; readonly text: string };
  /** The core noted that; after it is in the log of the program. */
  noted?(note: string, reason: string): void;
  health(): ModeHealth;
  /**
   * The log is about to be cut up to the index; what only it held must be kept elsewhere first.
   * @returns how far it may be cut
   */
  beforeCut(upTo: LogIndex): Promise<LogIndex>;
  cut(base: Position): void;
  /** Hands over what can be handed over; called after `stop` was fed to the core. */
  leaving(): Promise<void>;
  /** Peers first. Idempotent. */
  close(): Promise<void>;
}
