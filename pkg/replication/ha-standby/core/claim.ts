import type { NodeId, Term } from "../../../base/index.js";
import type { LeaseAnswer } from "../../ports/index.js";
import type { FenceResponse, PositionAnswer } from "../messages.js";
import type { ArbiterOutcome } from "./effects.js";
import { isClear } from "./fencing.js";
import { basisOf, decide } from "./grounds.js";
import { isSameSet } from "./lease.js";
import { becomePrimary, endClaim, releaseLease } from "./roles.js";
import type { Claim, Grounds } from "./state.js";
import { askArbiter, note, send, setEpoch, type Turn, takeId } from "./turn.js";

type Order = Pick<Claim, "ticket" | "force" | "othersStopped">;
export const BY_ITSELF: Order = { ticket: null, force: false, othersStopped: false };

/** A claim begins anew so often when those in sync changed meanwhile; then it has failed. */
const CLAIM_ROUNDS_MAX = 3;

/** HA-18: first ask where all are, then fence, then ask the arbiter, then serve. */
export function startClaim(turn: Turn, order: Order, round = 0): void {
  const { s, options } = turn;
  if (s.rejoin !== null && s.rejoin.kind !== "installing") {
    s.rejoin = null;
    s.aligned = false;
  }
  const id = options.arbiter === "lease" ? askArbiter(turn, { op: "read" }) : takeId(turn);
  const { ticket, force, othersStopped } = order;
  s.claim = {
    ticket,
    force,
    othersStopped,
    round,
    stage: "asking",
    since: s.now,
    id,
    record: null,
    answers: new Map(),
    grounds: null,
    epoch: 0 as Term,
    fenced: new Map(),
  };
  const reason = ticket === null ? "no primary is heard" : "an operator asked";
  note(turn, "claim_started", round === 0 ? reason : "others are in sync than when it asked");
  for (const to of options.peers)
    send(turn, to, { kind: "position_query", epoch: s.hard.term, id });
  advanceClaim(turn);
}

function setClaim(turn: Turn, change: Partial<Claim>): void {
  if (turn.s.claim !== null) turn.s.claim = { ...turn.s.claim, ...change };
}

export function onPositionAnswer(turn: Turn, from: NodeId, answer: PositionAnswer): void {
  const { s } = turn;
  s.seen = Math.max(s.seen, answer.epoch) as Term;
  if (s.claim?.stage !== "asking" || s.claim.id !== answer.id) return;
  setClaim(turn, { answers: new Map(s.claim.answers).set(from, answer) });
  advanceClaim(turn);
}

export function onFenceResponse(turn: Turn, from: NodeId, answer: FenceResponse): void {
  const { s } = turn;
  s.seen = Math.max(s.seen, answer.epoch) as Term;
  if (s.claim?.stage !== "fencing" || s.claim.epoch !== answer.forEpoch) return;
  if (!answer.fenced) {
    endClaim(turn, `${from} knows epoch ${answer.epoch}`);
    return;
  }
  const { last } = answer;
  setClaim(turn, { fenced: new Map(s.claim.fenced).set(from, { last, at: s.now }) });
  advanceClaim(turn);
}

/** The arbiter's answer to a claim's question. */
export function onClaimAnswer(turn: Turn, { id, answer }: ArbiterOutcome): void {
  const { s } = turn;
  if (answer !== null) s.seen = Math.max(s.seen, answer.record.epoch) as Term;
  const { claim } = s;
  if (claim === null || claim.id !== id) return;
  if (answer === null) {
    endClaim(turn, "the arbiter did not answer");
  } else if (claim.stage === "asking") {
    setClaim(turn, { record: answer.record });
    advanceClaim(turn);
  } else if (claim.stage === "acquiring") {
    const { record } = answer;
    if (isOvertaken(answer, claim)) {
      startClaim(turn, claim, claim.round + 1);
    } else if (!answer.ok) {
      endClaim(turn, `the arbiter holds epoch ${record.epoch} of ${record.holder}`);
    } else if (!isFresh(turn, claim)) {
      endClaim(turn, "the lease that was granted has run out");
    } else if (isForced(claim) && record.epoch !== claim.epoch) {
      releaseLease(turn, record.epoch);
      endClaim(turn, "somebody was primary since this node asked");
    } else {
      const { epoch, inSync } = record;
      becomePrimary(turn, { epoch, leaseAt: claim.since, inSync }, claim);
    }
  }
}

