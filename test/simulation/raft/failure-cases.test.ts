import { describe, expect, it } from "vitest";
import type { RequestId } from "../../../pkg/base/index.js";
import { answersOf, forwardMessage } from "../../../pkg/replication/forwarding/index.js";
import { PayloadPacker } from "../../../pkg/replication/index.js";
import type { RaftInput, RaftMessage } from "../../../pkg/replication/raft/index.js";
import { encodeOperations } from "../../../pkg/storage/index.js";
import { addressOf, type Machine } from "./machine.js";
import { Script, stateOf } from "./script.js";

type Told = Extract<RaftInput, { kind: "message" }>;
type Received = Extract<RaftInput, { kind: "snapshot_received" }>;

function isReceived(input: RaftInput): input is Received {
  return input.kind === "snapshot_received";
}

/** What `from` has said to the others after a moment in which words on their way arrived. */
function saidAfter(script: Script, from: Machine, ms: number): RaftMessage["kind"][] {
  return script.heard
    .filter(({ input, atMs }) => input.kind === "message" && atMs > ms + 5)
    .map(({ input }) => input as Told)
    .filter((told) => told.from === from.id)
    .map(({ body }) => body.kind);
}

/** Bytes of the log's files. */
function logBytes(machine: Machine): number {
  const files = [...machine.disk.snapshotFiles()].filter(([path]) => path.startsWith("/wal"));
  return files.reduce((sum, [, bytes]) => sum + bytes.length, 0);
}

async function write(script: Script, at: Machine, count: number, bytes = 200): Promise<void> {
  for (let number = 1; number <= count; number += 1) {
    expect(await script.ended(script.write(at, `k${number % 10}`, bytes))).toMatchObject({
      durability: "quorum",
    });
  }
}

