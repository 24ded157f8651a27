import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MessageChannel } from "node:worker_threads";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { Entries, type PlainCommand } from "../../../test/contract/index.js";
import { VirtualTime } from "../../../test/support/index.js";
import { type JsonValue, NO_POSITION, type RegionId } from "../../base/index.js";
import type { ApplyResult, RegionLog } from "../../replication/ports/index.js";
import { encodeOperations } from "../commands.js";
import type { Operation } from "../graph.js";
import { createMemoryStorage } from "../memory/memory-storage.js";
import { openSqliteStorage } from "../sqlite/open-sqlite-storage.js";
import { connectStateMachine, serveStateMachine } from "../threads/state-machine-port.js";
import type { Resolver } from "./decide.js";
import { REGION_LIMITS } from "./limits.js";
import { openRegionStorage } from "./open-region-storage.js";
import { encodeRegionOperation } from "./region-commands.js";
import {
  AP,
  closeAll,
  EU,
  exchange,
  link,
  MANY,
  Node,
  pair,
  put,
  settingsOf,
  US,
} from "./testing.js";

afterEach(closeAll);

const ids = fc.constantFrom("a", "b", "c");
const values = fc.constantFrom<JsonValue>(1, 2, "x", [1], { k: 1 });
const properties = fc.dictionary(fc.constantFrom("p", "q"), values, { maxKeys: 2 });
const labels = fc.uniqueArray(fc.constantFrom("A", "B"));
const operations: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ op: fc.constant("put_node" as const), id: ids, labels, properties }),
  fc.record({ op: fc.constant("patch_node" as const), id: ids, properties, labels }),
  fc.record({ op: fc.constant("delete_node" as const), id: ids, detach: fc.boolean() }),
  fc.record({
    op: fc.constant("put_edge" as const),
    id: fc.constantFrom("e", "f"),
    from: ids,
    to: ids,
    type: fc.constantFrom("T", "U"),
    properties,
  }),
  fc.record({
    op: fc.constant("increment_node" as const),
    id: ids,
    property: fc.constantFrom("p", "q"),
    by: fc.integer({ min: -2, max: 2 }),
  }),
  fc.record({
    op: fc.constant("increment_edge" as const),
    id: fc.constantFrom("e", "f"),
    property: fc.constantFrom("p", "q"),
    by: fc.integer({ min: -2, max: 2 }),
  }),
  fc.record({ op: fc.constant("delete_edge" as const), id: fc.constantFrom("e", "f") }),
  fc.record({
    op: fc.constant("create_index" as const),
    label: fc.constantFrom("A"),
    property: fc.constantFrom("p"),
  }),
);
const commands = fc.array(fc.array(operations, { minLength: 1, maxLength: 3 }), { maxLength: 25 });

test("MR-18 a region alone answers every command as a graph does, founded or not", async () => {
  await fc.assert(
    fc.asyncProperty(commands, fc.boolean(), async (list, isFounded) => {
      const node = await Node.open();
      const graph = createMemoryStorage();
      const entries = new Entries();
      if (isFounded) {
        await node.run(encodeRegionOperation({ op: "settle", settings: settingsOf(EU) }));
        graph.applyBatch([entries.other("noop")]);
      }
      for (const command of list) {
        const ours = await node.write(command);
        const [theirs] = graph.applyBatch([entries.command(command)]);
        expect(ours).toEqual(theirs);
      }
      for (const id of ["a", "b", "c", "e", "f"]) {
        expect(await node.storage.getNode(id, NO_POSITION)).toEqual(
          await graph.getNode(id, NO_POSITION),
        );
        expect(await node.storage.getEdge(id, NO_POSITION)).toEqual(
          await graph.getEdge(id, NO_POSITION),
        );
      }
      expect(await node.storage.counts(NO_POSITION)).toEqual(await graph.counts(NO_POSITION));
      const changes = await graph.changes(NO_POSITION.index, 100);
      expect((await node.storage.changes(NO_POSITION.index, 100)).filter(isWrite)).toEqual(
        changes.filter(isWrite),
      );
      if (!isFounded) expect((await node.storage.digest()).shards).toEqual(graph.digest().shards);
      await node.isConsistent();
    }),
    { numRuns: 40 },
  );
}, 60_000);

function isWrite({ effects }: { readonly effects: readonly unknown[] }): boolean {
  return effects.length > 0;
}

