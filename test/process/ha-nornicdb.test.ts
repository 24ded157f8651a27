import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ask } from "./support/ask.js";
import { HaPair } from "./support/ha-pair.js";
import { NornicdbPeer } from "./support/nornicdb-peer.js";
import { until } from "./support/raft-cluster.js";

let folder: string;
let pair: HaPair;
let peer: NornicdbPeer;

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "ha-nornicdb-"));
  // It promises nothing that a pair without arbiter could be consistent by.
  const environment = {
    NORNICDB_CLUSTER_HA_SYNC_MODE: "async",
    NORNICDB_CLUSTER_HA_PARTITION_POLICY: "availability",
  };
  pair = await HaPair.make(folder, { environment });
  peer = new NornicdbPeer("theirs");
});
afterEach(async () => {
  await peer.close();
  await pair.close();
  rmSync(folder, { recursive: true });
});

/** A command as that peer would log it. */
function entry(position: number, id: string) {
  const node = JSON.stringify({ id, labels: ["N"], properties: { at: position } });
  return {
    Position: position,
    Timestamp: 0,
    Command: {
      Type: 1,
      Data: Buffer.from(node).toString("base64"),
      Timestamp: "2026-01-02T03:04:05Z",
      RequestID: `req-${position}`,
    },
  };
}

const has = async (id: string) => pair.has("b", id);

describe("a NornicDB node that speaks only codes 5 to 12, without correlation ids", () => {
  it("HB-40 as standby of our primary gets every write, in order, and nothing it cannot read", async () => {
    await peer.listen(pair.port("b"));
    await pair.start("a", "primary");
    await until("the primary has heard it", async () => peer.seen.includes(7));
    const ids = Array.from({ length: 40 }, (_, n) => `x${n}`);
    for (const id of ids) {
      const url = `${pair.node("a").url}/nodes/${id}`;
      const answer = await ask(url, "PUT", {}, { "idempotency-key": `key-${id}` });
      expect(answer.status, answer.text).toBe(201);
    }
    await until("it has all", async () => peer.entries.at(-1)?.requestId === "key-x39");
    const commands = peer.entries.filter(({ requestId }) => requestId !== null);
    expect(commands.map(({ requestId }) => requestId)).toEqual(ids.map((id) => `key-${id}`));
    const positions = peer.entries.map(({ position }) => position);
    expect(positions).toEqual(positions.map((_, at) => at + (positions[0] as number)));
    expect(peer.complaints).toEqual([]);
    await until("its word is counted", async () => {
      return (await pair.health("a")).peers[0].lag === 0;
    });
  });

  it("HB-40 as primary of our standby is answered each time, with the true position (FC-089, FC-094)", async () => {
    await pair.start("b", "standby");
    await peer.dial(pair.port("b"));
    expect(await peer.heartbeat(0)).toMatchObject({ Role: "standby", WALPosition: 0, Lag: 0 });
    const batch = [entry(1, "n1"), entry(2, "n2"), entry(3, "n3")];
    expect(await peer.ask(5, batch)).toMatchObject({ ReceivedPosition: 3 });
    await until("they are durable", async () => (await peer.heartbeat(3)).WALPosition === 3);
    expect(await peer.ask(5, batch)).toMatchObject({ AckedPosition: 3, ReceivedPosition: 3 });
    expect(await peer.ask(5, null)).toMatchObject({ AckedPosition: 3 });
    expect(await peer.ask(5, [entry(9, "gap")])).toMatchObject({ ReceivedPosition: 3 });
    expect(await peer.ask(5, [entry(4, "n4"), { ...entry(5, ""), Command: null }])).toMatchObject({
      ReceivedPosition: 5,
    });
    expect(await peer.heartbeat(9)).toMatchObject({ Role: "standby", WALPosition: 5, Lag: 4 });
    for (const id of ["n1", "n2", "n3", "n4"]) await until(`${id} is there`, () => has(id));
    expect(await has("gap")).toBe(false);
    expect(await peer.ask(11, { Reason: "manual_failover" })).toEqual({ Ready: false });
    const fence = { Reason: "standby_promotion", RequestID: "fence-1767193757123456789" };
    expect(await peer.ask(9, fence)).toEqual({ Fenced: true });
    expect(await pair.health("b")).toMatchObject({ role: "standby", in_sync: false });
  });

  it("HB-40 its fence does not stop our primary: it could be a repetition (FC-089)", async () => {
    await peer.listen(pair.port("b"));
    await pair.start("a", "primary");
    await pair.leads("a");
    await peer.dial(pair.port("a"));
    expect(await peer.ask(9, { Reason: "standby_promotion", RequestID: "f" })).toEqual({
      Fenced: false,
    });
    expect(await peer.heartbeat(50)).toMatchObject({ Role: "primary" });
    expect(await peer.ask(11, { Reason: "" })).toEqual({ Ready: true });
    expect((await pair.write("a", "still")).status).toBe(201);
  });
});
