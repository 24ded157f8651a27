import type { JsonValue, NodeId } from "../../base/index.js";
import type { ModeHost, Order } from "../driver/mode.js";
import { ReplicationError } from "../errors.js";
import type { PeerConnection } from "../ports/index.js";
import type { VerificationHost } from "../verification/index.js";
import type { HaCopies } from "./copies.js";
import type { HaInput } from "./core/effects.js";
import type { HaState } from "./core/state.js";

export interface VerifyingParts {
  readonly self: NodeId;
  readonly peers: readonly NodeId[];
  host(): ModeHost<HaState, HaInput>;
  primary(): NodeId | null;
  input(input: HaInput): void;
  connection(id: NodeId): PeerConnection | undefined;
  copies(): HaCopies | undefined;
  order(node: NodeId, order: Order): Promise<JsonValue | ReplicationError>;
}

/**
 * A pair as the comparison of replicas sees it (HB-12): the primary's content is the right one, and
 * a standby that differs is put right.
 */
export function haVerificationHost(parts: VerifyingParts): VerificationHost {
  const { self, peers } = parts;
  return {
    self,
    members: () => {
      const primary = parts.primary() ?? self;
      const standbys = [self, ...peers].filter((id) => id !== primary);
      return { voters: [primary], learners: standbys, joint: false };
    },
    leads: () => parts.host().view().isLeader,
    leader: () => parts.primary(),
    applied: () => parts.host().applied().index,
    propose: (proposals) => parts.input({ kind: "propose", proposals }),
    connection: (id) => parts.connection(id),
    sendCopy: async (to, copy) => {
      const copies = parts.copies();
      if (copies === undefined) await copy.close();
      else await copies.sendForced(to, copy);
    },
    handOver: () => {},
    verifyAtLeader: async (leader) => {
      const outcome = await parts.order(leader, { action: "verify", args: {} });
      if (outcome instanceof ReplicationError) throw outcome;
      return outcome;
    },
    fail: (error) => parts.host().fail(error),
  };
}
