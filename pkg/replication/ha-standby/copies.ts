import type { LogIndex, NodeId, Position, Term } from "../../base/index.js";
import type { FileSystem, Logger, Random, Timers } from "../../runtime/index.js";
import { ReplicationError } from "../errors.js";
import type {
  LogStore,
  PeerConnection,
  PeerMessage,
  SnapshotReader,
  StateMachine,
} from "../ports/index.js";
import { MessageType } from "../ports/index.js";
import { CatchUp } from "../raft/index.js";
import {
  type ReceivedSnapshot,
  SNAPSHOT_LIMITS,
  SnapshotReceiver,
  SnapshotSender,
  type SnapshotSent,
} from "../snapshot/index.js";
import type { ArrivedCopy } from "../verification/index.js";
import { PayloadFields } from "../wire/index.js";
import type { HaInput } from "./core/effects.js";
import type { InstallingFile } from "./installing-file.js";

export interface HaCopiesParts {
  readonly nodeId: NodeId;
  /** A folder of its own for what arrives. */
  readonly directory: string;
  readonly log: LogStore;
  readonly stateMachine: StateMachine;
  readonly installing: InstallingFile;
  readonly fileSystem: FileSystem;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

/** What the copies need of the mode they serve. */
export interface CopiesHost {
  input(input: HaInput): void;
  epoch(): Term;
  isPrimary(): boolean;
  applied(): Position;
  connection(id: NodeId): PeerConnection | undefined;
  restored(position: Position): void;
  exclusively(body: () => Promise<void>): Promise<void>;
  fail(error: unknown): void;
  /** @returns true: a copy that the comparison of replicas has asked for is dealt with */
  takeForced(copy: ArrivedCopy): boolean;
}

/** A minute: how long who has a new copy has for what came since. */
const CATCH_UP_TICKS = 600;
/** Longest that a copy of everything may be on its way, in milliseconds. */
const FULL_SYNC_MS_MAX = 3_600_000;

/** Copies of the whole state: those that standbys ask this primary for, and the one that comes in. */
export class HaCopies {
  readonly #parts: HaCopiesParts;
  readonly #host: CopiesHost;
  readonly #receiver: SnapshotReceiver;
  readonly #senders = new Map<NodeId, SnapshotSender>();
  readonly #catchUp = new CatchUp(CATCH_UP_TICKS);
  #received: ReceivedSnapshot | undefined;
  /** The full sync that the core has asked for and not heard of. */
  #fetching: { readonly from: NodeId; readonly epoch: Term } | undefined;
  #epoch: Term;

  private constructor(parts: HaCopiesParts, host: CopiesHost, receiver: SnapshotReceiver) {
    this.#parts = parts;
    this.#host = host;
    this.#receiver = receiver;
    this.#epoch = host.epoch();
  }

