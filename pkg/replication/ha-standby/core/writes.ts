import type { LogIndex } from "../../../base/index.js";
import type { Proposal } from "../../driver/effects.js";
import { hasAuthority, peersOf, perhapsInSync } from "./authority.js";
import { advanceCommit, answerReads, obstacleOf, setObstacles } from "./commit.js";
import type { HaEffect, HaInput } from "./effects.js";
import { handOver } from "./orders.js";
import { endClaim } from "./roles.js";
import type { Peer } from "./state.js";
import { replicateAll } from "./streaming.js";
import { appendOwn, note, refuse, type Turn } from "./turn.js";

type Of<Kind extends HaInput["kind"]> = Extract<HaInput, { kind: Kind }>;
export type Refusal = Pick<Extract<HaEffect, { kind: "refuse" }>, "code" | "reason">;

/** HA-6: writes get the next indexes of this epoch, or are refused before they happened. */
export function onPropose(turn: Turn, input: Of<"propose">): void {
  const { s } = turn;
  if (input.proposals.length === 0) return;
  const refusal = refusalOf(turn);
  if (refusal !== undefined) {
    const all = input.proposals.map((proposal) => proposal.ticket);
    refuse(turn, all, refusal.code, refusal.reason);
    return;
  }
  const proposals = attainable(turn, input.proposals);
  if (proposals.length === 0) return;
  const tickets = proposals.map((proposal) => proposal.ticket);
  const items = proposals.map(({ kind, payload }) => ({
    kind: kind ?? ("command" as const),
    payload,
  }));
  const first: LogIndex = appendOwn(turn, items);
  const wants = proposals.map(({ durability }) => durability ?? null);
  s.waiting = [...s.waiting, { first, term: s.hard.term, tickets, wants }];
  replicateAll(turn);
  advanceCommit(turn);
}

/** HA-30: a write that asks for a standby's word is not begun where none could give it. */
function attainable(turn: Turn, proposals: readonly Proposal[]): readonly Proposal[] {
  const asks = ({ durability }: Proposal) => durability !== undefined && durability !== "local";
  const asking = proposals.filter(asks);
  if (asking.length === 0) return proposals;
  const { s, options } = turn;
  const peers = [...(s.lead?.peers.values() ?? [])];
  const isHere = ({ aligned, heardAt }: Peer) =>
    aligned && s.now - heardAt < options.ticks.contactTicks;
  if (peers.some(isHere)) return proposals;
  const tickets = asking.map(({ ticket }) => ticket);
  refuse(turn, tickets, "NO_STANDBY", "no standby is in contact that could say that it has it");
  return proposals.filter((proposal) => !asks(proposal));
}

/** What keeps this node from taking a write now; undefined: nothing. */
export function refusalOf(turn: Turn): Refusal | undefined {
  const { s, options } = turn;
  if (s.phase === "starting") return { code: "NO_LEADER", reason: "the node is starting" };
  if (s.phase === "stopping") return { code: "SHUTTING_DOWN", reason: "the node is stopping" };
  if (s.lead === null) return elsewhere(turn);
  if (s.hard.commit < s.lead.readyIndex) {
    return { code: "NO_LEADER", reason: "the primary has not begun its epoch yet" };
  }
  if (s.lead.switchover !== null) {
    return { code: "NO_LEADER", reason: `the role is handed to ${s.lead.switchover.target}` };
  }
  if (!hasAuthority(turn)) {
    return options.arbiter === "lease"
      ? { code: "NO_LEADER", reason: "the lease ran out and could not be renewed" }
      : { code: "NO_STANDBY", reason: "a standby is out of contact: it might be promoted" };
  }
  return standbyMissing(turn) ?? obstacle(turn);
}

function elsewhere(turn: Turn): Refusal {
  const { follow, now, fenced } = turn.s;
  if (follow !== null && now - follow.heardAt < turn.options.ticks.failoverTicks) {
    return { code: "NOT_LEADER", reason: `${follow.primary} is primary` };
  }
  const reason = fenced ? "this node was deposed" : "no primary is heard";
  return { code: "NO_LEADER", reason };
}

function obstacle(turn: Turn): Refusal | undefined {
  const reason = obstacleOf(turn.s.obstacles);
  return reason === null ? undefined : { code: "OVERLOADED", reason };
}

/** HA-8: what the mode promises cannot be had now. */
function standbyMissing(turn: Turn): Refusal | undefined {
  const { s, options } = turn;
  const { syncMode, ticks } = options;
  if (s.lead === null || syncMode === "async") return undefined;
  const peers = peersOf(turn, perhapsInSync(turn));
  const here = peers.filter(({ heardAt }) => s.now - heardAt < ticks.contactTicks);
  if (syncMode === "semi_sync") {
    if (peers.length === 0 || here.length > 0) return undefined;
    return { code: "NO_STANDBY", reason: "no standby in sync is in contact" };
  }
  if (peers.length > 0) {
    if (here.length > 0) return undefined;
    return { code: "NO_STANDBY", reason: "no standby in sync is in contact" };
  }
  const { fallbackTicks } = ticks;
  if (fallbackTicks !== null && s.now - s.lead.aloneSince >= fallbackTicks) return undefined;
  return { code: "NO_STANDBY", reason: "no standby is in sync" };
}

/** Only a primary with authority knows that it has seen every acknowledged write. */
export function onRead(turn: Turn, input: Of<"read">): void {
  const { s, options } = turn;
  if (s.lead === null) {
    const { code, reason } = elsewhere(turn);
    refuse(turn, [input.ticket], code, reason);
  } else if (s.hard.commit < s.lead.readyIndex || !hasAuthority(turn)) {
    refuse(turn, [input.ticket], "NO_LEADER", "the primary may not speak for the others now");
  } else if (s.readyReads.length >= options.limits.readsMax) {
    refuse(turn, [input.ticket], "OVERLOADED", "too many reads are waiting");
  } else {
    s.readyReads = [...s.readyReads, { ticket: input.ticket, index: s.hard.commit }];
    answerReads(turn);
  }
}

/** A primary hands over; whoever stops seeks no promotion any more. */
export function onStop(turn: Turn): void {
  if (turn.s.phase === "stopping") return;
  turn.s.phase = "stopping";
  note(turn, "stopping", "asked to");
  endClaim(turn, "the node is stopping");
  handOver(turn);
}

export function onDisk(turn: Turn, input: Of<"disk">): void {
  const { obstacles } = turn.s;
  const logFull = input.low && obstacles.logFull;
  setObstacles(turn, { ...obstacles, diskLow: input.low, logFull });
}