describe("whole nodes of raft, one schedule each", () => {
  it.each(["leader", "follower"] as const)(
    "RA-2 a %s whose disk fails says no more: no vote, no acknowledgement, no leadership (FC-015)",
    async (role) => {
      const script = new Script();
      const { leader, followers } = await script.start();
      await write(script, leader, 3);
      const broken = role === "leader" ? leader : (followers[0] as Machine);
      broken.disk.failNextSync("EIO");
      const answer = script.write(leader, "k");
      await script.until("it gives up", () => script.failures.has(broken.id));
      const { atMs } = script.failures.get(broken.id) as { readonly atMs: number };
      const expected = role === "leader" ? { code: "COMMIT_UNKNOWN" } : { durability: "quorum" };
      expect(await script.ended(answer)).toMatchObject(expected);
      await script.elections(5);
      expect(saidAfter(script, broken, 0)).not.toEqual([]);
      expect(saidAfter(script, broken, atMs)).toEqual([]);
      const now = script.serving() as Machine;
      expect(now.id).not.toBe(broken.id);
      await write(script, now, 1);
      // With another one gone only its vote could make a leader.
      now.end("power");
      await script.elections(10);
      expect(script.serving()).toBeUndefined();
      expect(saidAfter(script, broken, atMs)).toEqual([]);
    },
  );

  it("RA-21 the log is not kept for a member that is away: it is cut, and the member gets a copy (FC-048)", async () => {
    const script = new Script({ segmentBytesMax: 2_048 });
    const { leader, followers } = await script.start();
    const away = followers[0] as Machine;
    await write(script, leader, 1);
    away.end("kill");
    const { last } = stateOf(leader)?.log ?? { last: 0 };
    let mostBytes = 0;
    for (let round = 0; round < 80; round += 1) {
      await write(script, leader, 20);
      mostBytes = Math.max(mostBytes, logBytes(leader));
    }
    const writtenBytes = 80 * 20 * 200;
    expect(mostBytes).toBeLessThan(writtenBytes / 4);
    expect(stateOf(leader)?.log.base.index).toBeGreaterThan(last);
    const { peers } = await (leader.process ?? expect.fail("it runs")).client.health();
    const shown = peers.find(({ id }) => id === away.id);
    expect(shown).toMatchObject({ healthy: false });
    expect(shown?.lag).toBeGreaterThanOrEqual(1_600);
    away.boot();
    await script.until("it has caught up", () => script.isEven() && stateOf(away) !== undefined);
    expect(script.lines.map(({ event }) => event)).toContain("snapshot_needed");
    const { storage } = away.process ?? {};
    expect(storage?.memory.recomputeDigest()).toEqual(
      leader.process?.storage?.memory.recomputeDigest(),
    );
  });

  it("RA-21 a copy names the membership that was committed at its place, not a newer one (FC-058)", async () => {
    const script = new Script({ segmentBytesMax: 2_048 });
    const { leader, followers } = await script.start();
    const [away, hung] = followers as [Machine, Machine];
    await write(script, leader, 1);
    away.end("kill");
    await write(script, leader, 40);
    await script.until("the log is cut", () => (stateOf(leader)?.log.base.index ?? 0) > 20);
    hung.hold("hung_disk");
    const order = leader.process?.client.order("add member", {
      node_id: "n4",
      address: addressOf("n4" as never),
      learner: true,
    });
    await script.until("it is in the log", () => stateOf(leader)?.configs.length === 2);
    away.boot();
    const received = () => script.heard.map(({ input }) => input).find(isReceived);
    await script.until("a copy arrives", () => received() !== undefined);
    const { configs, hard } = stateOf(leader) ?? expect.fail("it leads");
    expect(configs.at(-1)?.index).toBeGreaterThan(hard.commit);
    const { position, config } = received() ?? expect.fail("it arrived");
    expect(config.index).toBeLessThanOrEqual(position.index);
    expect(config.membership.learners).toEqual([]);
    hung.release("hung_disk");
    await script.ended(Promise.resolve(order));
    await script.until("all have it", () => script.isEven());
    for (const machine of script.nodes) {
      const { membership } = stateOf(machine)?.configs.at(-1) ?? {};
      expect(membership?.learners.map(({ id }) => id)).toEqual(["n4"]);
    }
  });

  it("RB-3 a follower that still believes in a lost leader finds the next one (FC-151)", async () => {
    const script = new Script();
    const { leader, followers } = await script.start();
    const [one, two] = followers as [Machine, Machine];
    script.cutOff(leader);
    const found = script.write(one, "a");
    const alone = script.write(leader, "b");
    expect(stateOf(one)?.leader).toBe(leader.id);
    expect(await script.ended(found)).toMatchObject({ durability: "quorum" });
    expect(await script.ended(alone)).toMatchObject({ code: "COMMIT_UNKNOWN" });
    expect([one.id, two.id]).toContain(script.serving()?.id);
    expect(stateOf(leader)?.leader).toBeNull();
  });

  it("RB-3 a write that reached the wrong node goes no further (FC-151)", async () => {
    const script = new Script();
    const { leader, followers } = await script.start();
    const [one, two] = followers as [Machine, Machine];
    const { type, data } = encodeOperations([{ op: "put_node", id: "a" }]);
    const packer = new PayloadPacker();
    packer.add(type, data, "2026-01-01T00:00:00Z", "r" as RequestId);
    const { last } = stateOf(leader)?.log ?? { last: 0 };
    const to = { id: two.id, address: two.address };
    const link = one.process?.transport?.connect(to) ?? expect.fail("it runs");
    const message = forwardMessage([{ payload: packer.take().bytes }]);
    const call = link.call(message, { timeoutMs: 1_000, priority: "normal" });
    const [answer] = answersOf(await script.ended(call));
    expect(answer).toMatchObject({ refused: { code: "NOT_LEADER" } });
    await script.elections(2);
    expect(stateOf(leader)?.log.last).toBe(last);
  });
});
