import type { JsonValue, NodeId } from "../../base/index.js";
import type { ModeHost, Order } from "../driver/mode.js";
import { ReplicationError } from "../errors.js";
import type { PeerConnection } from "../ports/index.js";
import type { VerificationHost } from "../verification/index.js";
import type { RaftInput } from "./core/effects.js";
import { isJoint, type Membership } from "./core/membership.js";
import type { RaftState } from "./core/state.js";
import type { RaftSnapshots } from "./snapshots.js";

export interface VerifyingParts {
  readonly self: NodeId;
  host(): ModeHost<RaftState, RaftInput>;
  membership(): Membership;
  leader(): NodeId | null;
  input(input: RaftInput): void;
  connection(id: NodeId): PeerConnection | undefined;
  snapshots(): RaftSnapshots | undefined;
  order(node: NodeId, order: Order): Promise<JsonValue | ReplicationError>;
}

/** Raft as the comparison of replicas sees it. */
export function verificationHost(parts: VerifyingParts): VerificationHost {
  return {
    self: parts.self,
    members: () => {
      const membership = parts.membership();
      return {
        voters: membership.voters.map(({ id }) => id),
        learners: membership.learners.map(({ id }) => id),
        joint: isJoint(membership),
      };
    },
    leads: () => parts.host().view().isLeader,
    leader: () => parts.leader(),
    applied: () => parts.host().applied().index,
    propose: (proposals) => parts.input({ kind: "propose", proposals }),
    connection: (id) => parts.connection(id),
    sendCopy: async (to, copy) => {
      const snapshots = parts.snapshots();
      if (snapshots === undefined) await copy.close();
      else await snapshots.sendForced(to, copy);
    },
    handOver: () => void parts.order(parts.self, { action: "transfer leadership", args: {} }),
    verifyAtLeader: async (leader) => {
      const outcome = await parts.order(leader, { action: "verify", args: {} });
      if (outcome instanceof ReplicationError) throw outcome;
      return outcome;
    },
    fail: (error) => parts.host().fail(error),
  };
}
