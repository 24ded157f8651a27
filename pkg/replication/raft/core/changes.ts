import type { NodeId } from "../../../base/index.js";
import type { ErrorCode } from "../../errors.js";
import { hasQuorum } from "../../quorum/index.js";
import { advanceCommit } from "./commit.js";
import type { MemberChange, RaftInput } from "./effects.js";
import { isActive } from "./leader-quorum.js";
import { replicateAll } from "./leadership.js";
import {
  encodeMembership,
  includes,
  isJoint,
  type Learner,
  MEMBERS_MAX,
  type Member,
  type Membership,
  memberIds,
} from "./membership.js";
import { syncPeers } from "./peers.js";
import {
  appendOwn,
  configIndexOf,
  leadershipOf,
  membershipOf,
  note,
  refuse,
  send,
  setLead,
  type Turn,
} from "./turn.js";

type Of<Kind extends RaftInput["kind"]> = Extract<RaftInput, { kind: Kind }>;
type Refusal = { readonly code: ErrorCode; readonly reason: string };
type Planned = { readonly membership: Membership } | Refusal;

/** RA-19: one change at a time, through the log, and none that would lose the live quorum. */
export function onChangeMembers(turn: Turn, input: Of<"change_members">): void {
  const { s } = turn;
  const { ticket, change } = input;
  const refusal = notNow(turn);
  if (refusal !== undefined) {
    refuse(turn, [ticket], refusal.code, refusal.reason);
    return;
  }
  const planned = planChange(membershipOf(s), change);
  if ("code" in planned) {
    refuse(turn, [ticket], planned.code, planned.reason);
    return;
  }
  if (isJoint(planned.membership) && !isLive(turn, planned.membership)) {
    const reason =
      "too few of the voters that would remain answer; the change would stop all writes";
    refuse(turn, [ticket], "NO_QUORUM", reason);
    return;
  }
  setLead(turn, { changeTicket: ticket });
  proposeMembership(turn, planned.membership, describe(change));
}

function notNow(turn: Turn): Refusal | undefined {
  const { s } = turn;
  if (s.lead === null) {
    if (s.leader === null) return { code: "NO_LEADER", reason: "no leader is known" };
    return { code: "NOT_LEADER", reason: `${s.leader} leads` };
  }
  if (s.phase !== "ready") return { code: "SHUTTING_DOWN", reason: "the node is stopping" };
  if (s.lead.transfer !== null) return { code: "NO_LEADER", reason: "leadership is handed over" };
  if (s.lead.changeTicket === null && mayChange(turn)) return undefined;
  return s.hard.commit < s.lead.readyIndex
    ? { code: "NO_LEADER", reason: "the leader has not committed in its term yet" }
    : { code: "CONFLICT", reason: "another change of the membership is under way" };
}

function mayChange(turn: Turn): boolean {
  const { s, rules } = turn;
  return rules.mayChange({
    configIndex: configIndexOf(s),
    commit: s.hard.commit,
    readyIndex: leadershipOf(turn).readyIndex,
    joint: isJoint(membershipOf(s)),
  });
}

function planChange(now: Membership, change: MemberChange): Planned {
  const { id } = change;
  const isVoter = now.voters.some((member) => member.id === id);
  if (change.kind === "add") {
    if (includes(now, id)) return { code: "CONFLICT", reason: `${id} is a member already` };
    if (memberIds(now).length >= MEMBERS_MAX) {
      return { code: "INVALID", reason: `a cluster has at most ${MEMBERS_MAX} members` };
    }
    const { address, voter } = change;
    const learner: Learner = { id, address, disk: null, promote: voter };
    return { membership: { ...now, learners: [...now.learners, learner] } };
  }
  if (!includes(now, id)) return { code: "NOT_FOUND", reason: `${id} is not a member` };
  if (change.kind === "address") return { membership: moved(now, id, change.address) };
  if (change.kind === "promote") {
    if (isVoter) return { code: "CONFLICT", reason: `${id} has a vote already` };
    const learners = now.learners.map((one) => (one.id === id ? { ...one, promote: true } : one));
    return { membership: { ...now, learners } };
  }
  if (!isVoter) {
    const others = now.learners.filter((one) => one.id !== id);
    if (change.kind === "remove") return { membership: { ...now, learners: others } };
    return { code: "CONFLICT", reason: `${id} is a learner already` };
  }
  if (now.voters.length === 1) return { code: "INVALID", reason: `${id} is the last voter` };
  return { membership: withoutVote(now, id, change.kind === "demote" ? { promote: false } : null) };
}

/** The joint configuration in which `id` loses its vote, and stays as a learner or leaves. */
function withoutVote(
  now: Membership,
  id: NodeId,
  stays: { readonly promote: boolean } | null,
): Membership {
  const voters = now.voters.filter((member) => member.id !== id);
  const member = now.voters.find((one) => one.id === id) as Member;
  const learner = stays === null ? [] : [{ ...member, disk: null, ...stays }];
  return { voters, outgoing: now.voters, learners: [...now.learners, ...learner] };
}