  static async open(parts: HaCopiesParts, host: CopiesHost): Promise<HaCopies> {
    let made: HaCopies | undefined;
    const receiver = await SnapshotReceiver.open({
      directory: parts.directory,
      fileSystem: parts.fileSystem,
      timers: parts.timers,
      logger: parts.logger,
      limits: SNAPSHOT_LIMITS,
      term: host.epoch(),
      applied: () => host.applied().index,
      onReceived: (snapshot) => made?.onReceived(snapshot),
    });
    made = new HaCopies(parts, host, receiver);
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
    const epoch = this.#host.epoch();
    if (epoch > this.#epoch) {
      this.#epoch = epoch;
      this.#receiver.raiseTerm(epoch);
    }
    this.#receiver.tick();
    for (const sender of this.#senders.values()) sender.tick();
    this.#catchUp.tick();
  }

  /** HB-10: the standby asks for a copy, and hears when the transfer is over. */
  async fetch(from: NodeId, epoch: Term, minIndex: LogIndex): Promise<void> {
    const fetching = { from, epoch };
    this.#fetching = fetching;
    const connection = this.#host.connection(from);
    const message = { type: MessageType.fullSync, payload: { epoch, min_index: minIndex } };
    const options = { timeoutMs: FULL_SYNC_MS_MAX, priority: "normal" as const };
    await connection?.call(message, options).catch(() => {});
    if (this.#fetching !== fetching) return;
    this.#fetching = undefined;
    this.#host.input({ kind: "copy_failed", from, epoch });
  }

  /**
   * A standby asks for a copy; answered when the transfer is over.
   * @throws ReplicationError `NOT_LEADER` | `INVALID` | `OVERLOADED`
   */
  async serve(to: NodeId, message: PeerMessage): Promise<PeerMessage> {
    const fields = new PayloadFields(message.payload, "full_sync");
    const epoch = fields.term("epoch");
    const minIndex = fields.index("min_index");
    if (!this.#host.isPrimary() || epoch !== this.#host.epoch()) {
      throw new ReplicationError("NOT_LEADER", `this node is not primary in epoch ${epoch}`);
    }
    if (this.#host.applied().index < minIndex) {
      throw new ReplicationError("LAGGING", `entry ${minIndex} is not applied here yet`);
    }
    const sent = await this.#send(to, epoch, this.#parts.stateMachine);
    if (sent === undefined)
      throw new ReplicationError("OVERLOADED", "a copy is on its way already");
    if (sent.kind === "installed") this.#catchUp.begin(to, sent.position.index);
    return { type: MessageType.fullSyncResponse, payload: { outcome: sent.kind } };
  }

  /** Replaces the peer's state by this copy, whatever it has applied; the copy is closed. */
  async sendForced(to: NodeId, copy: SnapshotReader): Promise<void> {
    let taken = false;
    const snapshot = async () => {
      if (taken) throw new Error("there is one copy");
      taken = true;
      return copy;
    };
    await this.#send(to, this.#host.epoch(), { snapshot });
    if (!taken) await copy.close();
  }

  async #send(
    to: NodeId,
    term: Term,
    stateMachine: Pick<StateMachine, "snapshot">,
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
      // What it has applied beyond the copy is what its log must lose.
      force: true,
      configAt: () => null,
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

  /** Entries after it are needed by those who receive copies, or just have; null: nobody does. */
  neededAfter(): LogIndex | null {
    const sending = [...this.#senders.values()].map((sender) => sender.progress().position?.index);
    const needed = [...this.#catchUp.needed(), ...sending].filter((index) => index !== undefined);
    return needed.length === 0 ? null : (Math.min(...needed) as LogIndex);
  }

  onReceived(snapshot: ReceivedSnapshot): void {
    const { offer, from } = snapshot;
    const fetching = this.#fetching;
    if (fetching?.from === from && fetching.epoch === offer.term) {
      this.#fetching = undefined;
      this.#received = snapshot;
      const { term: epoch, position } = offer;
      this.#host.input({ kind: "copy_received", from, epoch, position });
      return;
    }
    const forced = {
      index: offer.position.index,
      chunks: () => snapshot.chunks(),
      done: async (used: boolean) => {
        if (used) await this.#receiver.installed(offer.id);
        else await this.#receiver.installFailed(offer.id);
      },
    };
    // Nobody waits for it, such as one that a process before this one fetched.
    if (!this.#host.takeForced(forced)) void this.#receiver.installFailed(offer.id);
  }

  discard(position: Position): void {
    const snapshot = this.#take(position);
    if (snapshot !== undefined) void this.#receiver.installFailed(snapshot.offer.id);
  }

  /**
   * HB-11: state, then log, each durable before the next; a crash between the two is finished at
   * the next start.
   */
  async install(position: Position): Promise<void> {
    const { stateMachine, installing, log } = this.#parts;
    const snapshot = this.#take(position);
    if (snapshot === undefined) return;
    try {
      await installing.write(position);
      await stateMachine.restore(snapshot.chunks());
      await this.#host.exclusively(async () => {
        await log.reset(position, position.index);
        this.#host.restored(position);
        // Before anything else: what the core persists next must know the commit of the new log.
        this.#host.input({ kind: "installed", position });
      });
      await installing.clear();
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
}
