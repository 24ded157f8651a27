import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Entries } from "../../../test/contract/entries.js";
import { VirtualTime } from "../../../test/support/index.js";
import { checkSqliteVersion, openConnection, sqliteVersion } from "./connection.js";
import { openSqliteStorage } from "./open-sqlite-storage.js";
import { toStateMachineError } from "./sqlite-error.js";
import type { SqliteStorageOptions } from "./sqlite-storage.js";

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sqlite-"));
  path = join(folder, "graph.db");
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (more: Partial<SqliteStorageOptions> = {}) =>
  openSqliteStorage({ path, threads: "single", timers: new VirtualTime(), ...more });

const put = (log: Entries, id: string, properties = {}) =>
  log.command([{ op: "put_node", id, properties }]);

test("ST-18, ST-21 what was not committed is gone after a crash, position and data alike (FC-038, FC-039)", async () => {
  const storage = await open();
  const log = new Entries();
  await storage.applyBatch([put(log, "a")]);
  const durable = await storage.flush();
  await storage.applyBatch([put(log, "b"), put(log, "c")]);
  expect((await storage.getWALPosition()).index).toBe(3);
  expect(await storage.durablePosition()).toEqual(durable);
  // A second process that looks at the same files sees what a crash would leave.
  const files = openConnection(path, "read");
  const ids = files.prepare("SELECT id FROM nodes ORDER BY id").pluck().all();
  const state = files.prepare("SELECT value FROM meta WHERE key = 'state'").pluck().get() as string;
  files.close();
  expect(ids).toEqual(["a"]);
  expect(JSON.parse(state).position.index).toBe(1);
  await storage.close();
});

test("ST-18 an open transaction is committed after a bounded time", async () => {
  const timers = new VirtualTime();
  const storage = await open({ timers });
  await storage.applyBatch([put(new Entries(), "a")]);
  const files = openConnection(path, "read");
  const count = () => files.prepare("SELECT count(*) FROM nodes").pluck().get();
  expect(count()).toBe(0);
  expect(timers.step()).toBe(true);
  expect(timers.monotonicMs()).toBe(100);
  expect(count()).toBe(1);
  files.close();
  await storage.close();
});

test("ST-26 a full disk undoes to the last commit, keeps reads alive, and applying goes on", async () => {
  const storage = await open({ sizeBytesMax: 400 * 1024 });
  const log = new Entries();
  await storage.applyBatch([put(log, "a")]);
  const before = await storage.flush();
  await storage.applyBatch([put(log, "uncommitted")]);
  const large = put(log, "large", { x: "x".repeat(1024 * 1024) });
  expect(() => storage.applyBatch([large])).toThrow(
    expect.objectContaining({ code: "STORAGE_FULL" }),
  );
  expect(await storage.getWALPosition()).toEqual(before);
  expect((await storage.getNode("a", before))?.id).toBe("a");
  expect(await storage.recomputeDigest()).toEqual(await storage.digest());
  const again = new Entries(before.index);
  const [result] = await storage.applyBatch([put(again, "small")]);
  expect(result?.ok).toBe(true);
  expect((await storage.flush()).index).toBe(2);
  await storage.close();
});

describe("ST-27 a file that must not be used is refused", () => {
  test("ST-27 pragmas hold on a new and on a reopened file", async () => {
    await (await open()).close();
    for (const mode of ["write", "read"] as const) {
      const connection = openConnection(path, mode);
      expect(connection.pragma("synchronous", { simple: true })).toBe(1);
      expect(connection.pragma("wal_autocheckpoint", { simple: true })).toBe(0);
      expect(connection.pragma("journal_mode", { simple: true })).toBe("wal");
      connection.close();
    }
  });

  test.each(["3.51.2", "3.7.0", "2.99.99"])("ST-27 SQLite %s is refused (FC-049)", (version) => {
    expect(() => checkSqliteVersion(version)).toThrow(version);
  });

  test.each(["3.51.3", "3.52.0", "4.0.0"])("ST-27 SQLite %s is accepted", (version) => {
    expect(() => checkSqliteVersion(version)).not.toThrow();
  });

  test("ST-27 another cluster's file, naming both (FC-050)", async () => {
    await (await open({ clusterId: "one" })).close();
    await expect(open({ clusterId: "two" })).rejects.toThrow(/"one".*"two"/);
  });

  test("ST-27 another window of remembered requests", async () => {
    await (await open({ rememberedRequestsMax: 10 })).close();
    await expect(open({ rememberedRequestsMax: 20 })).rejects.toThrow(/10.*20/);
  });

  test("ST-27 a newer format", async () => {
    await (await open()).close();
    const file = new Database(path);
    file.prepare("UPDATE meta SET value = 99 WHERE key = 'format'").run();
    file.close();
    await expect(open()).rejects.toThrow("99");
  });

  test("ST-27 a file that is no database", async () => {
    writeFileSync(path, "x".repeat(8192));
    await expect(open()).rejects.toThrow();
  });
});