test("MR-19 what another region wrote is there, once, with all that it did", async () => {
  const [eu, us] = await pair();
  await eu.write([put("a", { x: 1 }, ["L"]), put("b"), link("e", "a", "b")]);
  await eu.write([{ op: "patch_node", id: "a", properties: { y: [2] } }]);
  expect(await us.hear(eu)).toMatchObject({ applied: 2, have: [["eu", 2]], stopped: null });
  expect(await us.hear(eu)).toMatchObject({ applied: 0 });
  const all = ["a", "b", "e"];
  expect(await us.seen(all)).toEqual(await eu.seen(all));
  const [change] = await us.storage.changes(NO_POSITION.index, 10);
  expect(change?.effects.map(({ kind }) => kind)).toEqual(["node_put", "node_put", "edge_put"]);
  const found = await us.storage.findNodes({ label: "L", limit: 5 }, NO_POSITION);
  expect(found.items.map(({ id }) => id)).toEqual(["a"]);
  await us.write([{ op: "delete_node", id: "b", detach: true }]);
  await exchange(eu, us);
  expect(await eu.seen(all)).toEqual(await us.seen(all));
  expect(await eu.storage.counts(NO_POSITION)).toEqual({ nodes: 1, edges: 0 });
  for (const node of [eu, us]) await node.isConsistent();
});

test("MR-19 clock, positions, conflicts and changes survive a restart and travel in a copy", async () => {
  const [eu, us] = await pair("manual");
  await eu.write([put("a", { x: 0 })]);
  await exchange(eu, us);
  await eu.write([put("a", { x: "eu" })], "2026-01-02T03:04:06Z");
  await us.write([put("a", { x: "us" })], "2026-01-02T03:04:07Z");
  await exchange(eu, us);
  const [conflict] = eu.storage.conflicts("", 10).conflicts;
  expect(conflict).toMatchObject({ winner: { origin: US, value: "us" } });
  await eu.write([put("b")]);
  const before = { region: eu.storage.region(), changes: eu.storage.regions.changes(EU, 2, MANY) };
  const digest = await eu.storage.digest();
  await eu.reopen();
  expect(eu.storage.region()).toEqual(before.region);
  expect(eu.storage.regions.changes(EU, 2, MANY)).toEqual(before.changes);
  expect(eu.storage.conflicts("", 10).conflicts).toEqual([conflict]);
  expect(await eu.storage.digest()).toEqual(digest);
  const copy = await Node.open();
  const snapshot = await eu.storage.snapshot();
  await copy.storage.restore(snapshot.chunks());
  await snapshot.close();
  expect(copy.storage.region()).toEqual(before.region);
  expect(copy.storage.regions.changes(EU, 2, MANY)).toEqual(before.changes);
  expect(await copy.storage.digest()).toEqual(digest);
  await copy.isConsistent();
});

test("MR-20 nodes of a region have the same digest, however entries fall into batches", async () => {
  const [eu, us] = await pair();
  const entries = new Entries();
  const log = [entries.plain(encodeRegionOperation({ op: "settle", settings: settingsOf(US) }))];
  await eu.write([put("a", { x: 1 }), put("b")]);
  await us.hear(eu);
  const other = await Node.open();
  const texts = eu.storage.regions.changes(EU, 0, MANY).texts;
  const contains = new Map([[EU, 1]]);
  const receive = { op: "receive", from: EU, upTo: 1, contains, texts } as const;
  log.push(entries.plain(encodeRegionOperation(receive)));
  log.push(entries.command([{ op: "delete_node", id: "b" }]));
  await us.write([{ op: "delete_node", id: "b" }]);
  await other.storage.applyBatch(log);
  expect(await other.storage.digest()).toEqual(await us.storage.digest());
  expect(other.storage.region()).toEqual(us.storage.region());
});

test("MR-13 an edge is hidden with its node and comes back with it, and goes with its deletion (FC-122)", async () => {
  const [eu, us] = await pair();
  await eu.write([put("a"), put("b")]);
  await exchange(eu, us);
  await eu.write([{ op: "delete_node", id: "b" }]);
  await us.write([link("e", "a", "b")]);
  await exchange(eu, us);
  for (const node of [eu, us]) {
    expect(await node.seen(["e"])).toEqual([null, null]);
    expect(node.storage.conflicts("", 10).conflicts).toMatchObject([{ kind: "edge_end" }]);
  }
  await us.write([put("b")]);
  await exchange(eu, us);
  for (const node of [eu, us]) {
    expect(await node.seen(["e"])).toMatchObject([null, { from: "a", to: "b" }]);
    expect(await node.storage.counts(NO_POSITION)).toEqual({ nodes: 2, edges: 1 });
    expect(node.storage.conflicts("", 10).conflicts).toEqual([]);
  }
  await eu.write([{ op: "delete_node", id: "b", detach: true }]);
  await us.write([put("b", { x: 1 })]);
  await exchange(eu, us);
  await eu.write([{ op: "delete_node", id: "a" }]);
  await eu.write([put("a")]);
  await exchange(eu, us);
  for (const node of [eu, us]) {
    expect(await node.seen(["e"])).toEqual([null, null]);
    await node.isConsistent();
  }
});

