import type { LogIndex } from "../../../base/index.js";
import { compacted, termAt } from "../../progress/index.js";
import { answerReads, applyMore, setCommit } from "./commit.js";
import type { RaftInput } from "./effects.js";
import { becomeFollower } from "./roles.js";
import type { Waiting } from "./state.js";
import { note, refuse, send, type Turn } from "./turn.js";

type Of<Kind extends RaftInput["kind"]> = Extract<RaftInput, { kind: Kind }>;

/** RA-21: a whole snapshot is here; it is put in place only if it is ahead of the commit. */
export function onSnapshotReceived(turn: Turn, input: Of<"snapshot_received">): void {
  const { s, rules } = turn;
  const { position, config } = input;
  // A staged copy may outlive a crash that took the term in which it was sent.
  if (input.term > s.hard.term) {
    becomeFollower(turn, input.term, null, `${input.from} sent a copy in a newer term`);
  }
  if (!rules.isNews(position, s.hard.commit) || s.installing !== null || s.role !== "follower") {
    turn.effects.push({ kind: "discard_snapshot", position });
    note(turn, "snapshot_ignored", `entry ${position.index} is not ahead of the commit`);
    return;
  }
  const keepTail = termAt(s.log, position.index) === position.term;
  s.installing = { position, config, keepTail, asked: false };
  startInstall(turn);
}

/** RA-21: install and apply never overlap. */
export function startInstall(turn: Turn): void {
  const { s } = turn;
  const { installing } = s;
  if (installing === null || installing.asked || s.applying !== s.applied) return;
  s.installing = { ...installing, asked: true };
  const { position, config, keepTail } = installing;
  turn.effects.push({ kind: "install", position, config, keepTail });
}

export function onInstalled(turn: Turn, input: Of<"installed">): void {
  const { s } = turn;
  const { installing } = s;
  if (installing === null || input.position.index !== installing.position.index) return;
  const { position, config, keepTail } = installing;
  const { index } = position;
  s.installing = null;
  s.log = keepTail ? compacted(s.log, position) : { base: position, runs: [], last: index };
  const later = keepTail ? s.configs.filter((one) => one.index > index) : [];
  s.configs = [config, ...later];
  s.persists = s.persists.map((one) => (keepTail ? one : { ...one, last: index }));
  s.durable = (keepTail ? Math.max(s.durable, index) : index) as LogIndex;
  s.applied = index;
  s.applying = index;
  s.answered = Math.max(s.answered, index) as LogIndex;
  s.verified = Math.max(keepTail ? s.verified : 0, index) as LogIndex;
  endOvertaken(turn, index);
  setCommit(turn, index);
  answerReads(turn);
  applyMore(turn);
  if (s.leader === null) return;
  s.acked = Math.max(s.acked, index);
  send(turn, s.leader, {
    kind: "append_response",
    term: s.hard.term,
    success: true,
    matchIndex: index,
    disk: turn.options.disk,
  });
}

/** Writes whose entries the snapshot holds: they happened, but their results are not known here. */
function endOvertaken(turn: Turn, index: LogIndex): void {
  const { s } = turn;
  const kept: Waiting[] = [];
  for (const batch of s.waiting) {
    if (batch.first > index) kept.push(batch);
    else refuse(turn, batch.tickets, "COMMIT_UNKNOWN", "a snapshot overtook the write");
  }
  s.waiting = kept;
}

/** The driver cut the log; what was there is known only by its last position. */
export function onCompacted(turn: Turn, input: Of<"compacted">): void {
  const { s } = turn;
  if (input.base.index > s.applied) return;
  s.log = compacted(s.log, input.base);
  const kept = s.configs.findLastIndex((config) => config.index <= s.log.base.index);
  if (kept > 0) s.configs = s.configs.slice(kept);
}
