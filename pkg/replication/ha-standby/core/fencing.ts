import type { NodeId } from "../../../base/index.js";
import { lastPosition } from "../../progress/index.js";
import type { Fence, PositionQuery } from "../messages.js";
import { basisOf, type Decision, fail, go, WAIT } from "./grounds.js";
import { endClaim, releaseLease, stepDown } from "./roles.js";
import type { Claim, Grounds } from "./state.js";
import { durablePosition, note, send, setEpoch, type Turn } from "./turn.js";

/** HA-3: the epoch is written down before the answer leaves; a lower or equal one is refused. */
export function onFence(turn: Turn, from: NodeId, message: Fence): void {
  const { s, options } = turn;
  const { term, votedFor } = s.hard;
  const again = message.epoch === term && votedFor === message.candidate && s.lead === null;
  const fenced = again || message.epoch > term;
  if (message.epoch > term) {
    if (s.lead !== null) releaseLease(turn, term);
    stepDown(turn, `${message.candidate} fenced this node: ${message.reason}`);
    endClaim(turn, `${message.candidate} seeks epoch ${message.epoch}`);
    setEpoch(turn, message.epoch, message.candidate);
    s.quietSince = Math.max(s.quietSince, s.now);
    note(turn, "fenced", `by ${message.candidate}, epoch ${message.epoch}`);
  }
  send(turn, from, {
    kind: "fence_response",
    epoch: s.hard.term,
    forEpoch: message.epoch,
    fenced,
    disk: options.disk,
    last: lastPosition(s.log),
  });
}

export function onPositionQuery(turn: Turn, from: NodeId, query: PositionQuery): void {
  const { s, options } = turn;
  const hears = s.follow !== null && s.now - s.follow.heardAt < options.ticks.failoverTicks;
  const follows = hears && s.follow?.epoch === s.hard.term && !s.follow.gone && !s.follow.yielded;
  send(turn, from, {
    kind: "position_answer",
    epoch: s.hard.term,
    id: query.id,
    disk: options.disk,
    last: durablePosition(turn),
    primary: s.lead !== null ? options.id : follows ? (s.follow?.primary ?? null) : null,
  });
}

/** HA-20, HA-21: the old primary has stopped, and nobody in sync has more. */
export function isClear(turn: Turn, claim: Claim, grounds: Grounds): Decision {
  const { s, options } = turn;
  if (s.durable < s.log.last || s.persistedSeq < s.persistSeq) return WAIT;
  if (grounds === "own" || grounds === "founding") return go(grounds);
  const acked = (id: NodeId) => claim.fenced.has(id);
  const late = s.now - claim.since >= options.ticks.fenceTicks;
  const missing = options.peers.filter((id) => !acked(id) && !isGone(turn, id));
  const settled = late || missing.length === 0;
  const everybody = options.peers.every(acked);
  if (grounds === "all") return everybody ? best(turn, claim, grounds) : orLate(late, "all others");
  if (grounds === "order") return byOrder(turn, claim, settled);
  if (!settled) return WAIT;
  const old = s.follow?.primary ?? null;
  const heard = mustHear(turn, claim, old);
  if (heard !== null) return fail(heard);
  if (!hasStopped(turn, claim, old)) return WAIT;
  return options.syncMode === "sync" ? go(grounds) : best(turn, claim, grounds);
}

const orLate = (late: boolean, whom: string): Decision =>
  late ? fail(`${whom} did not answer the fence`) : WAIT;

function isGone(turn: Turn, id: NodeId): boolean {
  const { follow } = turn.s;
  return follow?.primary === id && (follow.gone || follow.yielded);
}

function best(turn: Turn, claim: Claim, grounds: Grounds): Decision {
  const others = [...claim.fenced.values()].map(({ last }) => last);
  if (turn.rules.isBest(lastPosition(turn.s.log), others)) return go(grounds);
  return fail("another node has more", true);
}

/** Whose answer is missing, if it is needed. */
function mustHear(turn: Turn, claim: Claim, old: NodeId | null): string | null {
  const { options, rules } = turn;
  const acked = (id: NodeId) => claim.fenced.has(id);
  let needed: readonly NodeId[] = [];
  if (options.arbiter === "peer") {
    if (options.policy === "consistency") needed = options.peers;
  } else if (options.syncMode === "semi_sync" && claim.record !== null) {
    needed = basisOf(turn, claim.record).inSync.filter((id) => id !== options.id);
  }
  const others = needed.filter((id) => id !== old);
  return rules.mustHear(others, acked) ? null : "a standby that may have more did not answer";
}

/** HA-20: it said so, or this node's last promise to it has run out. */
function hasStopped(turn: Turn, claim: Claim, old: NodeId | null): boolean {
  const { s, rules, options } = turn;
  if (s.follow?.yielded === true || (old !== null && claim.fenced.has(old))) return true;
  if (!rules.promiseIsOver(s.now, s.promiseUntil)) return false;
  if (options.arbiter === "lease" || options.policy === "consistency") return true;
  const { fenceTicks, driftTicks } = options.ticks;
  return s.now - claim.since >= fenceTicks + driftTicks;
}

/** HA-22: what an operator orders may lose data, but makes no second primary. */
function byOrder(turn: Turn, claim: Claim, settled: boolean): Decision {
  const { s, options, rules } = turn;
  const { record, fenced } = claim;
  if (!settled) return WAIT;
  if (claim.othersStopped) return go("order");
  if (record === null) return fail("without an arbiter only `othersStopped` allows this");
  const { holder, inSync } = record;
  const others = inSync.filter((id) => id !== holder);
  if (holder === options.id || holder === null || fenced.has(holder)) return go("order");
  if (others.length === 0) return go("order");
  if (others.includes(options.id)) {
    return rules.promiseIsOver(s.now, s.promiseUntil) ? go("order") : WAIT;
  }
  const withdrawn = others.flatMap((id) => fenced.get(id) ?? []);
  if (withdrawn.length === 0) {
    return fail(`${holder} may go on with the word of ${others.join(", ")}; none of them answers`);
  }
  const since = Math.min(...withdrawn.map(({ at }) => at));
  return s.now - since > options.ticks.ttlTicks ? go("order") : WAIT;
}
