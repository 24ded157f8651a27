import { afterEach, describe, expect, it } from "vitest";
import type { PeerConnection, PeerMessage } from "../../pkg/replication/ports/index.js";
import {
  MessageType,
  sendFence,
  sendHeartbeat,
  sendPromote,
  sendRaftAppendEntries,
  sendRaftVote,
  sendWALBatch,
} from "../../pkg/transport/index.js";
import { codeOf, frame, World } from "./transport-world.js";

const legacy = { secret: undefined, insecure: true, legacyPeers: true };
let world = new World();
afterEach(async () => {
  await world.end();
  world = new World();
});

describe("NornicDB peers that are dialled", () => {
  /** Knows no greeting and no ids, and answers each vote after `delayMs`. */
  async function nornicdb(delayMs: (term: number) => number) {
    const seen = { open: 0, openMax: 0 };
    const { connections } = await world.rawListener("n", (message, write) => {
      if (message.type !== MessageType.voteRequest) return;
      const { term } = message.payload as { term: number };
      seen.open += 1;
      seen.openMax = Math.max(seen.openMax, seen.open);
      world.time.after(delayMs(term), () => {
        seen.open -= 1;
        write(frame(MessageType.voteResponse, { term, vote_granted: true, voter_id: "n" }));
      });
    });
    return { seen, connections };
  }

  const vote = (peer: PeerConnection, term: number, timeoutMs: number) =>
    sendRaftVote(
      peer,
      { term, candidate_id: "a", last_log_index: 0, last_log_term: 0 },
      { timeoutMs },
    );

  it("TR-51 a peer that ignores the greeting gets one call at a time, each its own answer", async () => {
    const { seen } = await nornicdb((term) => 100 - term * 10);
    const peer = world.node("a", legacy).connect({ address: "n:7688" });
    await world.time.advance(6000);
    expect(peer.isConnected()).toBe(true);
    const terms = [1, 2, 3, 4, 5, 6, 7, 8];
    const answers = await world.run(Promise.all(terms.map((term) => vote(peer, term, 5000))));
    expect(answers.map((answer) => answer.term)).toEqual(terms);
    expect(seen.openMax).toBe(1);
  });

  it("TR-51 an overdue answer closes the connection: no later call gets it", async () => {
    const { connections } = await nornicdb((term) => (term === 1 ? 300 : 10));
    const peer = world.node("a", legacy).connect({ address: "n:7688" });
    await world.time.advance(6000);
    const before = connections();
    const first = codeOf(vote(peer, 1, 100));
    const second = codeOf(vote(peer, 2, 5000));
    expect(await world.run(first)).toBe("TIMEOUT");
    expect(await world.run(second)).toBe("DISCONNECTED");
    await world.time.advance(6000);
    expect(connections()).toBeGreaterThan(before);
    expect((await world.run(vote(peer, 3, 5000))).term).toBe(3);
  });
});

describe("calls of NornicDB's codes", () => {
  const answers = new Map<number, PeerMessage>([
    [1, { type: 2, payload: { term: 1, vote_granted: true, voter_id: "b" } }],
    [3, { type: 4, payload: { term: 1, success: true, match_index: 7, responder_id: "b" } }],
    [5, { type: 6, payload: { AckedPosition: 3, ReceivedPosition: 4 } }],
    [7, { type: 8, payload: { NodeID: "b", Role: "standby", WALPosition: 1, Lag: 2 } }],
    [9, { type: 10, payload: { Fenced: true } }],
    [11, { type: 12, payload: { Ready: true } }],
  ]);
  const options = { timeoutMs: 900 };
  const calls: [number, (peer: PeerConnection) => Promise<unknown>][] = [
    [
      1,
      (p) =>
        sendRaftVote(
          p,
          { term: 1, candidate_id: "a", last_log_index: 0, last_log_term: 0 },
          options,
        ),
    ],
    [
      3,
      (p) => {
        const fields = { term: 1, leader_id: "a", leader_addr: "", leader_commit: 0 };
        const request = { ...fields, prev_log_index: 0, prev_log_term: 0, entries: null };
        return sendRaftAppendEntries(p, request, options);
      },
    ],
    [5, (p) => sendWALBatch(p, [], options)],
    [
      7,
      (p) =>
        sendHeartbeat(p, { NodeID: "a", Role: "primary", WALPosition: 1, Timestamp: "5" }, options),
    ],
    [9, (p) => sendFence(p, { Reason: "r", RequestID: "1" }, options)],
    [11, (p) => sendPromote(p, { Reason: "r" }, options)],
  ];

  it.each(calls)("TR-52 code %i takes its own kind of answer and no other", async (type, send) => {
    let answer = answers.get(type) as PeerMessage;
    const b = world.node("b");
    await world.run(
      b.listen(async (_, message) => {
        expect(message.type).toBe(type);
        return answer;
      }),
    );
    const peer = world.node("a").connect({ address: "b:7688" });
    expect(await world.run(send(peer))).toEqual(answer.payload);
    for (const wrong of [
      { type: 37, payload: answer.payload },
      { type: type + 1, payload: null },
    ]) {
      answer = wrong;
      expect(await world.run(codeOf(send(peer)))).toBe("REMOTE protocol");
    }
  });
});
