import type { NodeId, Term } from "../../../base/index.js";
import type { LeaseRecord } from "../../ports/index.js";
import { lastPosition } from "../../progress/index.js";
import type { Claim, Grounds } from "./state.js";
import type { Turn } from "./turn.js";

/** What a claim does next. `fail` and `wait` say why. */
export type Decision =
  | { readonly kind: "go"; readonly grounds: Grounds }
  | { readonly kind: "wait" }
  /** `yields`: to another that has more, and needs quiet to seek promotion itself. */
  | { readonly kind: "fail"; readonly reason: string; readonly yields: boolean };

const WAIT: Decision = { kind: "wait" };
const go = (grounds: Grounds): Decision => ({ kind: "go", grounds });
const fail = (reason: string, yields = false): Decision => ({ kind: "fail", reason, yields });

/** HA-19: why this node may seek to be primary now, from what it asked. */
export function decide(turn: Turn, claim: Claim): Decision {
  const { s, options } = turn;
  if (s.lost) return fail("this node lacks entries it had committed");
  const decision = options.arbiter === "lease" ? byLease(turn, claim) : byPeers(turn, claim);
  if (decision.kind !== "wait" || !isLate(turn, claim, options.ticks.failoverTicks))
    return decision;
  return fail("the others or the arbiter did not answer");
}

export function isLate(turn: Turn, claim: Claim, ticks: number): boolean {
  return turn.s.now - claim.since >= ticks;
}

/**
 * The record as it was before this node's own requests: while it followed nobody, whatever the
 * arbiter granted it changed nothing else.
 */
export function basisOf(turn: Turn, record: LeaseRecord): LeaseRecord {
  const { basis } = turn.s;
  return basis !== null && record.holder === turn.options.id ? basis : record;
}

function byLease(turn: Turn, claim: Claim): Decision {
  const { s, options, rules } = turn;
  const { record } = claim;
  if (record === null) {
    return isLate(turn, claim, options.ticks.requestTicks) ? fail("the arbiter is silent") : WAIT;
  }
  if (record.held && record.holder !== options.id) return fail(`${record.holder} holds the lease`);
  if (record.epoch === 0) return founding(turn, claim);
  const basis = basisOf(turn, record);
  const own = rules.isOwn({
    id: options.id,
    holder: basis.holder,
    epoch: basis.epoch,
    hard: s.hard,
    lastTerm: lastPosition(s.log).term,
    unbroken: s.basis !== null && basis.holder === options.id,
  });
  if (own) return go("own");
  const { follow } = s;
  const follows = follow?.primary === basis.holder && follow?.epoch === basis.epoch;
  if (
    follows &&
    rules.isNamed(basis.inSync, options.id) &&
    isReady(turn) &&
    isAllowed(turn, claim)
  ) {
    return go("follow");
  }
  if (claim.ticket !== null && claim.force) return go("order");
  return byAll(turn, claim);
}

function byPeers(turn: Turn, claim: Claim): Decision {
  const { s, options, rules } = turn;
  const { policy, ticks } = options;
  const answers = [...claim.answers];
  const primary = answers.find(([, answer]) => isElsewhere(turn, answer.primary));
  const certain = claim.ticket !== null && claim.force && claim.othersStopped;
  if (primary !== undefined && !certain) return fail(`${primary[0]} has a primary`);
  if (s.hard.term === 0) {
    if (answers.some(([, { epoch }]) => epoch > 0)) return fail("there is an epoch already");
    return founding(turn, claim);
  }
  const lastTerm = lastPosition(s.log).term;
  const unbroken = s.basis !== null;
  // A node that only sought this epoch is no more entitled to it than any other.
  const led = unbroken || lastTerm === s.hard.term;
  const own = rules.isOwn({
    id: options.id,
    holder: led ? s.hard.votedFor : null,
    epoch: s.hard.term,
    hard: s.hard,
    lastTerm,
    unbroken,
  });
  const isNewest = answers.every(([, { epoch }]) => epoch <= s.hard.term);
  if (own && isNewest && claim.ticket === null) {
    if (hasHeardAll(turn, claim)) return go("own");
    const alone = policy === "availability" && isLate(turn, claim, ticks.fenceTicks * 2);
    return alone ? go("own") : WAIT;
  }
  const { follow } = s;
  const automatic = policy === "availability" && options.autoFailover;
  const may = automatic || claim.ticket !== null || follow?.yielded === true;
  if (may && follow !== null && isReady(turn)) return go("follow");
  if (certain) return go("order");
  return byAll(turn, claim);
}

function isElsewhere(turn: Turn, primary: NodeId | null): boolean {
  return primary !== null && primary !== turn.options.id && turn.s.follow?.yielded !== true;
}

/** HA-19: a standby that was told so since it started, and holds what it was told of. */
export function isReady(turn: Turn): boolean {
  const { s, rules } = turn;
  if (s.follow === null || !s.aligned || s.rejoin !== null) return false;
  const { told, commit } = s.follow;
  return rules.isReady({ inSync: told, commit, held: s.log.last });
}

function isAllowed(turn: Turn, claim: Claim): boolean {
  const { options, s } = turn;
  return options.autoFailover || claim.ticket !== null || s.follow?.yielded === true;
}

/** HA-17: the first epoch of all: the configured primary, unless another node has more. */
function founding(turn: Turn, claim: Claim): Decision {
  const { s, options, rules } = turn;
  // An epoch that was this node's alone is none: a founding came to nothing, or it was standalone.
  const known = s.hard.votedFor === options.id ? (0 as Term) : s.hard.term;
  const configured = rules.startsAsPrimary(options.startsAsPrimary, known);
  if (!configured && claim.ticket === null) return fail("there has been no primary yet");
  // An arbiter knows whether there has been an epoch; without one only the others do.
  const enough = options.arbiter === "lease" && isLate(turn, claim, options.ticks.fenceTicks * 2);
  if (!hasHeardAll(turn, claim) && !enough) return WAIT;
  return isBestOf(turn, claim) ? go("founding") : fail("another node has more");
}

/** HA-22: every node is there, none has a primary, and none has more than this one. */
function byAll(turn: Turn, claim: Claim): Decision {
  const { options } = turn;
  if (!options.autoFailover && claim.ticket === null) return fail("promotion is by hand");
  if (!hasHeardAll(turn, claim)) {
    return isLate(turn, claim, options.ticks.fenceTicks)
      ? fail("this node was not told that it is in sync, and not all others are there")
      : WAIT;
  }
  const answers = [...claim.answers.values()];
  if (answers.some(({ primary }) => isElsewhere(turn, primary))) return fail("there is a primary");
  return isBestOf(turn, claim) ? go("all") : fail("another node has more");
}

function hasHeardAll(turn: Turn, claim: Claim): boolean {
  return turn.options.peers.every((id) => claim.answers.has(id));
}

function isBestOf(turn: Turn, claim: Claim): boolean {
  const others = [...claim.answers.values()].map(({ last }) => last);
  return turn.rules.isBest(lastPosition(turn.s.log), others);
}

export { fail, go, WAIT };
