import type { NodeId, Term } from "../../../base/index.js";
import type { LeaseRecord } from "../../ports/index.js";
import { hasAuthority } from "./authority.js";
import { advanceCommit, payOwed } from "./commit.js";
import type { ArbiterOutcome } from "./effects.js";
import { adopt } from "./in-sync.js";
import { stepDown } from "./roles.js";
import { askArbiter, leadershipOf, note, setLead, type Turn } from "./turn.js";

/** HA-4: the lease is prolonged long before it ends. */
export function tendLease(turn: Turn): void {
  const { s, options } = turn;
  if (s.lead === null || options.arbiter !== "lease") return;
  const { requestTicks } = options.ticks;
  const { renewal, renewAt, pending } = s.lead;
  if (pending !== null && s.now - pending.sentAt >= requestTicks) forgetPending(turn);
  if (renewal !== null && s.now - renewal.sentAt < requestTicks) return;
  if (renewal === null && s.now < renewAt) return;
  const id = askArbiter(turn, { op: "renew", epoch: s.hard.term });
  setLead(turn, { renewal: { id, sentAt: s.now } });
}

/** HA-11: what was asked may have happened, or may still happen. */
function forgetPending(turn: Turn): void {
  const { pending, unsettled } = leadershipOf(turn);
  if (pending === null) return;
  const isKnown = unsettled.some((set) => isSameSet(set, pending.inSync));
  setLead(turn, {
    pending: null,
    unsettled: isKnown ? unsettled : [...unsettled, pending.inSync],
    unsureSince: turn.s.now,
  });
}

export const isSameSet = (a: readonly NodeId[], b: readonly NodeId[]) =>
  a.length === b.length && a.every((id) => b.includes(id));

/** @returns whether the answer belonged to this leadership */
export function onLeaseAnswer(turn: Turn, { id, answer }: ArbiterOutcome): boolean {
  const { s } = turn;
  if (s.lead === null) return false;
  const { renewal, pending } = s.lead;
  if (renewal?.id === id) {
    const { heartbeatTicks, renewTicks } = turn.options.ticks;
    setLead(turn, { renewal: null, renewAt: s.now + heartbeatTicks });
    if (answer === null) return true;
    if (turn.rules.mustYield(answer.ok)) yieldTo(turn, answer.record);
    else setLead(turn, { leaseAt: renewal.sentAt, renewAt: renewal.sentAt + renewTicks });
  } else if (pending?.id === id) {
    if (answer === null) forgetPending(turn);
    else if (!answer.ok) yieldTo(turn, answer.record);
    else {
      setLead(turn, { pending: null, unsureSince: null });
      adopt(turn, pending.inSync);
    }
  } else return false;
  if (s.lead !== null && hasAuthority(turn)) {
    advanceCommit(turn);
    payOwed(turn);
  }
  return true;
}

/** HA-23: the arbiter names another, or nobody: authority came from it and ends with it. */
function yieldTo(turn: Turn, record: LeaseRecord): void {
  const { s, options } = turn;
  const mine: Term = s.hard.term;
  s.seen = Math.max(s.seen, record.epoch) as Term;
  note(turn, "lease_lost", `the arbiter holds epoch ${record.epoch} of ${record.holder}`);
  stepDown(turn, `the arbiter refused to prolong epoch ${mine}`);
  if (record.holder === options.id) s.quietSince = Number.NEGATIVE_INFINITY;
}
