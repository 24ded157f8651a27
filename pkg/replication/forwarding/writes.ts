import type { NodeId } from "../../base/index.js";
import type { Answer } from "../driver/driver.js";
import type { Proposal } from "../driver/effects.js";
import type { PeerMessage } from "../ports/index.js";
import { answersMessage, answersOf, forwardedWrites, forwardMessage } from "./forward-wire.js";
import {
  type ForwardedAnswer,
  type ForwardedWrite,
  Forwarder,
  type ForwarderParts,
} from "./forwarder.js";
import { RemoteWrites } from "./remote-writes.js";

export interface WritesParts extends Omit<ForwarderParts, "forward"> {
  call(to: NodeId, message: PeerMessage, timeoutMs: number): Promise<PeerMessage>;
}

/** The ways of a write: from this node's clients to the leader, and from every node to the core. */
export class Writes {
  readonly #parts: WritesParts;
  readonly #forwarder: Forwarder;
  readonly #remote: RemoteWrites;

  constructor(parts: WritesParts) {
    this.#parts = parts;
    this.#remote = new RemoteWrites((proposals) => parts.propose(proposals));
    this.#forwarder = new Forwarder({
      ...parts,
      forward: (leader, writes) => this.#forward(leader, writes),
    });
  }

  submit(proposals: readonly Proposal[]): void {
    this.#forwarder.submit(proposals);
  }

  /** Writes of another node's clients. @throws ReplicationError `INVALID` naming the field */
  async take({ payload }: PeerMessage): Promise<PeerMessage> {
    return answersMessage(await this.#remote.take(forwardedWrites(payload)));
  }

  /**
   * Hands writes once to who leads; nothing is tried again. Rejects when nobody does, or when no
   * answer came, whatever became of them.
   */
  async offer(writes: readonly ForwardedWrite[]): Promise<readonly ForwardedAnswer[]> {
    const leader = this.#parts.leader();
    if (leader === null) throw this.#parts.noLeader();
    return leader === this.#parts.self ? this.#remote.take(writes) : this.#forward(leader, writes);
  }

  async #forward(
    leader: NodeId,
    writes: readonly ForwardedWrite[],
  ): Promise<readonly ForwardedAnswer[]> {
    const { call, retryMs } = this.#parts;
    return answersOf(await call(leader, forwardMessage(writes), retryMs));
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

  /** Tries again what waits for a leader; called at every tick and when the leader changes. */
  retry(): void {
    this.#forwarder.retry();
  }

  /** Writes that nobody has taken are refused: this node is leaving. */
  close(): void {
    this.#forwarder.close();
  }
}
