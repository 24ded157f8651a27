import { rmSync, statfsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { memoryVolume } from "../process/support/volumes.js";
import { Clients } from "./support/clients.js";
import { finalCheck } from "./support/final-check.js";
import { FAST_PAIR, HaPair, type HaPairOptions } from "./support/ha-pair.js";
import { killAtAck, promoted, setAside } from "./support/primary-kills.js";
import type { RaftNode } from "./support/raft-cluster.js";

const ROUNDS = Number(process.env.CHAOS_ROUNDS ?? 10);
const CLIENTS = Number(process.env.CHAOS_CLIENTS ?? 32);
const PAUSE_MS = 100;
const LOAD_MS = 1_000;
/** Longer than a standby may be silent and still count as in sync. */
const AWAY_MS = 5_000;
const MIB = 1024 * 1024;

let pair: HaPair;
let clients: Clients;

async function open(options: Partial<HaPairOptions> = {}): Promise<void> {
  const environment = { ...FAST_PAIR, ...options.environment };
  pair = await HaPair.open({ arbiter: "witness", syncMode: "semi_sync", ...options, environment });
  clients = new Clients({
    clients: CLIENTS,
    seed: 1,
    nodes: () => pair.nodes,
    pauseMs: PAUSE_MS,
  });
}

/** Resolves when further writes were acknowledged. */
async function writesGoOn(count = 50, timeoutMs = 30_000): Promise<void> {
  const goal = clients.acks + count;
  const untilMs = performance.now() + timeoutMs;
  while (clients.acks < goal) {
    const missing = goal - clients.acks;
    if (performance.now() > untilMs) throw new Error(`${missing} of ${count} writes are missing`);
    await sleep(20);
  }
}

async function expectAllIsWell(): Promise<void> {
  const check = await finalCheck(pair, clients);
  console.log(check.text);
  expect(check.problems).toEqual([]);
}

async function put(node: RaftNode, id: string): Promise<number> {
  const answer = await node.pool.request({
    method: "PUT",
    path: `/nodes/${id}`,
    headers: { "content-type": "application/json", "idempotency-key": id },
    body: JSON.stringify({ labels: ["Kept"], properties: { id } }),
  });
  await answer.body.dump();
  return answer.statusCode;
}

/** Again and again under one request id: a busy machine may cost a primary its lease for a moment. */
async function store(node: RaftNode, id: string): Promise<void> {
  const untilMs = performance.now() + 30_000;
  while ((await put(node, id)) >= 300) {
    if (performance.now() > untilMs) throw new Error(`${node.id} does not take ${id}`);
    await sleep(PAUSE_MS);
  }
}

async function has(node: RaftNode, id: string): Promise<boolean> {
  const answer = await node.pool.request({ method: "GET", path: `/nodes/${id}?consistency=ONE` });
  await answer.body.dump();
  return answer.statusCode === 200;
}

beforeEach(() => {
  clients = undefined as unknown as Clients;
});

afterEach(async () => {
  await clients?.stop();
  await pair?.[Symbol.asyncDispose]();
});

describe("the writes that an asynchronous primary took along", () => {
  it("are set aside, listed and shown, and offered again they take effect once", async () => {
    await open({ syncMode: "async" });
    const [old, standby] = pair.nodes as [RaftNode, RaftNode];
    await standby.kill();
    const ids = Array.from({ length: 50 }, (_, at) => `tail-${at}`);
    for (const id of ids) await store(old, id);
    await old.kill();
    await standby.start();
    await promoted(standby, { force: true, others_stopped: true });
    await store(standby, "after");
    await old.start();
    await pair.streams(old);

    expect(await setAside(old)).toEqual(new Set(ids));
    for (const node of pair.nodes) expect(await has(node, "tail-0")).toBe(false);
    const { files } = (await old.get("/admin/salvage")) as { files: readonly { id: string }[] };
    expect(files).toHaveLength(1);
    const place = `/admin/salvage/${encodeURIComponent(files[0]?.id ?? "")}/replay`;
    const first = await old.post(place, {});
    expect(first.body).toMatchObject({ applied: ids.length, known: 0, refused_count: 0 });
    const second = await old.post(place, {});
    expect(second.body).toMatchObject({ applied: 0, known: ids.length, refused_count: 0 });
    await pair.converged();
    for (const node of pair.nodes) {
      const found = await Promise.all([...ids, "after"].map((id) => has(node, id)));
      expect(found.every(Boolean)).toBe(true);
    }
    await expectAllIsWell();
  });
});

describe("a standby in trouble while clients write", () => {
  it("that is frozen is counted out and back in", async () => {
    await open();
    clients.start();
    await sleep(LOAD_MS);
    const [primary, standby] = pair.nodes as [RaftNode, RaftNode];
    standby.pause();
    await sleep(AWAY_MS);
    await writesGoOn();
    standby.resume();
    console.log(`frozen for ${AWAY_MS} ms, in sync after ${await pair.streams(standby)} ms`);
    await writesGoOn();
    expect(await pair.leader()).toBe(primary);
    expect(primary.log()).toContain("standby_out_of_sync");
    await expectAllIsWell();
  });

  it.each(["SIGKILL", "SIGTERM"] as const)(
    `that ends by %s and comes back, ${ROUNDS} times, catches up`,
    async (signal) => {
      await open();
      clients.start();
      const [primary, standby] = pair.nodes as [RaftNode, RaftNode];
      for (let round = 0; round < ROUNDS; round += 1) {
        await writesGoOn(10);
        await standby.kill(signal);
        await sleep(LOAD_MS / 4);
        await standby.start();
        await pair.streams(standby);
      }
      expect(await pair.leader()).toBe(primary);
      await expectAllIsWell();
    },
  );

  it("that lost its disk copies everything", async () => {
    await open();
    clients.start();
    await sleep(LOAD_MS);
    const [primary, standby] = pair.nodes as [RaftNode, RaftNode];
    await standby.kill();
    standby.wipe();
    await writesGoOn();
    await standby.start();
    console.log(`wiped, in sync after ${await pair.streams(standby)} ms`);
    await writesGoOn();
    expect(await pair.leader()).toBe(primary);
    await expectAllIsWell();
  });

  it("whose disk is full catches up when there is room again (FC-047)", async () => {
    const volume = memoryVolume(192);
    try {
      await open({
        standbyDir: path.join(volume.directory, "data"),
        environment: { NORNICDB_DISK_RESERVE_BYTES: "0" },
      });
      clients.start();
      await sleep(LOAD_MS);
      const [primary, standby] = pair.nodes as [RaftNode, RaftNode];
      const ballast = path.join(volume.directory, "ballast");
      const room = statfsSync(volume.directory);
      writeFileSync(ballast, Buffer.alloc(room.bavail * room.bsize - MIB, 1));
      const before = clients.acks;
      await sleep(AWAY_MS);
      const meanwhile = clients.acks - before;
      rmSync(ballast);
      const tookMs = await pair.streams(standby);
      console.log(`disk full: ${meanwhile} writes meanwhile, in sync after ${tookMs} ms`);
      await writesGoOn();
      expect(standby.log()).toContain("wal_full");
      expect(await pair.leader()).toBe(primary);
      await expectAllIsWell();
    } finally {
      await clients?.stop();
      await pair[Symbol.asyncDispose]();
      volume.destroy();
    }
  });

  it("with a changed row in its file is found out and repaired", async () => {
    await open({ environment: { NORNICDB_CLUSTER_VERIFY_INTERVAL: "1s" } });
    const [primary, standby] = pair.nodes as [RaftNode, RaftNode];
    for (let at = 0; at < 20; at += 1) await store(primary, `row-${at}`);
    await pair.converged();
    await standby.kill("SIGTERM");
    const file = new Database(path.join(standby.dataDir, "graph.db"));
    const sql = `UPDATE nodes SET properties = '{"id":"wrong"}' WHERE id = 'row-7'`;
    expect(file.prepare(sql).run().changes).toBe(1);
    file.close();
    clients.start();
    await standby.start();
    await pair.streams(standby);
    const untilMs = performance.now() + 60_000;
    const stored = () => standby.get("/nodes/row-7?consistency=ONE");
    while (!JSON.stringify(await stored()).includes('{"id":"row-7"}')) {
      if (performance.now() > untilMs) throw new Error("the row is not repaired");
      await sleep(100);
    }
    await writesGoOn();
    await expectAllIsWell();
  });
});

describe("a primary that comes back", () => {
  it(`at once, ${ROUNDS} times, maybe with less than its standby: the pair goes on`, async () => {
    await open();
    clients.start();
    let again = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const primary = await pair.leader();
      const term = await pair.term();
      await writesGoOn(10);
      await killAtAck(clients, primary);
      const next = clients.ackAfterTerm(term);
      await primary.start();
      await next;
      const leader = await pair.leader();
      if (leader === primary) again += 1;
      await pair.streams(pair.other(leader));
    }
    console.log(`${again} of ${ROUNDS} times the primary was primary again`);
    await expectAllIsWell();
  });

  it("as a fenced one takes no writes, though its configured role is primary", async () => {
    await open();
    const [old, standby] = pair.nodes as [RaftNode, RaftNode];
    await old.kill();
    await pair.leader([standby]);
    await store(standby, "newer");
    await standby.kill();
    // It has not heard of the new epoch: only the arbiter has.
    await refusesAlone(old);
    await standby.start();
    const leader = await pair.leader();
    expect(leader).toBe(standby);
    await pair.streams(old);
    await standby.kill();
    await old.kill();
    // Now it has the new epoch on its disk.
    await refusesAlone(old);
    await standby.start();
    expect(await pair.leader()).toBe(standby);
    await pair.streams(old);
    expect(await has(old, "newer")).toBe(true);
    await expectAllIsWell();
  });
});

async function refusesAlone(node: RaftNode): Promise<void> {
  await node.start({ NORNICDB_CLUSTER_HA_ROLE: "primary" });
  for (let tries = 0; tries < 10; tries += 1) {
    expect(await put(node, "never")).toBe(503);
    expect((await node.health())?.is_leader).toBe(false);
    await sleep(AWAY_MS / 10);
  }
}

describe("an arbiter that is gone", () => {
  it.each(["witness", "etcd"] as const)(
    "%s: the healthy pair goes on, and finds it again",
    async (arbiter) => {
      await open({ arbiter });
      const term = await pair.term();
      clients.start();
      await writesGoOn();
      clients.longestGapMs = 0;
      await pair.arbiter?.kill();
      await sleep(AWAY_MS);
      await writesGoOn();
      expect(clients.longestGapMs).toBeLessThan(AWAY_MS);
      await pair.arbiter?.start();
      await sleep(LOAD_MS);
      await writesGoOn();
      expect(await pair.term()).toBe(term);
      console.log(`${arbiter} gone for ${AWAY_MS} ms: longest silence ${clients.longestGapMs} ms`);
      await expectAllIsWell();
    },
  );
});