function moved(now: Membership, id: NodeId, address: string): Membership {
  const move = <M extends Member>(member: M): M =>
    member.id === id ? { ...member, address } : member;
  const { voters, outgoing, learners } = now;
  return { voters: voters.map(move), outgoing: outgoing.map(move), learners: learners.map(move) };
}

function describe(change: MemberChange): string {
  return `${change.kind} ${change.id}`;
}

/** Would those that answer at the moment be a quorum of that membership? */
function isLive(turn: Turn, membership: Membership): boolean {
  const { s, options, rules } = turn;
  const { peers } = leadershipOf(turn);
  return hasQuorum(membership, (member) => {
    if (member.id === options.id) return true;
    const peer = peers.get(member.id);
    if (peer === undefined || !isActive(s, peer, options.ticks.electionTicks)) return false;
    return rules.speaksFor(member, peer.disk, false);
  });
}

function proposeMembership(turn: Turn, membership: Membership, reason: string): void {
  const before = memberIds(membershipOf(turn.s));
  appendOwn(turn, [{ kind: "config", payload: encodeMembership(membership) }]);
  const leaving = before.filter((id) => id !== turn.options.id && !includes(membership, id));
  setLead(turn, { leaving });
  note(turn, "members_changed", reason);
  syncPeers(turn);
  replicateAll(turn);
  advanceCommit(turn);
}

/** RA-19, RA-22: what follows from a committed membership. */
export function settleMembership(turn: Turn): void {
  const { s } = turn;
  const lead = leadershipOf(turn);
  if (configIndexOf(s) > s.hard.commit || s.hard.commit < lead.readyIndex) return;
  const membership = membershipOf(s);
  if (isJoint(membership)) {
    proposeMembership(turn, { ...membership, outgoing: [] }, "the new voters decide alone");
    return;
  }
  for (const id of lead.leaving) {
    send(turn, id, { kind: "forget", term: s.hard.term, configIndex: configIndexOf(s) });
  }
  if (lead.leaving.length > 0) setLead(turn, { leaving: [] });
  if (lead.changeTicket === null) return;
  const { changeTicket: ticket } = lead;
  turn.effects.push({ kind: "done", ticket, index: configIndexOf(s), term: s.hard.term });
  setLead(turn, { changeTicket: null });
}

/** RA-18, RA-26: what the leader does by itself, one step at a time. */
export function tendMembership(turn: Turn): void {
  const { s } = turn;
  // Once more, for the entry that ends a joint membership may have been refused by a full disk.
  settleMembership(turn);
  if (leadershipOf(turn).transfer !== null || !mayChange(turn)) return;
  const membership = membershipOf(s);
  const planned =
    sealDisks(turn, membership) ?? replaceWiped(turn, membership) ?? promoteOne(turn, membership);
  if (planned !== undefined) proposeMembership(turn, planned.membership, planned.reason);
}

type Tended = { readonly membership: Membership; readonly reason: string } | undefined;

/** A founder that was not there at the founding has been heard: from now on its disk counts. */
function sealDisks(turn: Turn, membership: Membership): Tended {
  const { peers } = leadershipOf(turn);
  const sealed = membership.voters.map((member) =>
    member.disk === null ? { ...member, disk: peers.get(member.id)?.disk ?? null } : member,
  );
  const changed = sealed.some((member, at) => member.disk !== membership.voters[at]?.disk);
  return changed
    ? { membership: { ...membership, voters: sealed }, reason: "disks known" }
    : undefined;
}

/** A voter came back with another disk: it has forgotten its promises, so it starts as a learner. */
function replaceWiped(turn: Turn, membership: Membership): Tended {
  const { s, options } = turn;
  const { peers } = leadershipOf(turn);
  const wiped = membership.voters.find((member) => {
    const peer = peers.get(member.id);
    if (peer === undefined || member.disk === null || peer.disk === member.disk) return false;
    return isActive(s, peer, options.ticks.electionTicks);
  });
  if (wiped === undefined || membership.voters.length === 1) return undefined;
  const planned = withoutVote(membership, wiped.id, { promote: true });
  if (!isLive(turn, planned)) return undefined;
  return { membership: planned, reason: `${wiped.id} has a new disk` };
}

function promoteOne(turn: Turn, membership: Membership): Tended {
  const { s, options } = turn;
  const { peers } = leadershipOf(turn);
  const ready = membership.learners.find((learner) => {
    const peer = peers.get(learner.id);
    if (!learner.promote || peer === undefined) return false;
    if (!isActive(s, peer, options.ticks.electionTicks)) return false;
    return peer.progress.match + options.limits.promoteLagEntries >= s.log.last;
  });
  if (ready === undefined) return undefined;
  const { id, address } = ready;
  const member = { id, address, disk: peers.get(id)?.disk ?? null };
  const planned: Membership = {
    voters: [...membership.voters, member],
    outgoing: membership.voters,
    learners: membership.learners.filter((one) => one.id !== id),
  };
  return { membership: planned, reason: `${id} has caught up` };
}