test("ST-28 what a crash left of copies is removed at open and never read (FC-053, FC-127)", async () => {
  await (await open()).close();
  const leftovers = ["graph.db.snapshot-3", "graph.db.restoring", "graph.db.restoring-journal"];
  for (const name of leftovers) writeFileSync(join(folder, name), "half");
  writeFileSync(join(folder, "other"), "kept");
  const storage = await open();
  expect(readdirSync(folder).filter((name) => leftovers.includes(name))).toEqual([]);
  expect(existsSync(join(folder, "other"))).toBe(true);
  await storage.close();
});

test("ST-16 a snapshot of another cluster is refused and the state stays", async () => {
  const storage = await open({ clusterId: "one" });
  await storage.applyBatch([put(new Entries(), "mine")]);
  const other = await openSqliteStorage({
    path: join(folder, "other.db"),
    threads: "single",
    clusterId: "two",
  });
  const snapshot = await other.snapshot();
  await expect(storage.restore(snapshot.chunks())).rejects.toMatchObject({
    code: "SNAPSHOT_INVALID",
  });
  await snapshot.close();
  await other.close();
  const position = await storage.getWALPosition();
  expect((await storage.getNode("mine", position))?.id).toBe("mine");
  await storage.close();
});

test("ST-29 a restore leaves no side file of the old state beside the new one (FC-056)", async () => {
  const storage = await open();
  const log = new Entries();
  await storage.applyBatch([put(log, "a")]);
  const snapshot = await storage.snapshot();
  await storage.applyBatch([put(log, "b")]);
  await storage.flush();
  const position = await storage.restore(snapshot.chunks());
  await snapshot.close();
  expect(position.index).toBe(1);
  expect(await storage.getNode("b", position)).toBeUndefined();
  await storage.close();
  expect(readdirSync(folder)).toEqual(["graph.db"]);
});

describe("ST-34 one opener a file", () => {
  test("ST-34 the second is refused with the pid, and touches nothing (FC-041)", async () => {
    const storage = await open();
    await storage.applyBatch([put(new Entries(), "a")]);
    const copy = await storage.snapshot();
    const before = readdirSync(folder);
    await expect(open()).rejects.toMatchObject({
      code: "STORAGE_FAILED",
      message: expect.stringContaining(`pid ${process.pid}`),
    });
    expect(readdirSync(folder)).toEqual(before);
    await copy.close();
    await storage.close();
    await (await open()).close();
    expect(readdirSync(folder)).toEqual(["graph.db"]);
  });

  test("ST-34 an opening that fails lets go", async () => {
    await (await open({ clusterId: "one" })).close();
    await expect(open({ clusterId: "two" })).rejects.toThrow(/"one".*"two"/);
    await (await open({ clusterId: "one" })).close();
  });
});

test("ST-21 a commit is made durable by itself, within a second or so", async () => {
  const timers = new VirtualTime();
  const storage = await open({ timers });
  await storage.applyBatch([put(new Entries(), "a")]);
  while (timers.monotonicMs() < 1_100 && timers.step());
  const durable = async () => (await storage.durablePosition()).index;
  expect(await durable()).toBe(0);
  // The sync runs in the pool; each of these takes a turn there too.
  for (let turn = 0; turn < 10_000 && (await durable()) === 0; turn += 1) await stat(folder);
  expect(await durable()).toBe(1);
  await storage.close();
});

test("ST-26 what SQLite throws is told in the port's words, and anything else is left as it is", () => {
  const thrown = (code: string) => Object.assign(new Error("no"), { code });
  expect(toStateMachineError(thrown("SQLITE_FULL"), path)).toMatchObject({ code: "STORAGE_FULL" });
  expect(toStateMachineError(thrown("SQLITE_CORRUPT"), path)).toMatchObject({
    code: "STORAGE_FAILED",
    message: expect.stringContaining("SQLITE_CORRUPT"),
  });
  expect(toStateMachineError(thrown("SQLITE_IOERR_WRITE"), path)).toMatchObject({
    code: "STORAGE_FAILED",
  });
  expect(toStateMachineError(thrown("SQLITE_IOERR_WRITE"), "/nowhere/at/all")).toMatchObject({
    code: "STORAGE_FAILED",
  });
  const other = new Error("other");
  expect(toStateMachineError(other, path)).toBe(other);
});

test("ST-27 the version that is linked in can be used", () => {
  expect(() => checkSqliteVersion(sqliteVersion())).not.toThrow();
});
