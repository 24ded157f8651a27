import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { deferred, parseRegionId, type RegionId, toLogIndex } from "../../pkg/base/index.js";
import { systemTimers } from "../../pkg/runtime/node/index.js";
import type { Storage } from "../../pkg/storage/index.js";
import { Entries } from "../contract/entries.js";
import { storageContract } from "../contract/storage-contract.js";

type StorageRoom = typeof import("../../pkg/storage/index.js");

let room: StorageRoom;
let folder: string;
let made = 0;

beforeAll(async () => {
  // Workers are started from JavaScript files: these tests need a build.
  room = await import(new URL("../../dist/pkg/storage/index.js", import.meta.url).href);
  folder = mkdtempSync(join(tmpdir(), "storage-worker-"));
});

afterAll(() => rmSync(folder, { recursive: true }));

function newPath(): string {
  made += 1;
  return join(folder, String(made), "graph.db");
}

const open = () => openWith(room.openSqliteStorage);
const openRegion = () => openWith(room.openRegionStorage);

interface Settings {
  readonly path: string;
  readonly threads: "worker";
  readonly timers: typeof systemTimers;
}

async function openWith<S extends Storage>(openStorage: (settings: Settings) => Promise<S>) {
  const path = newPath();
  const openOne = () => openStorage({ path, threads: "worker", timers: systemTimers });
  let machine = await openOne();
  return {
    machine,
    reopen: async () => {
      await machine.close();
      machine = await openOne();
      return machine;
    },
    destroy: async () => machine.close(),
  };
}

describe.each([
  ["sqlite", () => open()],
  ["a region's", () => openRegion()],
])("storage contract: %s in threads", (_name, openIt) => {
  test.each(storageContract(openIt).map((one) => [one.title, one] as const))("%s", (_title, one) =>
    one.run(),
  );
});

test("MR-21 MR-25 a region in threads tells, lists, survives and is copied as one without", async () => {
  const [eu, us] = (["eu", "us"] as const).map((name) => parseRegionId(name) as RegionId) as [
    RegionId,
    RegionId,
  ];
  const settings = { self: eu, others: [us], strategy: "manual", driftMsMax: 1_000 } as const;
  const single = await room.openRegionStorage({ path: newPath(), timers: systemTimers });
  const threads = await openRegion();
  const copy = await openRegion();
  const log = new Entries();
  const theirs = JSON.stringify({
    origin: us,
    seq: 1,
    clock: [1, 0],
    seen: [],
    things: [{ key: "n:a", life: true, fresh: true, put: [["x", "us"]] }],
    closed: [],
  });
  const contains = new Map([[us, 1]]);
  const receive = { op: "receive", from: us, upTo: 1, contains, texts: [theirs] } as const;
  const entries = [
    log.plain(room.encodeRegionOperation({ op: "settle", settings })),
    log.command([{ op: "put_node", id: "a", properties: { x: "eu" } }]),
    log.plain(room.encodeRegionOperation(receive)),
    log.command([{ op: "put_node", id: "b" }]),
  ];
  const shown = async (storage: typeof single | typeof threads.machine) => {
    const { conflicts } = await storage.conflicts("", 10);
    const id = conflicts[0]?.id as string;
    return {
      facts: await storage.regions.facts(),
      changes: await storage.regions.changes(eu, 0, { countMax: 10, charsMax: 10_000 }),
      conflicts,
      conflict: await storage.conflict(id),
      ended: await storage.endedConflicts("", 10),
      node: await storage.getNode("a", await storage.getWALPosition()),
      digest: await storage.digest(),
      recomputed: await storage.recomputeDigest(),
    };
  };
  await single.applyBatch(entries);
  await threads.machine.applyBatch(entries);
  const expected = await shown(single);
  expect(expected).toMatchObject({ conflicts: [{ key: "n:a" }], changes: { firstSeq: 1 } });
  expect(expected.changes.texts).toHaveLength(2);
  expect(await shown(threads.machine)).toEqual(expected);
  const snapshot = await threads.machine.snapshot();
  await copy.machine.restore(snapshot.chunks());
  await snapshot.close();
  expect(await shown(copy.machine)).toEqual(expected);
  expect(await shown(await threads.reopen())).toEqual(expected);
  await single.close();
  await threads.destroy();
  await copy.destroy();
});

test("ST-30 another thread's state machine client sees and does the same as the storage", async () => {
  const { machine: storage, destroy } = await open();
  const source = storage as typeof storage & import("../../pkg/storage/index.js").WriterPortSource;
  const remote = room.connectStateMachine(source.writerPort());
  const log = new Entries();
  await remote.applyBatch([log.command([{ op: "put_node", id: "a" }]), log.other("marker")]);
  const position = await remote.getWALPosition();
  expect(position.index).toBe(2);
  expect((await storage.getNode("a", position))?.version).toBe(1);
  const snapshot = await remote.snapshot();
  expect(await storage.restore(snapshot.chunks())).toEqual(position);
  await snapshot.close();
  await remote.close();
  expect((await storage.digest()).position).toEqual(position);
  await destroy();
});

