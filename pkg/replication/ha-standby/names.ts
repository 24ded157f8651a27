import type { JsonValue, NodeId } from "../../base/index.js";
import type { Answer } from "../driver/driver.js";
import type { CoreView } from "../driver/effects.js";
import { ReplicationError } from "../errors.js";
import type { HaPeers, PeerAddress } from "./peers.js";

export interface NamesParts {
  readonly named: boolean;
  readonly own: PeerAddress;
  readonly peers: readonly PeerAddress[];
  of(): HaPeers;
  primary(): NodeId | null;
}

/** People know the nodes by their names, also where the core knows them by addresses. */
export class Names {
  readonly #parts: NamesParts;
  #seen: { readonly view: CoreView; readonly leader: NodeId; readonly named: CoreView } | undefined;

  constructor(parts: NamesParts) {
    this.#parts = parts;
  }

  /** Whom people mean by that name; undefined: no peer. */
  idOf(name: NodeId): NodeId | undefined {
    const { peers, of } = this.#parts;
    return peers.find(({ id }) => id === name || of().nameOf(id) === name)?.id;
  }

  view(view: CoreView): CoreView {
    if (this.#parts.named || !view.leaderId) return view;
    const leader = this.#parts.of().nameOf(view.leaderId);
    if (this.#seen?.view !== view || this.#seen.leader !== leader) {
      this.#seen = { view, leader, named: { ...view, leaderId: leader } };
    }
    return this.#seen.named;
  }

  /** What is told by node, under the names of the nodes. */
  byName(told: JsonValue): JsonValue {
    if (this.#parts.named) return told;
    const entries = Object.entries(told as { readonly [id: string]: JsonValue });
    return Object.fromEntries(
      entries.map(([id, of]) => [this.#parts.of().nameOf(id as NodeId), of]),
    );
  }

  withLeader(answer: Answer): Answer {
    if (!("refused" in answer) || answer.refused.code !== "NOT_LEADER") return answer;
    return { ticket: answer.ticket, refused: this.toLeader(answer.refused) };
  }

  /** HB-21: who is refused here is told where to go. */
  toLeader(error: ReplicationError): ReplicationError {
    const primary = this.#parts.primary();
    const address = primary === null ? undefined : this.#parts.of().addressOf(primary);
    if (error.code !== "NOT_LEADER" || primary === null || address === undefined) return error;
    const leader = { id: this.#parts.of().nameOf(primary), address };
    return new ReplicationError("NOT_LEADER", error.message, { ...error.details, leader });
  }
}