/** HA-32: who is in sync is not what the claim reckoned with. */
function isOvertaken({ ok, record }: LeaseAnswer, claim: Claim): boolean {
  if (ok || claim.record === null || claim.round >= CLAIM_ROUNDS_MAX) return false;
  const { epoch, inSync } = claim.record;
  return record.epoch === epoch && !isSameSet(record.inSync, inSync);
}

/** HA-4: a grant counts from when it was asked for, like a renewal. */
function isFresh(turn: Turn, claim: Claim): boolean {
  const { s, rules, options } = turn;
  const { ttlTicks, driftTicks } = options.ticks;
  return rules.covers({ now: s.now, askedAt: claim.since, floor: s.floor, ttlTicks, driftTicks });
}

const isForced = ({ grounds, force }: Claim) =>
  grounds === "all" || (grounds === "order" && force) || (grounds === "founding" && force);

/** Whatever has become known may let the claim go on. */
export function advanceClaim(turn: Turn): void {
  const { s, options } = turn;
  const { claim } = s;
  if (claim === null) return;
  if (claim.stage === "asking") {
    const decision = decide(turn, claim);
    if (decision.kind === "fail") endClaim(turn, decision.reason);
    if (decision.kind === "go") fence(turn, claim, decision.grounds);
  } else if (claim.stage === "fencing" && claim.grounds !== null) {
    const decision = isClear(turn, claim, claim.grounds);
    if (decision.kind === "fail") {
      endClaim(turn, decision.reason);
      if (decision.yields) giveWay(turn);
    }
    if (decision.kind === "go") acquire(turn, claim);
  } else if (s.now - claim.since >= options.ticks.requestTicks) {
    endClaim(turn, "the arbiter did not answer");
  }
}

/** HA-21: a fence starts the patience of whoever has more anew; the next one waits until it acted. */
function giveWay(turn: Turn): void {
  const { s, options } = turn;
  const nodes = options.peers.length + 1;
  s.claimAfter = s.now + options.ticks.failoverTicks * (1 + s.failedClaims) + 2 * nodes;
}

function fence(turn: Turn, claim: Claim, grounds: Grounds): void {
  const { s, options } = turn;
  const known = [...claim.answers.values()].map((answer) => answer.epoch);
  const isVouched = options.arbiter === "peer" && grounds === "order";
  const highest = Math.max(s.hard.term, s.seen, claim.record?.epoch ?? 0, ...known);
  const epoch = nextEpoch(turn, highest + (isVouched ? EPOCHS_UNSEEN : 0));
  setEpoch(turn, epoch, options.id);
  setClaim(turn, { stage: "fencing", since: s.now, grounds, epoch });
  if (grounds !== "own" && grounds !== "founding") sendFences(turn);
}

/** HA-22: as many epochs may have begun unseen by a node that an operator made primary. */
const EPOCHS_UNSEEN = 1000;

/** HA-1: without an arbiter no two nodes ever take the same epoch: each has its own remainder. */
function nextEpoch(turn: Turn, highest: number): Term {
  const { id, peers, arbiter } = turn.options;
  if (arbiter === "lease") return (highest + 1) as Term;
  const nodes = [...peers, id].sort();
  let epoch = highest + 1;
  while (epoch % nodes.length !== nodes.indexOf(id)) epoch += 1;
  return epoch as Term;
}

export function sendFences(turn: Turn): void {
  const { s, options } = turn;
  const { claim } = s;
  if (claim?.stage !== "fencing" || claim.grounds === "own" || claim.grounds === "founding") return;
  for (const to of options.peers) {
    if (claim.fenced.has(to)) continue;
    const reason = claim.ticket === null ? "standby_promotion" : "ordered";
    send(turn, to, { kind: "fence", epoch: claim.epoch, candidate: options.id, reason });
  }
}

function acquire(turn: Turn, claim: Claim): void {
  const { s, options } = turn;
  const { epoch, record, grounds } = claim;
  if (options.arbiter === "peer") {
    const alone = grounds === "order" || (grounds === "follow" && options.policy === "consistency");
    const inSync = alone ? [] : options.peers;
    becomePrimary(turn, { epoch, leaseAt: s.now, inSync }, claim);
    return;
  }
  if (record !== null && (grounds === "follow" || grounds === "own")) {
    s.basis = basisOf(turn, record);
  }
  const force = isForced(claim);
  const ifEpoch = record?.epoch ?? (0 as Term);
  const ifInSync = turn.rules.asReckoned(record?.inSync ?? []);
  const inSync = [options.id];
  const id = askArbiter(turn, { op: "acquire", epoch, ifEpoch, ifInSync, inSync, force });
  setClaim(turn, { stage: "acquiring", since: s.now, id });
}