test("ST-31 a file that cannot be used fails the start with its reason", async () => {
  const path = newPath();
  const first = await room.openSqliteStorage({ path, threads: "worker", clusterId: "one" });
  await first.close();
  await expect(
    room.openSqliteStorage({ path, threads: "worker", clusterId: "two" }),
  ).rejects.toMatchObject({ code: "STORAGE_FAILED", message: expect.stringContaining('"one"') });
});

test("ST-32 a long scan holds up neither writing nor point reads", async () => {
  const { machine: storage, destroy } = await open();
  const log = new Entries();
  for (let batch = 0; batch < 40; batch += 1) {
    const nodes = Array.from({ length: 1_000 }, (_, i) => ({
      op: "put_node" as const,
      id: `n${batch}-${i}`,
      properties: { i },
    }));
    await storage.applyBatch([log.command(nodes)]);
  }
  const position = await storage.getWALPosition();
  const order: string[] = [];
  const scan = storage
    .findNodes({ where: [{ property: "i", value: -1 }], limit: 1 }, position)
    .then(() => order.push("scan"));
  await storage.applyBatch([log.command([{ op: "put_node", id: "late" }])]);
  order.push("write");
  await storage.getNode("n0-0", position);
  order.push("read");
  await scan;
  expect(order).toEqual(["write", "read", "scan"]);
  expect((await storage.changes(toLogIndex(40), 10)).length).toBe(1);
  await destroy();
});

test("ST-33 when a thread dies every call fails and the owner is told (FC-191)", async () => {
  const failed = deferred<Error>();
  const storage = await room.openSqliteStorage({
    path: newPath(),
    threads: "worker",
    onFailure: failed.resolve,
  });
  const source = storage as typeof storage & import("../../pkg/storage/index.js").WriterPortSource;
  const remote = room.connectStateMachine(source.writerPort());
  await remote.getWALPosition();
  // Our own threads never send this; it stands for a mistake that ends the thread.
  source.writerPort().postMessage(null);
  // Calls that were under way may still be answered; from some call on none is.
  let refused: unknown;
  for (let tries = 0; refused === undefined && tries < 10_000; tries += 1) {
    refused = await Promise.resolve(remote.flush()).then(
      () => undefined,
      (error: unknown) => error,
    );
  }
  expect(refused).toMatchObject({ code: "STORAGE_FAILED" });
  await expect(remote.flush()).rejects.toMatchObject({ code: "STORAGE_FAILED" });
  await expect(async () => storage.flush()).rejects.toMatchObject({ code: "STORAGE_FAILED" });
  expect((await failed.promise).message).toContain("writer");
  await storage.close();
});

const roomUrl = new URL("../../dist/pkg/storage/index.js", import.meta.url).href;

/** A process that has the file open until it is killed. */
async function openElsewhere(path: string): Promise<ChildProcess> {
  const program = `
    const { openSqliteStorage } = await import(${JSON.stringify(roomUrl)});
    await openSqliteStorage({ path: ${JSON.stringify(path)}, threads: "single" });
    process.stdout.write("open");
    setInterval(() => {}, 1_000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await Promise.race([
    once(child.stdout as NodeJS.ReadableStream, "data"),
    once(child, "exit").then(() => Promise.reject(new Error("the process ended early"))),
  ]);
  return child;
}

describe("ST-34 one opener a file, also among processes", () => {
  test.each(["single", "worker"] as const)(
    "ST-34 while another process has it open, %s is refused with its pid; once that was killed it opens (FC-041)",
    async (threads) => {
      const path = newPath();
      mkdirSync(dirname(path), { recursive: true });
      const child = await openElsewhere(path);
      const exited = once(child, "exit");
      try {
        const before = readdirSync(dirname(path));
        await expect(room.openSqliteStorage({ path, threads })).rejects.toMatchObject({
          code: "STORAGE_FAILED",
          message: expect.stringContaining(`pid ${child.pid}`),
        });
        expect(readdirSync(dirname(path))).toEqual(before);
      } finally {
        child.kill("SIGKILL");
        await exited;
      }
      await (await room.openSqliteStorage({ path, threads })).close();
      expect(readdirSync(dirname(path))).toEqual(["graph.db"]);
    },
  );

  test("ST-34 threads that fail to start let go of the file (FC-041)", async () => {
    const path = newPath();
    const openFor = (clusterId: string) =>
      room.openSqliteStorage({ path, threads: "worker", clusterId });
    await (await openFor("one")).close();
    await expect(openFor("two")).rejects.toMatchObject({ code: "STORAGE_FAILED" });
    const storage = await openFor("one");
    await expect(openFor("one")).rejects.toThrow(`pid ${process.pid}`);
    await storage.close();
  });
});