test("MR-22 what was there before is one write of its region, and travels as a copy alone (FC-120)", async () => {
  const folder = mkdtempSync(join(tmpdir(), "region-"));
  const path = join(folder, "graph.db");
  const graph = await openSqliteStorage({ path, threads: "single" });
  const entries = new Entries();
  await graph.applyBatch([
    entries.command([put("a", { x: 1 }, ["L"]), put("b"), link("e", "a", "b")]),
  ]);
  await graph.close();
  const eu = new Node(await openRegionStorage({ path }), folder);
  const log = new Entries(1);
  const run = async (command: PlainCommand) => {
    const [result] = await eu.storage.applyBatch([log.plain(command)]);
    return result;
  };
  await run(encodeRegionOperation({ op: "settle", settings: settingsOf(EU) }));
  expect(eu.storage.region()?.base).toMatchObject({ origin: EU, seq: 1 });
  expect(() => eu.storage.regions.changes(EU, 0, MANY)).toThrow(
    expect.objectContaining({ code: "COMPACTED" }),
  );
  await eu.isConsistent();

  const us = await Node.open();
  const snapshot = await eu.storage.snapshot();
  await us.storage.restore(snapshot.chunks());
  await snapshot.close();
  const usLog = new Entries(2);
  const runThere = async (command: PlainCommand) => {
    const [result] = await us.storage.applyBatch([usLog.plain(command)]);
    return result as ApplyResult;
  };
  const stranger = encodeRegionOperation({ op: "adopt", settings: settingsOf(AP, [EU, AP]) });
  expect(await runThere(stranger)).toMatchObject({ ok: false, code: "CONFLICT" });
  const adopt = encodeRegionOperation({ op: "adopt", settings: settingsOf(US) });
  expect(await runThere(adopt)).toMatchObject({ ok: true });

  await run(encodeOperations([{ op: "patch_node", id: "a", properties: { x: "eu" } }]));
  await runThere(encodeOperations([{ op: "delete_node", id: "b", detach: true }]));
  await runThere(encodeOperations([{ op: "patch_node", id: "a", properties: { x: "us" } }]));
  for (const [from, to] of [
    [eu, runThere],
    [us, run],
  ] as const) {
    const region = from.storage.region();
    const self = region?.settings.self as RegionId;
    const contains = region?.meta.have as ReadonlyMap<RegionId, number>;
    const first = self === EU ? 1 : 0;
    const { texts } = from.storage.regions.changes(self, first, MANY);
    expect(texts).toHaveLength(self === EU ? 1 : 2);
    const upTo = contains.get(self) ?? 0;
    await to(encodeRegionOperation({ op: "receive", from: self, upTo, contains, texts }));
  }
  expect(await eu.seen(["a", "b", "e"])).toEqual(await us.seen(["a", "b", "e"]));
  expect(eu.storage.conflicts("", 10)).toEqual(us.storage.conflicts("", 10));
  expect(eu.storage.conflicts("", 10).conflicts).toHaveLength(1);
  for (const node of [eu, us]) await node.isConsistent();
});

test("MR-14 changes that every region has are dropped, and asking for them says so (FC-121)", async () => {
  const [eu, us] = await pair();
  for (let n = 0; n < 3; n += 1) await eu.write([put(`n${n}`)]);
  expect(eu.storage.regions.changes(EU, 1, { countMax: 1, charsMax: 1 })).toMatchObject({
    firstSeq: 2,
    texts: [expect.stringContaining("n:n1")],
  });
  await exchange(eu, us);
  await us.write([put("m")]);
  await exchange(eu, us);
  expect(eu.storage.region()?.floor.get(EU)).toBe(3);
  await eu.write([put("n3")]);
  expect(() => eu.storage.regions.changes(EU, 0, MANY)).toThrow(
    expect.objectContaining({ code: "COMPACTED" }),
  );
  expect(eu.storage.regions.changes(EU, 3, MANY).texts).toHaveLength(1);
});

