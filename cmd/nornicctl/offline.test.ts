import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { encodeSnapshot } from "../../pkg/replication/snapshot/index.js";
import { noMetrics, silentLogger } from "../../pkg/runtime/index.js";
import { nodeFileSystem, systemClock, systemRandom } from "../../pkg/runtime/node/index.js";
import { type Operation, openSqliteStorage } from "../../pkg/storage/index.js";
import { openSegmentedLog } from "../../pkg/storage/log/index.js";
import { settleIdentity } from "../../pkg/wiring/index.js";
import { Entries } from "../../test/contract/entries.js";
import { checkClock, checkNodeVersion, checkOpenFiles } from "./doctor-machine.js";
import { RestorePlace } from "./restore-place.js";
import { run } from "./testing.js";

const root = mkdtempSync(join(tmpdir(), "nornicctl-offline-"));
const fileSystem = nodeFileSystem();
afterAll(() => rmSync(root, { recursive: true }));

let made = 0;
function newFolder(): string {
  made += 1;
  return join(root, String(made));
}

const PORTS = { fileSystem, random: systemRandom };
const CLUSTER = "nornicdb";

/** A stopped node with these nodes in its graph, made the way a server makes it. */
async function makeNode(ids: readonly string[], clusterId = CLUSTER): Promise<string> {
  const dataDir = newFolder();
  const replicationDir = join(dataDir, "replication");
  await settleIdentity({ nodeId: null, clusterId }, replicationDir, PORTS);
  const entries = new Entries();
  const operations = ids.map((id): Operation => ({ op: "put_node", id }));
  const entry = entries.command(operations);
  const log = await openSegmentedLog({
    directory: join(replicationDir, "wal"),
    fileSystem,
    clock: systemClock,
    logger: silentLogger,
    metrics: noMetrics,
    clusterId,
  });
  log.append([entry]);
  await log.close();
  const storage = await openGraph(dataDir, clusterId);
  await storage.applyBatch([entry]);
  await storage.close();
  return dataDir;
}

const openGraph = (dataDir: string, clusterId = CLUSTER) =>
  openSqliteStorage({ path: join(dataDir, "graph.db"), threads: "single", clusterId });

async function factsOf(dataDir: string, clusterId = CLUSTER) {
  const storage = await openGraph(dataDir, clusterId);
  const digest = await storage.recomputeDigest();
  const counts = await storage.counts(digest.position);
  await storage.close();
  return { counts, digest };
}

const identityOf = (dataDir: string) =>
  JSON.parse(readFileSync(join(dataDir, "replication/node.json"), "utf8"));

async function container(dataDir: string, clusterId = CLUSTER): Promise<Buffer> {
  const storage = await openGraph(dataDir, clusterId);
  const reader = await storage.snapshot();
  const { position } = reader;
  const manifest = { clusterId, nodeId: "n1", position, createdAt: 1, storage: "sqlite" };
  const parts: Uint8Array[] = [];
  for await (const part of encodeSnapshot(manifest, reader.chunks())) parts.push(part);
  await reader.close();
  await storage.close();
  return Buffer.concat(parts);
}

async function snapshotOf(dataDir: string, clusterId = CLUSTER): Promise<string> {
  const file = `${newFolder()}.snap`;
  writeFileSync(file, await container(dataDir, clusterId));
  return file;
}

/** Every file below a folder with its bytes. */
function contents(folder: string): Record<string, string> {
  if (!existsSync(folder)) return {};
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  return Object.fromEntries(
    files
      .filter((file) => statSync(join(folder, file)).isFile())
      .map((file) => [file, readFileSync(join(folder, file)).toString("base64")]),
  );
}

