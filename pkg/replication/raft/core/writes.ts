import type { LogIndex } from "../../../base/index.js";
import { advanceCommit, obstacleOf, setObstacles } from "./commit.js";
import type { RaftEffect, RaftInput } from "./effects.js";
import { replicateAll } from "./leadership.js";
import { handOver } from "./transfer.js";
import { appendOwn, note, refuse, type Turn } from "./turn.js";

type Of<Kind extends RaftInput["kind"]> = Extract<RaftInput, { kind: Kind }>;
type Refusal = Pick<Extract<RaftEffect, { kind: "refuse" }>, "code" | "reason">;

/** RA-10, RA-12: writes get the next indexes of this term, or are refused before they happened. */
export function onPropose(turn: Turn, input: Of<"propose">): void {
  const { s } = turn;
  if (input.proposals.length === 0) return;
  const tickets = input.proposals.map((proposal) => proposal.ticket);
  const refusal = refusalOf(turn);
  if (refusal !== undefined) {
    refuse(turn, tickets, refusal.code, refusal.reason);
    return;
  }
  const items = input.proposals.map(({ kind, payload }) => ({
    kind: kind ?? ("command" as const),
    payload,
  }));
  const first: LogIndex = appendOwn(turn, items);
  s.waiting = [...s.waiting, { first, term: s.hard.term, tickets }];
  replicateAll(turn);
  advanceCommit(turn);
}

function refusalOf(turn: Turn): Refusal | undefined {
  const { s, rules } = turn;
  if (s.phase === "starting") return { code: "NO_LEADER", reason: "the node is starting" };
  if (s.phase === "stopping") return { code: "SHUTTING_DOWN", reason: "the node is stopping" };
  if (s.lead === null) {
    return s.leader === null
      ? { code: "NO_LEADER", reason: "no leader is known" }
      : { code: "NOT_LEADER", reason: `${s.leader} leads` };
  }
  if (!rules.mayRead(s.hard.commit, s.lead.readyIndex)) {
    return { code: "NO_LEADER", reason: "the leader has not committed in its term yet" };
  }
  if (s.lead.transfer !== null) {
    return { code: "NO_LEADER", reason: `leadership is handed to ${s.lead.transfer.target}` };
  }
  const obstacle = obstacleOf(s.obstacles);
  return obstacle === null ? undefined : { code: "OVERLOADED", reason: obstacle };
}

/** A leader hands over; whoever stops never campaigns again. */
export function onStop(turn: Turn): void {
  if (turn.s.phase === "stopping") return;
  turn.s.phase = "stopping";
  note(turn, "stopping", "asked to");
  handOver(turn);
}

export function onDisk(turn: Turn, input: Of<"disk">): void {
  const { obstacles } = turn.s;
  const logFull = input.low && obstacles.logFull;
  setObstacles(turn, { ...obstacles, diskLow: input.low, logFull });
}
