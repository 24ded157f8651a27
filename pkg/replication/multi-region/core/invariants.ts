import { invariant } from "../../../base/index.js";
import type { RegionCoreOptions } from "./options.js";
import { NOTHING, type RegionState } from "./state.js";
import { seqOf } from "./vectors.js";

/** @throws InvariantViolation when the state breaks a rule */
export function assertRegionInvariants(state: RegionState, options: RegionCoreOptions): void {
  const own = seqOf(state.view.have, options.self);
  if (!state.leading) {
    invariant(state.senders.size === 0, "only the leader sends");
    invariant(state.receivers.size === 0, "only the leader takes");
    invariant(state.waits.length === 0, "only the leader lets anybody wait");
  }
  invariant(state.waits.length <= options.waitsMax, "waits are bounded");
  for (const sender of state.senders.values()) {
    invariant(sender.inFlight.length <= options.windowMax, "messages under way are bounded");
    invariant(sender.next <= own, "nothing is sent that is not applied");
    const said = seqOf(sender.position ?? NOTHING, options.self);
    invariant(sender.position === null || said <= sender.next, "what is there was sent");
  }
  for (const { proposals } of state.receivers.values()) {
    invariant(proposals.length <= options.proposalsMax, "commands under way are bounded");
  }
}
