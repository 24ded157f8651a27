import type { JsonValue, LogIndex, NodeId, Position, Term } from "../../base/index.js";
import type { FileSystem, Logger, Random, Timers } from "../../runtime/index.js";
import type { PeerConnection, PeerMessage, SnapshotReader, StateMachine } from "../ports/index.js";
import { CatchUp } from "./catch-up.js";
import { SNAPSHOT_LIMITS } from "./core/limits.js";
import { type ReceivedSnapshot, SnapshotReceiver } from "./snapshot-receiver.js";
import { SnapshotSender, type SnapshotSent } from "./snapshot-sender.js";

export interface CopiesParts {
  readonly nodeId: NodeId;
  /** A folder of its own for what arrives. */
  readonly directory: string;
  readonly stateMachine: StateMachine;
  readonly fileSystem: FileSystem;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

/** What the copies need of the mode they serve. */
export interface CopiesHost {
  term(): Term;
  applied(): Position;
  connection(id: NodeId): PeerConnection | undefined;
}

/** How a copy is offered. */
export interface Offering {
  readonly term: Term;
  /** The receiver takes it even if it has applied more. */
  readonly force: boolean;
  readonly configAt: (position: Position) => JsonValue;
}

/** A minute: how long who has a new copy has for what came since. */
const CATCH_UP_TICKS = 600;

/** Opens the receiving side, with what it took before a restart. */
export function openReceiver(
  { directory, fileSystem, timers, logger }: CopiesParts,
  host: CopiesHost,
  onReceived: (snapshot: ReceivedSnapshot) => void,
): Promise<SnapshotReceiver> {
  return SnapshotReceiver.open({
    directory,
    fileSystem,
    timers,
    logger,
    limits: SNAPSHOT_LIMITS,
    term: host.term(),
    applied: () => host.applied().index,
    onReceived,
  });
}

/**
 * Copies of the whole state on their way to other nodes, and the one that comes in (D16). A mode
 * says what a copy that arrived is for, and how it is put in place.
 */
export abstract class Copies {
  readonly #parts: CopiesParts;
  readonly #host: CopiesHost;
  readonly #receiver: SnapshotReceiver;
  readonly #senders = new Map<NodeId, SnapshotSender>();
  readonly #catchUp = new CatchUp(CATCH_UP_TICKS);
  #kept: ReceivedSnapshot | undefined;
  #term: Term;

  protected constructor(parts: CopiesParts, host: CopiesHost, receiver: SnapshotReceiver) {
    this.#parts = parts;
    this.#host = host;
    this.#receiver = receiver;
    this.#term = host.term();
  }

  /** How copies of this mode are offered that replace whatever the receiver has. */
  protected abstract forced(): Offering;

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

  /** Replaces the peer's state by this copy, whatever it has applied; the copy is closed. */
  async sendForced(to: NodeId, copy: SnapshotReader): Promise<void> {
    let taken = false;
    const snapshot = async () => {
      if (taken) throw new Error("there is one copy");
      taken = true;
      return copy;
    };
    await this.transfer(to, this.forced(), { snapshot });
    if (!taken) await copy.close();
  }

  /** @returns what became of it; undefined: no connection, or a copy is on its way there already */
  protected async transfer(
    to: NodeId,
    { term, force, configAt }: Offering,
    stateMachine: Pick<StateMachine, "snapshot"> = this.#parts.stateMachine,
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
      configAt,
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

  /** A copy that ends at `index` is in place there; what follows it is kept for a while. */
  protected keepFor(to: NodeId, index: LogIndex): void {
    this.#catchUp.begin(to, index);
  }

  /** Entries after it are needed by those who receive copies, or just have; null: nobody does. */
  neededAfter(): LogIndex | null {
    const sending = [...this.#senders.values()].map((sender) => sender.progress().position?.index);
    const needed = [...this.#catchUp.needed(), ...sending].filter((index) => index !== undefined);
    return needed.length === 0 ? null : (Math.min(...needed) as LogIndex);
  }

  /** Until the core has it installed or discarded. */
  protected keep(snapshot: ReceivedSnapshot): void {
    this.#kept = snapshot;
  }

  protected take(position: Position): ReceivedSnapshot | undefined {
    const snapshot = this.#kept;
    if (snapshot?.offer.position.index !== position.index) return undefined;
    this.#kept = undefined;
    return snapshot;
  }

  discard(position: Position): void {
    const snapshot = this.take(position);
    if (snapshot !== undefined) void this.ended(snapshot, false);
  }

  /** The copy is in place, or nobody wants it: its file goes. */
  protected ended({ offer }: ReceivedSnapshot, used: boolean): Promise<void> {
    return used ? this.#receiver.installed(offer.id) : this.#receiver.installFailed(offer.id);
  }

  async close(): Promise<void> {
    const senders = [...this.#senders.values()];
    for (const sender of senders) sender.abort();
    await Promise.all(senders.map((sender) => sender.ended));
    await this.#receiver.close();
  }
}
