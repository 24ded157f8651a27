import type { NodeId } from "../../base/index.js";
import type { Proposal } from "../driver/effects.js";
import { ReplicationError } from "../errors.js";
import { Writes, type WritesParts } from "../forwarding/index.js";
import type { HaView } from "./core/view.js";

export interface HaWritesParts extends Omit<WritesParts, "leader" | "noLeader"> {
  view(): HaView;
  /** That node knows more than NornicDB's codes. */
  isOurs(node: NodeId): boolean;
  isConnected(node: NodeId): boolean;
  /** Adds where the primary is. */
  located(error: ReplicationError): ReplicationError;
}

/** HB-21: the ways of a write in a pair, from this node's clients to the primary. */
export class HaWrites extends Writes {
  readonly #parts: HaWritesParts;

  constructor(parts: HaWritesParts) {
    super({ ...parts, leader: () => takerOf(parts), noLeader: () => refusalOf(parts) });
    this.#parts = parts;
  }

  /** A primary that knows no forwarded writes never will: the core says at once where it is. */
  override submit(proposals: readonly Proposal[]): void {
    const { view, isOurs, self, propose } = this.#parts;
    const { leaderId } = view();
    if (leaderId === null || leaderId === self || isOurs(leaderId)) super.submit(proposals);
    else propose(proposals);
  }
}

/** Who takes writes now; null: nobody that is known, or a primary that may not until something changes. */
function takerOf({ self, view, isOurs, isConnected }: HaWritesParts): NodeId | null {
  const { role, leaderId, refusal } = view();
  if (role === "primary") return refusal?.code === "NO_LEADER" ? null : self;
  return leaderId !== null && isOurs(leaderId) && isConnected(leaderId) ? leaderId : null;
}

function refusalOf({ view, located }: HaWritesParts): ReplicationError {
  const { code, reason } = view().refusal ?? { code: "NO_LEADER", reason: "no primary is heard" };
  return located(new ReplicationError(code, reason));
}