describe("snapshot restore", () => {
  it("NC-8 an empty directory gets the same counts and digest, and an identity", async () => {
    const source = await makeNode(["a", "b", "c"]);
    const target = newFolder();
    const { exit, out } = await run([
      "snapshot",
      "restore",
      await snapshotOf(source),
      "--data-dir",
      target,
    ]);
    expect(exit).toBe(0);
    expect(out).toContain("next: start the node\n");
    expect(await factsOf(target)).toEqual(await factsOf(source));
    expect(identityOf(target).cluster_id).toBe(CLUSTER);
    expect(identityOf(target).node_id).not.toBe(identityOf(source).node_id);
    const wal = JSON.parse((await run(["wal", "info", "--json", "--data-dir", target])).out);
    expect(wal).toMatchObject({ base: { index: 1, term: 1 }, state: "clean" });
    expect(wal.hardState).toMatchObject({ commit: 1, term: 1 });
  });

  it("NC-8 data is refused without --force; with it, it goes aside and no key of it stays", async () => {
    const snapshot = await snapshotOf(await makeNode(["a"]));
    const target = await makeNode(["a", "extra", "more"]);
    const [before, { node_id }] = [contents(target), identityOf(target)];
    const refused = await run(["snapshot", "restore", snapshot, "--data-dir", target]);
    expect(refused.exit).toBe(1);
    expect(refused.err).toMatch(/^NOT_EMPTY: .+graph\.db.+\nnext: .+--force/);
    expect(contents(target)).toEqual(before);
    const args = ["snapshot", "restore", snapshot, "--force", "--json", "--data-dir", target];
    const { kept } = JSON.parse((await run(args)).out);
    expect((await factsOf(target)).counts).toEqual({ nodes: 1, edges: 0 });
    expect(identityOf(target).node_id).toBe(node_id);
    const [data, replication] = kept;
    const aside = { ...contents(data), ...contents(replication) };
    const names = Object.keys(before).map((name) => name.replace("replication/", ""));
    expect(Object.keys(aside).sort()).toEqual(names.sort());
    expect(aside["graph.db"]).toBe(before["graph.db"]);
  });

  it("NC-8 a log on a disk of its own is restored there, and another cluster's id is told", async () => {
    const source = await makeNode(["a"], "other");
    const [target, logs] = [newFolder(), newFolder()];
    const env = { NORNICDB_CLUSTER_DATA_DIR: logs, NORNICDB_DATA_DIR: target };
    const { exit, out } = await run(
      ["snapshot", "restore", await snapshotOf(source, "other")],
      env,
    );
    expect(exit).toBe(0);
    expect(out).toContain("NORNICDB_CLUSTER_RAFT_CLUSTER_ID=other");
    expect(readdirSync(target)).toEqual(["graph.db"]);
    expect(readdirSync(logs)).toEqual(["node.json", "wal"]);
    expect(await factsOf(target, "other")).toEqual(await factsOf(source, "other"));
  });

  it("NC-9 a cut off, flipped, lengthened or foreign snapshot changes nothing (FC-053, FC-126)", async () => {
    const good = await container(await makeNode(["a"]));
    const target = await makeNode(["x"]);
    const before = contents(target);
    const flipped = Buffer.from(good);
    flipped.writeUInt8(flipped.readUInt8(20_000) ^ 1, 20_000);
    const bad = [good.subarray(0, -1), flipped, Buffer.concat([good, good]), Buffer.from("{}")];
    for (const bytes of bad) {
      const file = `${newFolder()}.snap`;
      writeFileSync(file, bytes);
      for (const place of [target, newFolder()]) {
        const args = ["snapshot", "restore", file, "--force", "--data-dir", place];
        const { exit, err } = await run(args);
        expect([exit, err.split(":")[0]]).toEqual([1, "SNAPSHOT_INVALID"]);
      }
      expect((await run(["snapshot", "info", file])).exit).toBe(1);
      expect(contents(target)).toEqual(before);
    }
    expect(existsSync(newFolder())).toBe(false);
  });

  it("NC-6 a directory that a node has open is refused", async () => {
    const target = await makeNode(["x"]);
    const snapshot = await snapshotOf(target);
    const args = ["snapshot", "restore", snapshot, "--force", "--data-dir", target];
    for (const place of [target, join(target, "replication/wal")]) {
      const lock = fileSystem.lock(join(place, "LOCK"));
      const before = contents(target);
      const { exit, err } = await run(args);
      expect([exit, err.split(":")[0]]).toEqual([1, "ELOCKED"]);
      expect(contents(target)).toEqual(before);
      lock.release();
    }
    expect((await run(args)).exit).toBe(0);
  });

  it("NC-10 cut off at any step: the old node, the new one, or none that starts (FC-051)", async () => {
    const source = await makeNode(["a", "b"]);
    const ends = new Set<string>();
    for (let steps = 0; !ends.has("new"); steps += 1) {
      const target = await makeNode(["x"]);
      const folders = { dataDir: target, replicationDir: join(target, "replication") };
      const before = contents(target);
      const { node_id } = identityOf(target);
      const stage = new RestorePlace(folders, fileSystem).stage;
      for (const folder of [stage.dataDir, join(stage.replicationDir, "wal")]) {
        mkdirSync(folder, { recursive: true });
      }
      writeFileSync(join(stage.dataDir, "graph.db"), "new");
      writeFileSync(join(stage.replicationDir, "wal", "new.log"), "new");
      writeFileSync(join(stage.replicationDir, "node.json"), readIdentity(source));
      const done = await new RestorePlace(folders, failingAfter(steps)).exchange(node_id, "s").then(
        () => true,
        () => false,
      );
      const after = contents(target);
      const wanted = { nodeId: null, clusterId: CLUSTER };
      const starts = await settleIdentity(wanted, folders.replicationDir, PORTS).catch(() => null);
      if (starts === null) {
        ends.add("closed");
        expect(new RestorePlace(folders, fileSystem).nodeId()).toBe(node_id);
        const args = ["snapshot", "restore", await snapshotOf(source), "--data-dir", target];
        expect((await run([...args, "--force"])).exit).toBe(0);
        expect(await factsOf(target)).toEqual(await factsOf(source));
      } else if (starts.nodeId === node_id) {
        ends.add("old");
        expect(done).toBe(false);
        expect(after).toMatchObject(before);
      } else {
        if (done) ends.add("new");
        expect(after["graph.db"]).toBe(Buffer.from("new").toString("base64"));
        expect(Object.keys(after)).toContain("replication/wal/new.log");
      }
    }
    expect([...ends].sort()).toEqual(["closed", "new", "old"]);
  });
});

