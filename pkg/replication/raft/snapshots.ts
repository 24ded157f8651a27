import type { JsonValue, LogIndex, NodeId, Position, Term } from "../../base/index.js";
import type { FileSystem, Logger, Random, Timers } from "../../runtime/index.js";
import type {
  LogStore,
  PeerConnection,
  PeerMessage,
  SnapshotReader,
  StateMachine,
} from "../ports/index.js";
import {
  type ReceivedSnapshot,
  SNAPSHOT_LIMITS,
  SnapshotReceiver,
  SnapshotSender,
  type SnapshotSent,
} from "../snapshot/index.js";
import type { ArrivedCopy } from "../verification/index.js";
import { CatchUp } from "./catch-up.js";
import type { RaftInput } from "./core/effects.js";
import { type ConfigEntry, encodeMembership } from "./core/membership.js";
import { type MembersFile, neededFrom, toConfigEntry } from "./members-file.js";

export interface RaftSnapshotsParts {
  readonly nodeId: NodeId;
  /** A folder of its own for what arrives. */
  readonly directory: string;
  readonly log: LogStore;
  readonly stateMachine: StateMachine;
  readonly members: MembersFile;
  readonly fileSystem: FileSystem;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

/** What the snapshots need of the mode they serve. */
export interface SnapshotsHost {
  input(input: RaftInput): void;
  term(): Term;
  applied(): Position;
  configs(): readonly ConfigEntry[];
  connection(id: NodeId): PeerConnection | undefined;
  restored(position: Position): void;
  exclusively(body: () => Promise<void>): Promise<void>;
  fail(error: unknown): void;
  /** @returns true: a copy that came by force is dealt with */
  takeForced(copy: ArrivedCopy): boolean;
}

/** A minute: how long who has a new copy has for what came since. */
const CATCH_UP_TICKS = 600;

/** Copies of the whole state on their way to other nodes, and the one that comes in (D16). */
export class RaftSnapshots {
  readonly #parts: RaftSnapshotsParts;
  readonly #host: SnapshotsHost;
  readonly #receiver: SnapshotReceiver;
  readonly #senders = new Map<NodeId, SnapshotSender>();
  readonly #catchUp = new CatchUp(CATCH_UP_TICKS);
  #received: ReceivedSnapshot | undefined;
  #term: Term;

  private constructor(parts: RaftSnapshotsParts, host: SnapshotsHost, receiver: SnapshotReceiver) {
    this.#parts = parts;
    this.#host = host;
    this.#receiver = receiver;
    this.#term = host.term();
  }

  static async open(parts: RaftSnapshotsParts, host: SnapshotsHost): Promise<RaftSnapshots> {
    let made: RaftSnapshots | undefined;
    const receiver = await SnapshotReceiver.open({
      directory: parts.directory,
      fileSystem: parts.fileSystem,
      timers: parts.timers,
      logger: parts.logger,
      limits: SNAPSHOT_LIMITS,
      term: host.term(),
      applied: () => host.applied().index,
      onReceived: (snapshot) => made?.onReceived(snapshot),
    });
    made = new RaftSnapshots(parts, host, receiver);
    return made;
  }

  /** A copy that a process before this one took may be ready. */
  start(): void {
    this.#receiver.start();
  }

  handle(from: NodeId, message: PeerMessage): Promise<PeerMessage> {
    return this.#receiver.handle(from, message);
  }

