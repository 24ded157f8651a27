import { describe, expect, it } from "vitest";
import { type NodeId, type Position, toLogIndex, toTerm } from "../../../base/index.js";
import type { RaftMessage } from "../messages.js";
import { toPeerMessage, toRaftMessage } from "../wire/index.js";
import type { RaftInput } from "./effects.js";
import { DEFAULT_RAFT_LIMITS, DEFAULT_TICKS } from "./options.js";
import { createRaftCore } from "./step.js";

const id = (name: string) => name as NodeId;
const at = (index: number, term: number): Position => ({
  index: toLogIndex(index),
  term: toTerm(term),
});
const VOTERS = ["n1", "n2", "n3"].map((name) => ({
  id: id(name),
  address: `${name}:7688`,
  disk: `disk-${name}`,
}));

/** A leader of term 3 whose log begins behind entry 10, and everything that it sends. */
function leaderWithShortLog(): RaftMessage[] {
  const core = createRaftCore({
    id: id("n1"),
    disk: "disk-n1",
    seed: 1,
    bootstrap: false,
    founders: [],
    ticks: DEFAULT_TICKS,
    limits: DEFAULT_RAFT_LIMITS,
  });
  const sent: RaftMessage[] = [];
  let state = core.initial;
  const input = (next: RaftInput) => {
    const step = core.step(state, next);
    state = step.state;
    for (const effect of step.effects) {
      if (effect.kind === "persist") {
        const { seq } = effect;
        queued.push({ kind: "persisted", seq, upTo: state.log.last });
      } else if (effect.kind === "send") {
        sent.push(effect.body);
        if (effect.body.kind === "vote_request") queued.push(...granted(effect.body));
      }
    }
  };
  const queued: RaftInput[] = [
    {
      kind: "recovered",
      hard: { term: toTerm(2), votedFor: null, commit: toLogIndex(12), epoch: 0 },
      base: at(10, 2),
      last: at(12, 2),
      applied: at(12, 2),
      terms: [{ first: toLogIndex(11), term: toTerm(2) }],
      configs: [
        { index: toLogIndex(1), membership: { voters: VOTERS, outgoing: [], learners: [] } },
      ],
    },
  ];
  for (let ticks = 0; ticks < 1_000 && state.role !== "leader"; ) {
    const next = queued.shift();
    if (next === undefined) ticks += 1;
    input(next ?? { kind: "tick" });
  }
  expect(state.role).toBe("leader");
  for (let ticks = 0; ticks < DEFAULT_TICKS.heartbeatTicks; ticks += 1) input({ kind: "tick" });
  return sent;
}

function granted(request: Extract<RaftMessage, { kind: "vote_request" }>): RaftInput[] {
  const { forTerm, preVote, term } = request;
  const answer = { kind: "vote_response", term, forTerm, preVote, granted: true } as const;
  return [{ kind: "message", from: id("n2"), body: { ...answer, refusal: null, disk: "disk-n2" } }];
}

describe("heartbeats", () => {
  it("RA-25 a follower behind the start of the leader's log can read them", () => {
    const heartbeats = leaderWithShortLog().filter(({ kind }) => kind === "heartbeat");
    expect(heartbeats.length).toBeGreaterThanOrEqual(2);
    for (const heartbeat of heartbeats) {
      const message = toPeerMessage(heartbeat, { id: id("n1"), address: "n1:7688" });
      expect(toRaftMessage(id("n1"), message)).toEqual(heartbeat);
    }
  });
});
