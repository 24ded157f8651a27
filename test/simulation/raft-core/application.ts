import type { RaftEffect } from "../../../pkg/replication/raft/index.js";
import type { SimNode } from "./sim-node.js";

/**
 * What runs on the nodes, beside their logs. The world keeps count of what is applied; a crash takes
 * `node.applied` back to what survived.
 */
export interface Application {
  booted(node: SimNode): void;
  crashed(node: SimNode): void;
  ticked(node: SimNode): void;
  /** The raft core took a step, and what it asked for is under way. */
  stepped(node: SimNode): void;
  /** `node.applied` went on, along the node's log. */
  applied(node: SimNode): void;
  /** A copy of the state as of `node.applied` goes to another node. */
  copied(node: SimNode): void;
  /** The state was replaced by a copy of that position, which is `node.applied` now. */
  installed(node: SimNode): void;
  answered(node: SimNode, effect: RaftEffect): void;
}
