import { describe, expect, it } from "vitest";
import { ReplicationError, type ReplicatorEvent } from "../../../pkg/replication/index.js";
import type { Machine } from "./machine.js";
import { Script, stateOf } from "./script.js";

/** A read under way; what became of it. */
function read(at: Machine, level: "LEADER" | "QUORUM" | "ALL", key?: string) {
  const asked = at.process?.client.read(level, { key, timeoutMs: 8_000 });
  const open = { done: false, answer: Promise.resolve<unknown>(undefined) };
  open.answer = (asked as Promise<unknown>).then(
    (position) => {
      open.done = true;
      return position;
    },
    (error: unknown) => {
      open.done = true;
      return error;
    },
  );
  return open;
}

/** No majority's disk finishes a sync, while all answer heartbeats. */
function holdDisks(machines: readonly Machine[]): void {
  for (const machine of machines) machine.hold("held");
}

function releaseDisks(machines: readonly Machine[]): void {
  for (const machine of machines) machine.release("held");
}

describe("keys with a write under way", () => {
  it.each(["LEADER", "QUORUM"] as const)(
    "RB-6 a leader's read at %s of a key waits for the write of it that is under way, and sees it",
    async (level) => {
      const script = new Script();
      const { leader, followers } = await script.start();
      await script.ended(script.write(leader, "a"));
      holdDisks(followers);
      const write = script.write(leader, "a");
      await script.time.advance(20);
      const ofA = read(leader, level, "n:a");
      const ofB = read(leader, level, "n:b");
      const ofMany = read(leader, level);
      await script.time.advance(60);
      expect([ofA.done, ofB.done, ofMany.done]).toEqual([false, true, true]);
      releaseDisks(followers);
      const { index } = (await script.ended(write)) as { index: number };
      const seen = (await script.ended(ofA.answer)) as { index: number };
      expect(seen.index).toBeGreaterThanOrEqual(index);
    },
  );

  it("RB-7 in a write outage a second write of a key is refused at once, another key's is not", async () => {
    const script = new Script();
    const { leader } = await script.start();
    script.cutOff(leader);
    const first = script.write(leader, "a");
    await script.time.advance(150);
    expect(stateOf(leader)?.role).toBe("leader");
    const second = await script.ended(script.write(leader, "a"));
    expect(second).toMatchObject({ code: "KEY_BLOCKED", outcome: "not_applied" });
    const other = script.write(leader, "b");
    const ofA = read(leader, "LEADER", "n:a");
    await script.elections(1);
    expect(ofA.done).toBe(false);
    script.heal();
    for (const write of [first, other]) {
      expect(await script.ended(write)).not.toBeInstanceOf(ReplicationError);
    }
    // The blocked entry was never with the majority; the read goes on at the next leader.
    expect(await script.ended(ofA.answer)).not.toBeInstanceOf(ReplicationError);
  });

  it("RB-6 a new leader answers no read of a key before it knows what became of the write", async () => {
    const script = new Script();
    const { leader, followers } = await script.start();
    holdDisks(followers);
    void script.write(leader, "a");
    await script.time.advance(20);
    const logged = stateOf(leader)?.log.last as number;
    releaseDisks(followers);
    await script.time.advance(3);
    leader.end("kill");
    const elected = () => followers.find((one) => stateOf(one)?.role === "leader");
    await script.until("somebody leads", () => elected() !== undefined);
    const next = elected() as Machine;
    const { log, hard } = stateOf(next) ?? expect.unreachable();
    expect(log.last).toBeGreaterThan(logged);
    expect(hard.commit).toBeLessThan(logged);
    const seen = (await script.ended(read(next, "LEADER", "n:a").answer)) as { index: number };
    expect(seen.index).toBeGreaterThanOrEqual(logged);
  });
});

describe("reads at level ALL", () => {
  it("RB-8 every voter has what was acknowledged before, wherever it was asked", async () => {
    const script = new Script();
    const { leader, followers } = await script.start();
    const { index } = (await script.ended(script.write(leader, "a"))) as { index: number };
    for (const node of [leader, ...followers]) {
      const seen = (await script.ended(read(node, "ALL").answer)) as { index: number };
      expect(seen.index).toBeGreaterThanOrEqual(index);
      for (const one of script.nodes) {
        expect(stateOf(one)?.applied).toBeGreaterThanOrEqual(index);
      }
    }
  });

  it("RB-8 a voter that does not answer is named", async () => {
    const script = new Script();
    const { leader, followers } = await script.start();
    const gone = followers[1] as Machine;
    gone.end("kill");
    const error = (await script.ended(read(leader, "ALL").answer)) as ReplicationError;
    expect(error).toMatchObject({ code: "LAGGING" });
    expect(error.message).toContain(gone.id);
    expect(error.message).not.toContain(`${(followers[0] as Machine).id} (`);
  });
});

describe("how far a member is behind, and who is one", () => {
  it("RB-10 a follower that is cut off says for how long it has heard nothing, the leader for how long it lacks", async () => {
    const script = new Script();
    const { leader, followers } = await script.start();
    const away = followers[0] as Machine;
    const lagOf = async (machine: Machine) => {
      const health = await script.ended(
        machine.process?.client.health() as ReturnType<
          NonNullable<Machine["process"]>["client"]["health"]
        >,
      );
      return { own: health.lagMs, peer: health.peers.find(({ id }) => id === away.id)?.lagMs };
    };
    await script.ended(script.write(leader, "a"));
    await script.elections(2);
    expect(await lagOf(away)).toMatchObject({ own: 0 });
    expect(await lagOf(leader)).toMatchObject({ own: 0, peer: 0 });
    script.cutOff(away);
    await script.ended(script.write(leader, "b"));
    await script.elections(4);
    const elapsed = 4 * script.electionMs;
    for (const lag of [(await lagOf(away)).own, (await lagOf(leader)).peer]) {
      expect(lag).toBeGreaterThan(elapsed * 0.8);
      expect(lag).toBeLessThan(elapsed * 1.3);
    }
  });

  it("RB-11 a change of members is an event of every node that sees it", async () => {
    const script = new Script();
    const { leader, followers } = await script.start();
    const [stays, goes] = followers as [Machine, Machine];
    const seen = [leader, stays].map((machine) => {
      const events: ReplicatorEvent[] = [];
      machine.process?.client.onEvent((event) => {
        if (event.kind === "members") events.push(event);
      });
      return events;
    });
    const order = leader.process?.client.order("remove member", { node_id: goes.id });
    await script.ended(order as Promise<unknown>);
    await script.elections(2);
    const all = script.nodes.map(({ id }) => id);
    const left = all.filter((id) => id !== goes.id);
    for (const events of seen) {
      expect(events).toMatchObject([
        { voters: left, outgoing: all },
        { voters: left, outgoing: [], learners: [] },
      ]);
    }
  });

  it("RB-12 whoever embeds a node learns that it serves as the leader, and that others do not", async () => {
    const script = new Script();
    const { leader, followers } = await script.start();
    await script.elections(1);
    const saysSo = (machine: Machine) => machine.process?.client.isLeader();
    expect([leader, ...followers].map(saysSo)).toEqual([true, false, false]);
    for (const { process } of followers) expect(process?.client.leaderId()).toBe(leader.id);
  });
});
