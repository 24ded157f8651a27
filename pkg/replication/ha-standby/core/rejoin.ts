import type { LogIndex, Position } from "../../../base/index.js";
import { compacted, type LogTerms, lastPosition, termAt } from "../../progress/index.js";
import type { EpochTable } from "../messages.js";
import { applyMore, setCommit } from "./commit.js";
import type { HaInput } from "./effects.js";
import { commonIndex } from "./positions.js";
import { acknowledge, followCommit } from "./standing.js";
import { cutLog, note, type Turn, takeId } from "./turn.js";

type Of<Kind extends HaInput["kind"]> = Extract<HaInput, { kind: Kind }>;

/** HA-15, HA-16: where this log leaves the primary's, what is kept aside, and what is needed. */
export function alignWith(turn: Turn, table: EpochTable): void {
  const { s, rules } = turn;
  if (s.rejoin !== null || s.follow === null) return;
  const theirs: LogTerms = { base: table.base, runs: table.runs, last: table.last };
  const common = s.lost ? null : commonIndex(s.log, theirs);
  const mustCopy = s.lost || rules.mustCopy(common, s.hard.commit);
  // The histories part, and the log no longer reaches back to where.
  const state = common === null && !s.lost && isForeign(s.log, theirs);
  const from = ((common ?? s.log.base.index) + 1) as LogIndex;
  const cutFrom = mustCopy ? null : from;
  if (rules.mustSalvage(s.log.last - from + 1) || state) {
    const id = takeId(turn);
    s.rejoin = { kind: "salvaging", id, from, cutFrom };
    const { epoch, primary } = s.follow;
    turn.effects.push({ kind: "salvage", id, from, upTo: s.log.last, state, epoch, primary });
    return;
  }
  settleTail(turn, from, cutFrom);
}

/** They differ for certain, not only because one of them no longer knows its beginning. */
function isForeign(own: LogTerms, theirs: LogTerms): boolean {
  if (own.last === 0) return false;
  if (theirs.last < own.base.index || own.last >= theirs.base.index) return true;
  return lastPosition(own).term > theirs.base.term;
}

export function onSalvaged(turn: Turn, input: Of<"salvaged">): void {
  const { s } = turn;
  if (s.rejoin?.kind !== "salvaging" || s.rejoin.id !== input.id) return;
  const { from, cutFrom } = s.rejoin;
  s.rejoin = null;
  note(turn, "tail_salvaged", `entries ${from} to ${s.log.last} are kept aside`);
  settleTail(turn, from, cutFrom);
}

function settleTail(turn: Turn, from: LogIndex, cutFrom: LogIndex | null): void {
  const { s } = turn;
  if (s.follow === null) return;
  if (cutFrom === null) {
    s.rejoin = { kind: "full_sync" };
    const { primary, epoch } = s.follow;
    turn.effects.push({ kind: "full_sync", from: primary, epoch, minIndex: 0 as LogIndex });
    note(turn, "full_sync_needed", "the log cannot be brought in line by cutting it");
    return;
  }
  if (from <= s.log.last) {
    cutLog(turn, from);
    note(turn, "tail_dropped", `entries from ${from} on are not the primary's`);
  }
  becomeAligned(turn);
}

function becomeAligned(turn: Turn): void {
  const { s } = turn;
  s.aligned = true;
  s.logged = s.durable;
  followCommit(turn);
  if (s.follow !== null) acknowledge(turn, s.follow.primary, null);
}

/** HA-16: a whole copy is here; it is put in place only for the primary that is followed. */
export function onCopyReceived(turn: Turn, input: Of<"copy_received">): void {
  const { s } = turn;
  const wanted =
    s.rejoin?.kind === "full_sync" &&
    s.follow?.primary === input.from &&
    s.follow.epoch === input.epoch;
  if (!wanted) {
    turn.effects.push({ kind: "discard_copy", position: input.position });
    note(turn, "copy_ignored", `nobody waits for the copy at ${input.position.index}`);
    return;
  }
  s.rejoin = { kind: "installing", position: input.position, asked: false };
  startInstall(turn);
}

export function onCopyFailed(turn: Turn, input: Of<"copy_failed">): void {
  const { s } = turn;
  if (s.rejoin?.kind === "full_sync" && s.follow?.epoch === input.epoch) s.rejoin = null;
}

/** Install and apply never overlap. */
export function startInstall(turn: Turn): void {
  const { s } = turn;
  if (s.rejoin?.kind !== "installing" || s.rejoin.asked || s.applying !== s.applied) return;
  s.rejoin = { ...s.rejoin, asked: true };
  turn.effects.push({ kind: "install", position: s.rejoin.position });
}

export function onInstalled(turn: Turn, input: Of<"installed">): void {
  const { s } = turn;
  if (s.rejoin?.kind !== "installing" || !isSame(s.rejoin.position, input.position)) return;
  const { index } = input.position;
  s.rejoin = null;
  s.lost = false;
  s.log = { base: input.position, runs: [], last: index };
  s.persists = s.persists.map((one) => ({ ...one, last: index }));
  s.durable = index;
  s.logged = index;
  s.applied = index;
  s.applying = index;
  s.answered = index;
  // The history was replaced as a whole, and its commit with it.
  s.hard = { ...s.hard, commit: index };
  s.aligned = false;
  note(turn, "full_sync_done", `the state is at ${index}`);
  setCommit(turn, index);
  applyMore(turn);
}

const isSame = (a: Position, b: Position) => a.index === b.index && a.term === b.term;

/** The driver cut the log; what was there is known only by its last position. */
export function onCompacted(turn: Turn, input: Of<"compacted">): void {
  const { s } = turn;
  if (input.base.index > s.applied || termAt(s.log, input.base.index) === undefined) return;
  s.log = compacted(s.log, input.base);
}
