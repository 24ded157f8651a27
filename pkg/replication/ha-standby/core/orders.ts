import type { NodeId } from "../../../base/index.js";
import { lastPosition } from "../../progress/index.js";
import type { Promote } from "../messages.js";
import { surelyInSync } from "./authority.js";
import { BY_ITSELF, startClaim } from "./claim.js";
import type { HaInput } from "./effects.js";
import { isReady } from "./grounds.js";
import { releaseLease, stepDown } from "./roles.js";
import { note, refuse, send, setLead, type Turn } from "./turn.js";

type Of<Kind extends HaInput["kind"]> = Extract<HaInput, { kind: Kind }>;

/** HA-22: an operator's word. It waives what it names, and never that only one node may serve. */
export function onPromoteOrder(turn: Turn, input: Of<"promote">): void {
  const { s } = turn;
  const { ticket, force, othersStopped } = input;
  if (s.phase !== "ready") {
    refuse(turn, [ticket], "CONFLICT", "the node is starting or stopping");
  } else if (s.lead !== null && !othersStopped) {
    const { last, hard } = { last: s.log.last, hard: s.hard };
    turn.effects.push({ kind: "done", ticket, index: last, term: hard.term });
  } else if (s.claim?.ticket != null) {
    refuse(turn, [ticket], "CONFLICT", "a promotion is under way");
  } else if (s.lost || s.rejoin?.kind === "installing") {
    refuse(turn, [ticket], "CONFLICT", "this node lacks data: it needs a primary to copy from");
  } else {
    if (s.lead !== null) stepDown(turn, "an operator vouches that no other node runs");
    s.claim = null;
    startClaim(turn, { ticket, force, othersStopped });
  }
}

/** HA-25: writes end, the standby gets all there is, then the roles change. */
export function onSwitchover(turn: Turn, input: Of<"switchover">): void {
  const { s, options } = turn;
  if (s.lead === null) {
    refuse(turn, [input.ticket], "NOT_LEADER", "this node is not primary");
    return;
  }
  if (s.lead.switchover !== null) {
    refuse(turn, [input.ticket], "CONFLICT", "a switchover is under way");
    return;
  }
  const target = input.target ?? bestStandby(turn);
  if (target === null || !surelyInSync(turn).includes(target)) {
    refuse(turn, [input.ticket], "NO_STANDBY", `${target ?? "no standby"} is not in sync`);
    return;
  }
  const deadline = s.now + options.ticks.switchoverTicks;
  setLead(turn, { switchover: { target, ticket: input.ticket, deadline } });
  note(turn, "switchover_started", `to ${target}`);
  advanceSwitchover(turn);
}

function bestStandby(turn: Turn): NodeId | null {
  const ids = surelyInSync(turn).filter((id) => turn.s.lead?.peers.get(id)?.aligned === true);
  const match = (id: NodeId) => turn.s.lead?.peers.get(id)?.progress.match ?? 0;
  return ids.sort((a, b) => match(b) - match(a))[0] ?? null;
}

/** Starts one without anybody waiting, for a primary that stops. */
export function handOver(turn: Turn): void {
  const { s, options } = turn;
  if (s.lead === null || s.lead.switchover !== null) return;
  const target = bestStandby(turn);
  if (target === null) return;
  const deadline = s.now + options.ticks.switchoverTicks;
  setLead(turn, { switchover: { target, ticket: null, deadline } });
  advanceSwitchover(turn);
}

export function advanceSwitchover(turn: Turn): void {
  const { s } = turn;
  if (s.lead === null || s.lead.switchover === null) return;
  const { target, ticket, deadline } = s.lead.switchover;
  const peer = s.lead.peers.get(target);
  const { last } = s.log;
  const even = peer?.aligned === true && peer.progress.match === last && s.durable === last;
  const quiet = s.waiting.length === 0 && s.owed.length === 0 && s.hard.commit === last;
  if (even && quiet && s.applied === last && surelyInSync(turn).includes(target)) {
    const epoch = s.hard.term;
    setLead(turn, { switchover: null });
    if (ticket !== null) turn.effects.push({ kind: "done", ticket, index: last, term: epoch });
    stepDown(turn, `handed over to ${target}`);
    releaseLease(turn, epoch);
    const reason = ticket === null ? "shutdown" : "switchover";
    send(turn, target, { kind: "promote", epoch, last: lastPosition(s.log), reason });
  } else if (s.now >= deadline) {
    setLead(turn, { switchover: null });
    if (ticket !== null) refuse(turn, [ticket], "NO_STANDBY", `${target} did not catch up in time`);
    note(turn, "switchover_failed", `${target} did not catch up in time`);
  }
}

/** HA-25: the primary has stopped at `last` and asks this node to go on. */
export function onPromote(turn: Turn, from: NodeId, message: Promote): void {
  const { s } = turn;
  const { last } = message;
  const own = lastPosition(s.log);
  const fits =
    message.epoch === s.hard.term &&
    s.follow?.primary === from &&
    s.follow.epoch === message.epoch &&
    own.index === last.index &&
    own.term === last.term &&
    isReady(turn);
  const ready = fits && s.phase === "ready" && s.claim === null;
  send(turn, from, {
    kind: "promote_response",
    epoch: s.hard.term,
    forEpoch: message.epoch,
    ready,
    reason: ready ? message.reason : "not in sync, or not of this epoch",
  });
  if (!ready || s.follow === null) return;
  s.follow = { ...s.follow, yielded: true };
  startClaim(turn, BY_ITSELF);
}