test("MR-25 facts and changes are as of what is applied, written down or not, through a port too", async () => {
  const node = await Node.founded(settingsOf(EU), new VirtualTime());
  const { port1, port2 } = new MessageChannel();
  serveStateMachine(port1, node.storage);
  const remote = connectStateMachine(port2).regions as RegionLog;
  await node.write([put("a")]);
  await node.write([put("b")]);
  await node.storage.flush();
  await node.write([put("c")]);
  await node.write([put("d")]);
  for (const log of [node.storage.regions, remote]) {
    expect(await log.facts()).toEqual({
      ...settingsOf(EU),
      have: new Map([[EU, 4]]),
      known: new Map([[US, new Map()]]),
      lost: new Set(),
      floor: new Map(),
      clockMs: Date.parse("2026-01-02T03:04:05Z"),
    });
    const told = async (after: number, countMax: number) => {
      const { firstSeq, texts } = await log.changes(EU, after, { countMax, charsMax: 1_000_000 });
      return [firstSeq, ...texts.map((text) => JSON.parse(text).things[0].key)];
    };
    expect(await told(0, 10)).toEqual([1, "n:a", "n:b", "n:c", "n:d"]);
    expect(await told(1, 2)).toEqual([2, "n:b", "n:c"]);
    expect(await told(2, 10)).toEqual([3, "n:c", "n:d"]);
    expect(await told(3, 10)).toEqual([4, "n:d"]);
    expect(await told(4, 10)).toEqual([5]);
  }
  port1.close();
});

test("MR-25 a graph, and a region that is not founded, have nothing to tell", async () => {
  const { storage } = await Node.open();
  expect(storage.regions.facts()).toBeUndefined();
  expect(storage.regions.changes(EU, 0, MANY).texts).toEqual([]);
  const { port1, port2 } = new MessageChannel();
  const graph = createMemoryStorage();
  serveStateMachine(port1, graph);
  const remote = connectStateMachine(port2).regions;
  await expect(remote?.facts()).rejects.toThrow("not that of a region");
  port1.close();
});

test("MR-21 conflicts that are over are listed, the latest first, with the write that ended them", async () => {
  const [eu, us] = await pair();
  for (const id of ["a", "b", "c"]) {
    await eu.write([put(id, { x: "eu" })]);
    await us.write([put(id, { x: "us" })]);
    await exchange(eu, us);
    await us.write([put(id, { x: 1 })], `2026-01-02T03:04:1${id === "b" ? 9 : 8}Z`);
    await exchange(eu, us);
  }
  const first = eu.storage.endedConflicts("", 2);
  expect(first.conflicts.map(({ key }) => key)).toEqual(["n:c", "n:b"]);
  expect(first.conflicts[0]).toMatchObject({
    how: "overwritten",
    endedBy: { origin: US, seq: 6, clock: expect.stringContaining(".us") },
  });
  const rest = us.storage.endedConflicts(first.next as string, 2);
  expect(rest).toMatchObject({ conflicts: [{ key: "n:a" }], next: undefined });
  expect(() => eu.storage.endedConflicts("", 0)).toThrow("limit");
});

test("MR-23 a resolver beside threads is refused before anything is touched", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "region-")), "graph.db");
  const resolver = () => 1;
  await expect(openRegionStorage({ path, threads: "worker", resolver })).rejects.toMatchObject({
    code: "INVALID",
    message: expect.stringContaining('threads "single"'),
  });
});

test("MR-21 each node notes the conflicts that came up, once, and not those that went on", async () => {
  const [eu, us] = await pair("manual");
  const news = (node: Node, after: number) => {
    const { total, notices } = node.storage.conflictNews(after);
    return [total, ...notices.map(({ key, kind }) => `${kind} ${key}`)];
  };
  await eu.write([put("a", { x: 0, y: 0 }), put("b"), link("e", "a", "b")]);
  await exchange(eu, us);
  await eu.write([put("a", { x: "eu", y: "eu" })]);
  await eu.write([{ op: "delete_node", id: "b", detach: true }]);
  await us.write([put("a", { x: "us", y: "us" })]);
  await us.write([link("f", "b", "a")]);
  await exchange(eu, us);
  for (const node of [eu, us]) {
    const [total, ...kinds] = news(node, 0);
    expect([total, kinds.sort()]).toEqual([3, ["edge_end e:f", "value n:a", "value n:a"]]);
    expect(news(node, 2)).toHaveLength(2);
    expect(news(node, 3)).toEqual([3]);
  }
  await us.write([{ op: "patch_node", id: "a", properties: { z: 1 } }]);
  await exchange(eu, us);
  expect(news(eu, 3)).toEqual([3]);
  expect(eu.storage.conflictNews(0).strategy).toBe("manual");
});

