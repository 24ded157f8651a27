import type { NodeId } from "../../base/index.js";
import { ReplicationError } from "../errors.js";
import type { Member, Membership } from "./core/membership.js";

export interface NoLeaderParts {
  readonly membership: Membership;
  readonly self: NodeId;
  readonly retryAfterMs: number;
  isConnected(id: NodeId): boolean;
}

/**
 * What a caller is told who has waited for a leader in vain: too few voters can be reached from
 * here (`NO_QUORUM`), or enough of them can and still none leads (`NO_LEADER`).
 */
export function noLeader(parts: NoLeaderParts): ReplicationError {
  const { membership, self, retryAfterMs, isConnected } = parts;
  const { voters, outgoing } = membership;
  const reached = (list: readonly Member[]) =>
    list.filter(({ id }) => id === self || isConnected(id)).length;
  const isQuorum = (list: readonly Member[]) =>
    list.length === 0 || 2 * reached(list) > list.length;
  if (isQuorum(voters) && isQuorum(outgoing)) {
    return new ReplicationError("NO_LEADER", "no leader was found in time", { retryAfterMs });
  }
  const list = isQuorum(voters) ? outgoing : voters;
  const message = `this node reaches ${reached(list)} of ${list.length} voters, itself included`;
  return new ReplicationError("NO_QUORUM", message, { retryAfterMs });
}
