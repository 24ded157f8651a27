import { invariant, type LogIndex, type Term } from "../../../base/index.js";
import { lastPosition, onTruncated } from "../../progress/index.js";
import { advanceClaim } from "./claim.js";
import { advanceCommit, applyMore, setObstacles } from "./commit.js";
import type { HaInput } from "./effects.js";
import { stepDown } from "./roles.js";
import { acknowledge, followCommit } from "./standing.js";
import type { Waiting } from "./state.js";
import { forgetFrom, note, refuse, releaseHeld, setLead, type Turn } from "./turn.js";

type Of<Kind extends HaInput["kind"]> = Extract<HaInput, { kind: Kind }>;

/** HA-2, HA-17: what the disk held is made durable before the node says anything. */
export function onRecovered(turn: Turn, input: Of<"recovered">): void {
  const { s, options, rules } = turn;
  invariant(s.phase === "starting" && s.persistSeq === 0, "a node recovers once");
  const { base, last, applied } = input;
  s.log = { base, runs: input.terms, last: last.index };
  invariant(lastPosition(s.log).term === last.term, "the terms are those of the log");
  const epoch = Math.max(input.hard.term, last.term, input.hard.epoch) as Term;
  const commit = Math.max(Math.min(input.hard.commit, last.index), applied.index, base.index);
  const votedFor = epoch > input.hard.term ? null : input.hard.votedFor;
  s.hard = { term: epoch, votedFor, epoch, commit: commit as LogIndex };
  s.seen = epoch;
  if (input.hard.commit > last.index) {
    s.lost = true;
    note(turn, "log_lost", `entries up to ${input.hard.commit} were committed and are gone`);
  }
  s.durable = applied.index;
  s.logged = applied.index;
  s.applied = applied.index;
  s.applying = applied.index;
  s.answered = applied.index;
  s.fenced = epoch > 0 && votedFor !== options.id && options.startsAsPrimary;
  s.promiseUntil = s.now + options.ticks.ttlTicks + 1;
  const mine = votedFor === options.id;
  if (mine || rules.startsAsPrimary(options.startsAsPrimary, epoch)) {
    s.quietSince = Number.NEGATIVE_INFINITY;
  }
  turn.persist.promise = true;
}

/** HA-2, HA-12: promises and entries up to `seq` are durable; what waited for them goes out. */
export function onPersisted(turn: Turn, input: Of<"persisted">): void {
  const { s } = turn;
  if (input.seq <= s.persistedSeq) return;
  invariant(input.seq <= s.persistSeq, "only what was asked for is durable");
  s.persistedSeq = input.seq;
  const done = s.persists.findLast((one) => one.seq <= input.seq);
  s.persists = s.persists.filter((one) => one.seq > input.seq);
  const before = s.durable;
  if (done !== undefined) s.durable = Math.max(s.durable, done.last) as LogIndex;
  s.logged = Math.max(s.logged, s.durable) as LogIndex;
  if (s.phase === "starting") s.phase = "ready";
  if (s.lead === null && s.aligned && s.follow !== null) {
    followCommit(turn);
    if (s.durable > before && s.follow.epoch === s.hard.term && !isToldLater(turn)) {
      acknowledge(turn, s.follow.primary, null);
    }
  }
  releaseHeld(turn);
  advanceCommit(turn);
  applyMore(turn);
  advanceClaim(turn);
}

/** In `semi_sync` nobody waits for this disk: when more is on its way there, that one's word will do. */
function isToldLater({ s, options }: Turn): boolean {
  return options.syncMode === "semi_sync" && s.durable < s.log.last;
}

/** HA-26: no room in the log: the newest entries never were; promises of the step still are. */
export function onPersistRefused(turn: Turn, input: Of<"persist_refused">): void {
  const { s } = turn;
  const { from } = input;
  invariant(from > s.durable && from > s.hard.commit, "durable entries are never refused");
  forgetFrom(turn, from);
  refuseWrites(turn, from);
  s.early = [];
  setObstacles(turn, { ...s.obstacles, logFull: true });
  if (s.lead === null) return;
  if (s.lead.readyIndex >= from) {
    stepDown(turn, "the log has no room for the first entry of the epoch");
    return;
  }
  const peers = [...s.lead.peers].map(
    ([id, peer]) => [id, { ...peer, progress: onTruncated(peer.progress, from) }] as const,
  );
  setLead(turn, { peers: new Map(peers) });
  note(turn, "writes_refused", `entries from ${from} on did not fit`);
}

function refuseWrites(turn: Turn, from: LogIndex): void {
  const { s } = turn;
  const kept: Waiting[] = [];
  for (const batch of s.waiting) {
    if (batch.first < from) kept.push(batch);
    else refuse(turn, batch.tickets, "OVERLOADED", "the log's disk is full");
  }
  s.waiting = kept;
}
