import { type Deferred, deferred, type LogIndex, type NodeId } from "../../base/index.js";
import type { Clock, Timers } from "../../runtime/index.js";
import type { Answer } from "../driver/driver.js";
import type { Proposal } from "../driver/effects.js";
import { ReplicationError } from "../errors.js";
import { VERIFY_LIMITS } from "./core/limits.js";
import type { Marker } from "./core/messages.js";
import type { Wish } from "./rounds.js";
import { encodeMarker } from "./wire.js";

export interface MarkersParts {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly timers: Timers;
  leads(): boolean;
  leader(): NodeId | null;
  propose(proposals: readonly Proposal[]): void;
}

/** Markers that this node has proposed and not yet applied. */
export class Markers {
  readonly #parts: MarkersParts;
  readonly #open = new Map<string, Deferred<LogIndex>>();
  readonly #tickets = new Map<number, string>();
  #last = 0;
  #closed = false;

  constructor(parts: MarkersParts) {
    this.#parts = parts;
  }

  /**
   * Resolves when this node has applied the marker.
   * @throws ReplicationError when it was not, or not in time; it may still be
   */
  async propose(wish: Wish): Promise<LogIndex> {
    const { self, clock, timers } = this.#parts;
    this.#checkLeads();
    this.#last += 1;
    const id = `${self}-${clock.wallMs()}-${this.#last}`;
    // Fractions: no other ticket of this node ends like this.
    const ticket = this.#last + 0.25;
    const marked = deferred<LogIndex>();
    this.#open.set(id, marked);
    this.#tickets.set(ticket, id);
    const giveUp = timers.after(VERIFY_LIMITS.reachMsMax, () =>
      marked.reject(new ReplicationError("NO_QUORUM", "the marker was not applied in time")),
    );
    const marker = { id, ...wish } as Marker;
    try {
      this.#parts.propose([{ ticket, kind: "marker", payload: encodeMarker(marker) }]);
      return await marked.promise;
    } finally {
      giveUp();
      this.#open.delete(id);
    }
  }

  applied(id: string, index: LogIndex): void {
    this.#open.get(id)?.resolve(index);
  }

  /** @returns true: it was the answer to a marker of this object */
  answered(answer: Answer): boolean {
    const id = this.#tickets.get(answer.ticket);
    if (id === undefined) return false;
    this.#tickets.delete(answer.ticket);
    if ("refused" in answer) this.#open.get(id)?.reject(answer.refused);
    return true;
  }

  close(): void {
    this.#closed = true;
    const gone = new ReplicationError("SHUTTING_DOWN", "this node is stopping");
    for (const marked of this.#open.values()) marked.reject(gone);
  }

  #checkLeads(): void {
    if (this.#closed) throw new ReplicationError("SHUTTING_DOWN", "this node is stopping");
    if (this.#parts.leads()) return;
    const leader = this.#parts.leader();
    throw leader === null || leader === this.#parts.self
      ? new ReplicationError("NO_LEADER", "nobody leads who could answer")
      : new ReplicationError("NOT_LEADER", `${leader} leads`);
  }
}
