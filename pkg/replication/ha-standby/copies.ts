import type { LogIndex, NodeId, Position, Term } from "../../base/index.js";
import { ReplicationError } from "../errors.js";
import { type LogStore, MessageType, type PeerMessage } from "../ports/index.js";
import {
  Copies,
  type CopiesHost,
  type CopiesParts,
  openReceiver,
  type ReceivedSnapshot,
  type SnapshotReceiver,
} from "../snapshot/index.js";
import type { ArrivedCopy } from "../verification/index.js";
import { PayloadFields } from "../wire/index.js";
import type { HaInput } from "./core/effects.js";
import type { InstallingFile } from "./installing-file.js";

export interface HaCopiesParts extends CopiesParts {
  readonly log: LogStore;
  readonly installing: InstallingFile;
}

/** What the copies need of the mode they serve; its term is the epoch. */
export interface HaCopiesHost extends CopiesHost {
  input(input: HaInput): void;
  isPrimary(): boolean;
  restored(position: Position): void;
  exclusively(body: () => Promise<void>): Promise<void>;
  fail(error: unknown): void;
  /** @returns true: a copy that the comparison of replicas has asked for is dealt with */
  takeForced(copy: ArrivedCopy): boolean;
}

/** Longest that a copy of everything may be on its way, in milliseconds. */
const FULL_SYNC_MS_MAX = 3_600_000;

/** Copies of the whole state: those that standbys ask this primary for, and the one that comes in. */
export class HaCopies extends Copies {
  readonly #parts: HaCopiesParts;
  readonly #host: HaCopiesHost;
  /** The full sync that the core has asked for and not heard of. */
  #fetching: { readonly from: NodeId; readonly epoch: Term } | undefined;

  private constructor(parts: HaCopiesParts, host: HaCopiesHost, receiver: SnapshotReceiver) {
    super(parts, host, receiver);
    this.#parts = parts;
    this.#host = host;
  }

  static async open(parts: HaCopiesParts, host: HaCopiesHost): Promise<HaCopies> {
    let made: HaCopies | undefined;
    const receiver = await openReceiver(parts, host, (snapshot) => made?.onReceived(snapshot));
    made = new HaCopies(parts, host, receiver);
    return made;
  }

  /** Every copy: what a standby has applied beyond it is what its log must lose. */
  protected override forced() {
    return { term: this.#host.term(), force: true, configAt: () => null };
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
    if (!this.#host.isPrimary() || epoch !== this.#host.term()) {
      throw new ReplicationError("NOT_LEADER", `this node is not primary in epoch ${epoch}`);
    }
    if (this.#host.applied().index < minIndex) {
      throw new ReplicationError("LAGGING", `entry ${minIndex} is not applied here yet`);
    }
    const sent = await this.transfer(to, this.forced());
    if (sent === undefined) {
      throw new ReplicationError("OVERLOADED", "a copy is on its way already");
    }
    if (sent.kind === "installed") this.keepFor(to, sent.position.index);
    return { type: MessageType.fullSyncResponse, payload: { outcome: sent.kind } };
  }

  onReceived(snapshot: ReceivedSnapshot): void {
    const { offer, from } = snapshot;
    const fetching = this.#fetching;
    if (fetching?.from === from && fetching.epoch === offer.term) {
      this.#fetching = undefined;
      this.keep(snapshot);
      const { term: epoch, position } = offer;
      this.#host.input({ kind: "copy_received", from, epoch, position });
      return;
    }
    const { index } = offer.position;
    const done = (used: boolean) => this.ended(snapshot, used);
    // Nobody waits for it, such as one that a process before this one fetched.
    if (!this.#host.takeForced({ index, chunks: () => snapshot.chunks(), done })) void done(false);
  }

  /**
   * HB-11: state, then log, each durable before the next; a crash between the two is finished at
   * the next start.
   */
  async install(position: Position): Promise<void> {
    const { stateMachine, installing, log } = this.#parts;
    const snapshot = this.take(position);
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
      await this.ended(snapshot, true);
    } catch (error) {
      this.#host.fail(error);
    }
  }
}