test("MR-18 a graph's copy takes the place of what a region held, and becomes a region again", async () => {
  const entries = new Entries();
  const folder = mkdtempSync(join(tmpdir(), "region-"));
  const graph = await openSqliteStorage({ path: join(folder, "graph.db"), threads: "single" });
  await graph.applyBatch([entries.command([put("a", { x: 1 }, ["L"])])]);
  const node = await Node.founded(settingsOf(EU));
  await node.write([put("b")]);
  const copy = await graph.snapshot();
  expect(await node.storage.restore(copy.chunks())).toEqual(await graph.getWALPosition());
  await copy.close();
  expect((await node.storage.digest()).shards).toEqual((await graph.digest()).shards);
  expect(node.storage.regions.facts()).toBeUndefined();
  await node.reopen();
  const settle = encodeRegionOperation({ op: "settle", settings: settingsOf(EU) });
  const [founded] = await node.storage.applyBatch([entries.plain(settle)]);
  expect(founded).toMatchObject({ ok: true });
  expect(node.storage.region()?.base).toMatchObject({ seq: 1 });
  await node.isConsistent();
  const back = await node.storage.snapshot();
  await expect(graph.restore(back.chunks())).rejects.toThrow(/holds region, not graph/);
  await back.close();
  await graph.close();
});

test("MR-5 MR-23 a resolver decides on every node; without it the region is not opened, nor goes on", async () => {
  const resolver: Resolver = ({ versions }) => versions.map(({ value }) => value);
  const settings = (self: RegionId) => settingsOf(self, [EU, US], "resolver");
  const open = () => mkdtempSync(join(tmpdir(), "region-"));
  const found = async (self: RegionId) => {
    const folder = open();
    const path = join(folder, "graph.db");
    const node = new Node(await openRegionStorage({ path, resolver }), folder);
    expect(node.storage.regions.resolves).toBe(true);
    await node.run(encodeRegionOperation({ op: "settle", settings: settings(self) }));
    return node;
  };
  const [eu, us] = [await found(EU), await found(US)];
  await eu.write([put("a", { x: "eu" })]);
  await us.write([put("a", { x: "us" })]);
  await exchange(eu, us);
  for (const node of [eu, us]) {
    expect(await node.seen(["a"])).toMatchObject([{ properties: { x: ["eu", "us"] } }, null]);
  }
  await expect(eu.reopen()).rejects.toThrow("open the storage with it");
  const plain = await Node.open();
  expect(plain.storage.regions.resolves).toBe(false);
  const settle = encodeRegionOperation({ op: "settle", settings: settings(EU) });
  await expect(plain.run(settle)).rejects.toMatchObject({ code: "STORAGE_FAILED" });
});

test("MR-7 MR-20 of conflicts that are over only so many are listed, the same on all nodes", async () => {
  const entries = new Entries();
  const log = [entries.plain(encodeRegionOperation({ op: "settle", settings: settingsOf(EU) }))];
  const count = REGION_LIMITS.closedConflictsMax + 30;
  for (let seq = 1; seq <= count + 1; seq += 1) {
    log.push(entries.command([put(`k${seq % 3}`, { x: seq })]));
    const text = JSON.stringify({
      origin: US,
      seq,
      clock: [1, seq],
      seen: [],
      things: [{ key: `n:k${seq % 3}`, life: true, put: [["x", -seq]] }],
      closed: [],
    });
    const contains = new Map([[US, seq]]);
    const receive = { op: "receive", from: US, upTo: seq, contains, texts: [text] } as const;
    log.push(entries.plain(encodeRegionOperation(receive)));
  }
  const [one, other] = [await Node.open(), await Node.open()];
  await one.storage.applyBatch(log);
  for (let from = 0; from < log.length; from += 700) {
    await other.storage.applyBatch(log.slice(from, from + 700));
    await other.reopen();
  }
  for (const node of [one, other]) {
    const { conflicts, next } = node.storage.endedConflicts("", 10_000);
    expect([conflicts.length, next]).toEqual([REGION_LIMITS.closedConflictsMax, undefined]);
    expect(conflicts.at(-1)?.endedBy.seq).toBe(count + 2 - REGION_LIMITS.closedConflictsMax);
    await node.isConsistent();
  }
  expect(await other.storage.digest()).toEqual(await one.storage.digest());
});
