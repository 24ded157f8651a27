import type { JsonValue, NodeId, Position, Term } from "../../base/index.js";
import type { LogStore } from "../ports/index.js";
import {
  Copies,
  type CopiesHost,
  type CopiesParts,
  openReceiver,
  type ReceivedSnapshot,
  type SnapshotReceiver,
  type SnapshotSent,
} from "../snapshot/index.js";
import type { ArrivedCopy } from "../verification/index.js";
import type { RaftInput } from "./core/effects.js";
import { type ConfigEntry, encodeMembership } from "./core/membership.js";
import { type MembersFile, neededFrom, toConfigEntry } from "./members-file.js";

export interface RaftSnapshotsParts extends CopiesParts {
  readonly log: LogStore;
  readonly members: MembersFile;
}

/** What the snapshots need of the mode they serve. */
export interface SnapshotsHost extends CopiesHost {
  input(input: RaftInput): void;
  configs(): readonly ConfigEntry[];
  restored(position: Position): void;
  exclusively(body: () => Promise<void>): Promise<void>;
  fail(error: unknown): void;
  /** @returns true: a copy that came by force is dealt with */
  takeForced(copy: ArrivedCopy): boolean;
}

/** Copies for members that need what the log no longer holds, and the one that comes in. */
export class RaftSnapshots extends Copies {
  readonly #parts: RaftSnapshotsParts;
  readonly #host: SnapshotsHost;

  private constructor(parts: RaftSnapshotsParts, host: SnapshotsHost, receiver: SnapshotReceiver) {
    super(parts, host, receiver);
    this.#parts = parts;
    this.#host = host;
  }

  static async open(parts: RaftSnapshotsParts, host: SnapshotsHost): Promise<RaftSnapshots> {
    let made: RaftSnapshots | undefined;
    const receiver = await openReceiver(parts, host, (snapshot) => made?.onReceived(snapshot));
    made = new RaftSnapshots(parts, host, receiver);
    return made;
  }

  protected override forced() {
    return { ...this.#offering(this.#host.term()), force: true };
  }

  #offering(term: Term) {
    const configAt = ({ index }: Position) =>
      toJson(this.#host.configs().findLast((config) => config.index <= index));
    return { term, force: false, configAt };
  }

  async send(to: NodeId, term: Term): Promise<void> {
    const sent = await this.transfer(to, this.#offering(term));
    const position = sent === undefined ? null : this.#reached(sent);
    if (position !== null) this.keepFor(to, position.index);
    this.#host.input({ kind: "snapshot_sent", to, term, position });
  }

  #reached(sent: SnapshotSent): Position | null {
    if (sent.kind === "installed") return sent.position;
    if (sent.kind !== "not_needed") return null;
    const term = this.#parts.log.termAt(sent.index);
    return term === undefined ? null : { index: sent.index, term };
  }

  onReceived(snapshot: ReceivedSnapshot): void {
    const { offer, from } = snapshot;
    const { index } = offer.position;
    const done = (used: boolean) => this.ended(snapshot, used);
    const chunks = () => snapshot.chunks();
    if (offer.force && this.#host.takeForced({ index, chunks, done })) return;
    let config: ConfigEntry;
    try {
      config = toConfigEntry(offer.config);
    } catch {
      void done(false);
      return;
    }
    this.keep(snapshot);
    const { term, position } = offer;
    this.#host.input({ kind: "snapshot_received", from, term, position, config });
  }

  /**
   * RA-21: members, state, log, in this order, each durable before the next; a crash between any
   * two is finished at the next start.
   */
  async install(position: Position, config: ConfigEntry, keepTail: boolean): Promise<void> {
    const { stateMachine, members, log } = this.#parts;
    const snapshot = this.take(position);
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
      await this.ended(snapshot, true);
    } catch (error) {
      this.#host.fail(error);
    }
  }
}

function toJson(config: ConfigEntry | undefined): JsonValue {
  if (config === undefined) return null;
  const text = Buffer.from(encodeMembership(config.membership)).toString("utf8");
  return { index: config.index, membership: JSON.parse(text) as JsonValue };
}
