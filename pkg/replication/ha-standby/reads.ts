import {
  type JsonValue,
  type LogIndex,
  type NodeId,
  type Position,
  toLogIndex,
} from "../../base/index.js";
import type { Order } from "../driver/mode.js";
import { ReplicationError } from "../errors.js";
import type { ReadLevel } from "../replicator.js";

export interface HaReadsParts {
  readonly self: NodeId;
  primary(): NodeId | null;
  position(): Position;
  /** Into this node's core; ends in `ready` or `refused`. */
  ask(ticket: number): void;
  /** Has that node carry out an order. */
  order(node: NodeId, order: Order): Promise<JsonValue | ReplicationError>;
  /** Why strong reads are refused here; undefined: they are not. */
  quarantine(): ReplicationError | undefined;
  settle(ticket: number, outcome: Position | ReplicationError): void;
}

/** HB-20: what a read at each level must have seen. */
export class HaReads {
  readonly #parts: HaReadsParts;
  readonly #open = new Set<number>();

  constructor(parts: HaReadsParts) {
    this.#parts = parts;
  }

  begin(ticket: number, level: ReadLevel): void {
    const { settle, position, quarantine, primary, self, ask } = this.#parts;
    if (level === "ONE" || level === "LOCAL_ONE") {
      settle(ticket, position());
      return;
    }
    if (level === "ALL") {
      settle(
        ticket,
        new ReplicationError("INVALID", "consistency: ha_standby has no level ALL", {
          field: "consistency",
          hint: "use QUORUM: it sees every acknowledged write",
        }),
      );
      return;
    }
    const quarantined = quarantine();
    if (quarantined !== undefined) {
      settle(ticket, quarantined);
      return;
    }
    const leader = primary();
    if (leader !== null && leader !== self) {
      void this.#askPrimary(ticket, leader);
      return;
    }
    this.#open.add(ticket);
    ask(ticket);
  }

  ready(ticket: number, index: LogIndex): boolean {
    if (!this.#open.delete(ticket)) return false;
    this.#parts.settle(ticket, { index, term: this.#parts.position().term });
    return true;
  }

  /** @returns false when the ticket is not of a read */
  refused(ticket: number, error: ReplicationError): boolean {
    if (!this.#open.delete(ticket)) return false;
    this.#parts.settle(ticket, error);
    return true;
  }

  async #askPrimary(ticket: number, primary: NodeId): Promise<void> {
    const { order, position, settle } = this.#parts;
    const outcome = await order(primary, { action: "read index", args: {} });
    if (outcome instanceof ReplicationError) {
      const isUnknown = outcome.code === "COMMIT_UNKNOWN";
      settle(ticket, isUnknown ? new ReplicationError("NO_LEADER", outcome.message) : outcome);
      return;
    }
    const { index } = Object(outcome) as { readonly index: number };
    settle(ticket, { index: toLogIndex(index), term: position().term });
  }
}