const readIdentity = (dataDir: string) => readFileSync(join(dataDir, "replication/node.json"));

/** A disk that takes so many changes and no more, as a process that is killed does. */
function failingAfter(steps: number) {
  let left = steps;
  const step = () => {
    if (left === 0) throw new Error("killed");
    left -= 1;
  };
  return {
    ...fileSystem,
    open: (...args: Parameters<typeof fileSystem.open>) => {
      if (args[1] !== "read") step();
      return fileSystem.open(...args);
    },
    rename: (from: string, to: string) => {
      step();
      fileSystem.rename(from, to);
    },
    syncDirectory: async (path: string) => {
      step();
      await fileSystem.syncDirectory(path);
    },
  };
}

describe("snapshot save", () => {
  it("NC-7 replaces its file by a whole copy only; NC-12 under the path as given (FC-127)", async () => {
    const good = await container(await makeNode(["a"]));
    let body = good;
    const server = createHttpServer((_request, reply) => {
      reply.writeHead(200).write(body);
      reply.end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const folder = newFolder();
    mkdirSync(join(folder, "inner"), { recursive: true });
    const file = `${join(folder, "inner")}/../kept.snap`;
    const save = () => run(["snapshot", "save", file, "--json", "--endpoint", endpoint]);
    const saved = await save();
    expect(saved.exit).toBe(0);
    expect(JSON.parse(saved.out)).toMatchObject({ file, fileBytes: good.length });
    body = good.subarray(0, -5);
    const cut = await save();
    expect(cut.exit).toBe(1);
    expect(JSON.parse(cut.err).error.code).toBe("SNAPSHOT_INVALID");
    expect(readdirSync(folder).sort()).toEqual(["inner", "kept.snap"]);
    expect(readFileSync(join(folder, "kept.snap")).equals(good)).toBe(true);
    await new Promise((resolve) => server.close(resolve));
    const gone = await save();
    expect(gone.exit).toBe(3);
    const lost = join(folder, "none", "x.snap");
    expect((await run(["snapshot", "save", lost, "--endpoint", endpoint])).exit).toBe(1);
  });
});

describe("a damaged log beside a good storage", () => {
  it("NC-7 saved offline and restored, the node has all its data and a log that fits (FC-017)", async () => {
    const target = await makeNode(["a", "b"]);
    const wal = join(target, "replication/wal");
    const [segment] = readdirSync(wal) as [string];
    writeFileSync(join(wal, segment), Buffer.alloc(4096, 7));
    const file = `${newFolder()}.snap`;
    const args = ["--data-dir", target];
    const saved = await run(["snapshot", "save", "--offline", file, ...args, "--json"]);
    const { node_id } = identityOf(target);
    expect(JSON.parse(saved.out)).toMatchObject({
      manifest: { nodeId: node_id, clusterId: CLUSTER, position: { index: 1 } },
    });
    expect((await run(["snapshot", "restore", "--force", file, ...args])).exit).toBe(0);
    expect((await factsOf(target)).counts.nodes).toBe(2);
    const { base, state } = JSON.parse((await run(["wal", "verify", "--json", ...args])).out);
    expect([base.index, state]).toEqual([1, "clean"]);
    const none = await run(["snapshot", "save", "--offline", file, "--data-dir", newFolder()]);
    expect(none.err).toMatch(/^NO_DATA: /);
  });
});

describe("wal", () => {
  it("NC-5 a damaged log is exit 2 with the place, and is good after the cut named", async () => {
    const target = await makeNode(["x"]);
    const verify = ["wal", "verify", "--json", "--data-dir", target];
    const good = JSON.parse((await run(verify)).out);
    expect(good).toMatchObject({ ok: true, state: "clean", last: { index: 1 } });
    const [{ segment }] = good.segments;
    const path = join(target, "replication/wal", segment);
    const bytes = readFileSync(path);
    const at = bytes.indexOf("Timestamp");
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    writeFileSync(path, bytes);
    const found = await run(verify);
    expect(found.exit).toBe(2);
    const { problems } = JSON.parse(found.out);
    const place = `${segment}:${problems[0].offset}`;
    const told = await run(["wal", "verify", "--data-dir", target]);
    expect(told.out).toContain(`nornicctl wal verify --cut ${place}`);
    const cut = await run(["wal", "verify", "--cut", place, "--data-dir", target]);
    expect(cut.exit).toBe(0);
    expect(cut.out).toContain(".cut\n");
    expect((await run(verify)).exit).toBe(0);
    for (const wrong of ["x", "../y:0", `${segment}:-1`]) {
      expect((await run(["wal", "verify", "--cut", wrong, "--data-dir", target])).exit).toBe(64);
    }
    const info = await run(["wal", "info", "--data-dir", target]);
    expect(info.out).toContain(segment);
  });

  it("NC-6 a log in use is refused; a folder without one is said to have none", async () => {
    const target = await makeNode(["x"]);
    const lock = fileSystem.lock(join(target, "replication/wal/LOCK"));
    for (const verb of ["info", "verify"]) {
      const { exit, err } = await run(["wal", verb, "--data-dir", target]);
      expect([exit, err.split(":")[0]]).toEqual([1, "LOG_LOCKED"]);
    }
    lock.release();
    const empty = newFolder();
    expect((await run(["wal", "verify", "--data-dir", empty])).err).toMatch(/^NO_LOG: /);
    expect(existsSync(empty)).toBe(false);
  });
});

describe("doctor", () => {
  type Finding = { name: string; status: string; detail: string; next?: string };
  const FREE = {
    NORNICDB_HTTP_ADDR: "127.0.0.1:0",
    NORNICDB_BOLT_ADDR: "127.0.0.1:0",
    NORNICDB_DISK_RESERVE_BYTES: "0",
  };
  async function examine(args: readonly string[], env: Record<string, string>) {
    const { exit, out } = await run(["doctor", "--json", ...args], env);
    const { findings } = JSON.parse(out) as { findings: Finding[] };
    return { exit, findings, of: (name: string) => findings.find((one) => one.name === name) };
  }

  it("NC-11 each finding that is not well says what to do; only a failure is exit 2", async () => {
    const target = await makeNode(["x"]);
    const well = await examine(["--data-dir", target], FREE);
    expect(well.of("sqlite")?.status).toBe("ok");
    expect(well.of("log")?.detail).toContain("up to index 1");
    expect(well.of("sync")?.detail).toMatch(/p50 [\d.]+ ms, p99 [\d.]+ ms of 50/);
    const failed = well.findings.filter(({ status }) => status === "fail");
    expect(well.exit).toBe(failed.length === 0 ? 0 : 2);
    expect(
      well.findings.every(({ status, next }) => (status === "ok") === (next === undefined)),
    ).toBe(true);
    const text = await run(["doctor", "--data-dir", target], FREE);
    expect(text.out.split("\n")[0]).toMatch(/^ok +configuration +mode standalone$/);
  });

  it("NC-11 wrong settings, a broken log and a taken port are found", async () => {
    const wrong = await examine([], { NORNICDB_LOG_LEVEL: "loud" });
    expect(wrong.exit).toBe(2);
    expect(wrong.of("configuration")?.detail).toContain("NORNICDB_LOG_LEVEL");
    const target = await makeNode(["x"]);
    const wal = join(target, "replication/wal");
    const [segment] = readdirSync(wal) as [string];
    writeFileSync(join(wal, segment), Buffer.alloc(4096, 7));
    const holder = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
    const taken = `127.0.0.1:${(holder.address() as AddressInfo).port}`;
    const env = { ...FREE, NORNICDB_BOLT_ADDR: taken };
    const ill = await examine(["--data-dir", target], env);
    expect(ill.exit).toBe(2);
    expect(ill.of("log")?.status).toBe("fail");
    expect(ill.of("bolt port")).toMatchObject({ status: "fail" });
    await new Promise((resolve) => holder.close(resolve));
    const after = await examine(["--data-dir", target], env);
    expect(after.of("bolt port")?.detail).toBe(`${taken} is free`);
  });

  it("NC-11 a taken port of a node of ours is well", async () => {
    const server = createHttpServer((_request, reply) => {
      reply.end(JSON.stringify({ status: "ok", replication: { node_id: "n1" } }));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const env = { ...FREE, NORNICDB_HTTP_ADDR: address };
    const { of } = await examine(["--data-dir", newFolder()], env);
    expect(of("http port")).toMatchObject({
      status: "ok",
      detail: `${address}: node n1 serves there`,
    });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it("NC-11 an old Node, few open files and a clock that went back are found", async () => {
    expect(checkNodeVersion("20.18.9").status).toBe("fail");
    expect(checkNodeVersion("20.19.0").status).toBe("ok");
    expect(checkNodeVersion("22.0.0").status).toBe("ok");
    expect(checkOpenFiles("Max open files            1024                 4096 files").status).toBe(
      "warn",
    );
    expect(checkOpenFiles("").status).toBe("ok");
    const dataDir = await makeNode(["x"]);
    const folders = { dataDir, replicationDir: join(dataDir, "replication") };
    const { mtimeMs } = statSync(join(dataDir, "graph.db"));
    expect(checkClock(folders, mtimeMs).status).toBe("ok");
    expect(checkClock(folders, mtimeMs - 60_000).status).toBe("warn");
    expect(checkClock(folders, 0).status).toBe("fail");
  });
});
