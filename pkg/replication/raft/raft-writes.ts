import type { LogIndex, NodeId } from "../../base/index.js";
import type { Clock } from "../../runtime/index.js";
import type { Answer } from "../driver/driver.js";
import type { Proposal } from "../driver/effects.js";
import type { ReplicationError } from "../errors.js";
import type { PeerMessage } from "../ports/index.js";
import { answersMessage, answersOf, forwardedPayloads, forwardMessage } from "./forward-wire.js";
import { Forwarder } from "./forwarding.js";
import { LeaderWrites, type LeaderWritesParts } from "./leader-writes.js";
import { RemoteWrites } from "./remote-writes.js";

export interface RaftWritesParts extends LeaderWritesParts {
  readonly self: NodeId;
  readonly clock: Clock;
  /** See `ForwarderParts`. */
  readonly patienceMs: number;
  readonly retryMs: number;
  leader(): NodeId | null;
  noLeader(): ReplicationError;
  call(to: NodeId, message: PeerMessage, timeoutMs: number): Promise<PeerMessage>;
  /** Answers of this node's own clients that did not come through the core. */
  settle(answers: readonly Answer[]): void;
}

/** The ways of a write: from this node's clients to the leader, and from every node to the core. */
export class RaftWrites {
  readonly #forwarder: Forwarder;
  readonly #remote: RemoteWrites;
  readonly #here: LeaderWrites;

  constructor(parts: RaftWritesParts) {
    const { settle, call, retryMs } = parts;
    const propose = (proposals: readonly Proposal[]) => this.#here.take(proposals);
    this.#here = new LeaderWrites(parts);
    this.#remote = new RemoteWrites(propose);
    this.#forwarder = new Forwarder({
      ...parts,
      propose,
      answer: settle,
      forward: async (leader, payloads) =>
        answersOf(await call(leader, forwardMessage(payloads), retryMs)),
    });
  }

  submit(proposals: readonly Proposal[]): void {
    this.#forwarder.submit(proposals);
  }

  /** Writes of another node's clients. @throws ReplicationError `INVALID` naming the field */
  async take({ payload }: PeerMessage): Promise<PeerMessage> {
    return answersMessage(await this.#remote.take(forwardedPayloads(payload)));
  }

  /**
   * Takes out the answers for other nodes, those that `isElse` says are of no write, and the writes
   * that are tried again.
   * @returns the final answers of this node's clients
   */
  answered(answers: readonly Answer[], isElse: (answer: Answer) => boolean): readonly Answer[] {
    const own = this.#remote.answered(answers).filter((answer) => !isElse(answer));
    return this.#forwarder.answered(own);
  }

  /** @returns the newest uncommitted entry that writes the key; undefined: it is not blocked */
  blockedBy(key: string): LogIndex | undefined {
    return this.#here.blockedBy(key);
  }

  /** Called when the leader changes. */
  retry(): void {
    this.#forwarder.retry();
  }

  /** Called at every tick. */
  tick(): void {
    this.#forwarder.retry();
    this.#here.tick();
  }

  /** Called after every step. */
  release(): void {
    this.#here.release();
  }

  /** Writes that nobody has taken are refused: this node is leaving. */
  close(): void {
    this.#forwarder.close();
  }
}