  /** About every 100 ms. */
  tick(): void {
    const term = this.#host.term();
    if (term > this.#term) {
      this.#term = term;
      this.#receiver.raiseTerm(term);
    }
    this.#receiver.tick();
    for (const sender of this.#senders.values()) sender.tick();
    this.#catchUp.tick();
  }

  async send(to: NodeId, term: Term): Promise<void> {
    const sent = await this.#send(to, term, this.#parts.stateMachine, false);
    const position = sent === undefined ? null : this.#reached(sent);
    if (position !== null) this.#catchUp.begin(to, position.index);
    this.#host.input({ kind: "snapshot_sent", to, term, position });
  }

  /** Replaces the peer's state by this copy, whatever it has applied; the copy is closed. */
  async sendForced(to: NodeId, copy: SnapshotReader): Promise<void> {
    let taken = false;
    const snapshot = async () => {
      if (taken) throw new Error("there is one copy");
      taken = true;
      return copy;
    };
    await this.#send(to, this.#host.term(), { snapshot }, true);
    if (!taken) await copy.close();
  }

  async #send(
    to: NodeId,
    term: Term,
    stateMachine: Pick<StateMachine, "snapshot">,
    force: boolean,
  ): Promise<SnapshotSent | undefined> {
    const { nodeId, random, timers, logger } = this.#parts;
    const connection = this.#host.connection(to);
    if (connection === undefined || this.#senders.has(to)) return undefined;
    const sender = SnapshotSender.start({
      nodeId,
      peer: to,
      connection,
      stateMachine,
      term,
      force,
      configAt: (position: Position) => toJson(this.#configAt(position.index)),
      random,
      timers,
      logger,
      limits: SNAPSHOT_LIMITS,
    });
    this.#senders.set(to, sender);
    const sent = await sender.ended;
    this.#senders.delete(to);
    return sent;
  }

  #reached(sent: SnapshotSent): Position | null {
    if (sent.kind === "installed") return sent.position;
    if (sent.kind !== "not_needed") return null;
    const term = this.#parts.log.termAt(sent.index);
    return term === undefined ? null : { index: sent.index, term };
  }

  /** Entries after it are needed by those who receive copies, or just have; null: nobody does. */
  neededAfter(): LogIndex | null {
    const sending = [...this.#senders.values()].map((sender) => sender.progress().position?.index);
    const needed = [...this.#catchUp.needed(), ...sending].filter((index) => index !== undefined);
    return needed.length === 0 ? null : (Math.min(...needed) as LogIndex);
  }

  onReceived(snapshot: ReceivedSnapshot): void {
    const { offer, from } = snapshot;
    const forced = {
      index: offer.position.index,
      chunks: () => snapshot.chunks(),
      done: async (used: boolean) => {
        if (used) await this.#receiver.installed(offer.id);
        else await this.#receiver.installFailed(offer.id);
      },
    };
    if (offer.force && this.#host.takeForced(forced)) return;
    let config: ConfigEntry;
    try {
      config = toConfigEntry(offer.config);
    } catch {
      void this.#receiver.installFailed(offer.id);
      return;
    }
    this.#received = snapshot;
    const { term, position } = offer;
    this.#host.input({ kind: "snapshot_received", from, term, position, config });
  }

  discard(position: Position): void {
    const snapshot = this.#take(position);
    if (snapshot !== undefined) void this.#receiver.installFailed(snapshot.offer.id);
  }

  /**
   * RA-21: members, state, log, in this order, each durable before the next; a crash between any
   * two is finished at the next start.
   */
  async install(position: Position, config: ConfigEntry, keepTail: boolean): Promise<void> {
    const { stateMachine, members, log } = this.#parts;
    const snapshot = this.#take(position);
    if (snapshot === undefined) return;
    try {
      const known = this.#host.configs().filter(({ index }) => index < config.index);
      const later = this.#host.configs().filter(({ index }) => index > config.index);
      const configs = [...known, config, ...(keepTail ? later : [])];
      await members.write({ configs, installing: position });
      await stateMachine.restore(snapshot.chunks());
      await this.#host.exclusively(async () => {
        if (!keepTail) await log.reset(position);
        this.#host.restored(position);
        // Before anything else: what the core persists next must know the commit of the new log.
        this.#host.input({ kind: "installed", position });
      });
      await members.write({ configs: neededFrom(configs, position.index), installing: null });
      await this.#receiver.installed(snapshot.offer.id);
    } catch (error) {
      this.#host.fail(error);
    }
  }

  async close(): Promise<void> {
    const senders = [...this.#senders.values()];
    for (const sender of senders) sender.abort();
    await Promise.all(senders.map((sender) => sender.ended));
    await this.#receiver.close();
  }

  #take(position: Position): ReceivedSnapshot | undefined {
    const snapshot = this.#received;
    if (snapshot?.offer.position.index !== position.index) return undefined;
    this.#received = undefined;
    return snapshot;
  }

  #configAt(index: LogIndex): ConfigEntry | undefined {
    return this.#host.configs().findLast((config) => config.index <= index);
  }
}

function toJson(config: ConfigEntry | undefined): JsonValue {
  if (config === undefined) return null;
  const text = Buffer.from(encodeMembership(config.membership)).toString("utf8");
  return { index: config.index, membership: JSON.parse(text) as JsonValue };
}
