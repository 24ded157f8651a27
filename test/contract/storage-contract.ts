import assert from "node:assert/strict";
import { NO_POSITION, toLogIndex, toTerm } from "../../pkg/base/index.js";
import {
  encodeOperations,
  type Operation,
  type PropertyValue,
  type Storage,
} from "../../pkg/storage/index.js";
import { Entries } from "./entries.js";
import { INCREMENT_CASES } from "./increment-contract.js";
import {
  type CommandSamples,
  type ContractCase,
  type MachineUnderTest,
  stateMachineContract,
} from "./state-machine-contract.js";
import { apply, at, codes, edge, put, type StorageCase } from "./storage-calls.js";

/** One storage under test. */
export type StorageUnderTest = MachineUnderTest<Storage>;

const GRAPH_SAMPLES: CommandSamples = {
  effective: (n) => encodeOperations([put(`n${n}`, { n }, ["L"])]),
  refused: encodeOperations([put("a"), { op: "delete_node", id: "zz" }]),
  refusal: "NOT_FOUND",
  senseless: [
    { type: 7, data: Buffer.from("{}") },
    { type: 7, data: Buffer.from('{"ops":[]}') },
    { type: 8, data: Buffer.from('{"query":"MATCH (n) RETURN n"}') },
  ],
};

/**
 * What every implementation of `Storage` must do, as cases for any test runner: each opens its own
 * storage, asserts, and destroys it. Those of `stateMachineContract` are among them.
 */
export function storageContract(open: () => Promise<StorageUnderTest>): readonly ContractCase[] {
  const own = CASES.map(([title, body]) => ({
    title,
    run: async () => {
      const under = await open();
      try {
        await body(under.machine, new Entries());
      } finally {
        await under.destroy();
      }
    },
  }));
  return [...stateMachineContract(open, GRAPH_SAMPLES), ...own];
}

async function idsOf(storage: Storage, query: object): Promise<string[]> {
  const page = await storage.findNodes({ limit: 100, ...query }, await at(storage));
  return page.items.map((node) => node.id);
}

const CASES: readonly StorageCase[] = [
  ...INCREMENT_CASES,
  [
    "ST-1 a put node is read back with its labels, properties and the index as version",
    async (storage, log) => {
      await apply(storage, log.other("noop"), log.command([put("a", { x: 1 }, ["B", "A", "B"])]));
      const node = await storage.getNode("a", await at(storage));
      assert.deepEqual(node, { id: "a", labels: ["A", "B"], properties: { x: 1 }, version: 2 });
    },
  ],
  [
    "ST-2 equal content keeps its version and answers unchanged",
    async (storage, log) => {
      await apply(storage, log.command([put("a", { x: 1, y: { b: 1, a: 2 } })]));
      const results = await apply(storage, log.command([put("a", { y: { a: 2, b: 1 }, x: 1 })]));
      assert.deepEqual(results[0]?.ok && results[0].value, [
        { op: "put_node", id: "a", outcome: "unchanged", version: 1 },
      ]);
      assert.equal((await storage.getNode("a", await at(storage)))?.version, 1);
    },
  ],
  [
    "ST-3 a batch with one bad step leaves nothing (FC-155)",
    async (storage, log) => {
      const before = await storage.digest();
      const results = await apply(
        storage,
        log.command([put("a"), put("b"), edge("e", "a", "missing")]),
      );
      assert.deepEqual(codes(results), ["CONFLICT"]);
      assert.deepEqual(await storage.counts(await at(storage)), { nodes: 0, edges: 0 });
      assert.deepEqual((await storage.digest()).shards, before.shards);
    },
  ],
  [
    "ST-4 later steps of a batch see earlier ones",
    async (storage, log) => {
      const results = await apply(
        storage,
        log.command([
          put("a"),
          put("b"),
          edge("e", "a", "b"),
          { op: "patch_node", id: "a", properties: { seen: true } },
          { op: "delete_node", id: "b", detach: true },
        ]),
      );
      assert.deepEqual(codes(results), ["ok"]);
      assert.deepEqual(await idsOf(storage, {}), ["a"]);
      assert.deepEqual(await storage.counts(await at(storage)), { nodes: 1, edges: 0 });
      const [change] = await storage.changes(toLogIndex(0), 10);
      assert.deepEqual(
        change?.effects.map((effect) => effect.kind),
        ["node_put"],
      );
    },
  ],
  [
    "ST-5 a patch changes what it names, null deletes, a missing node is NOT_FOUND",
    async (storage, log) => {
      await apply(storage, log.command([put("a", { keep: 1, gone: 2, map: { x: 1 } }, ["L"])]));
      const results = await apply(
        storage,
        log.command([{ op: "patch_node", id: "a", properties: { gone: null, map: { y: 2 } } }]),
        log.command([{ op: "patch_node", id: "b", properties: {} }]),
      );
      assert.deepEqual(codes(results), ["ok", "NOT_FOUND"]);
      const node = await storage.getNode("a", await at(storage));
      assert.deepEqual(node?.properties, { keep: 1, map: { y: 2 } });
      assert.deepEqual(node?.labels, ["L"]);
    },
  ],
  [
    "ST-6 a node with edges is not deleted unless they go with it",
    async (storage, log) => {
      const results = await apply(
        storage,
        log.command([put("a"), put("b"), edge("e1", "a", "b"), edge("e2", "b", "a")]),
        log.command([{ op: "delete_node", id: "a" }]),
        log.command([{ op: "delete_node", id: "a", detach: true }]),
        log.command([{ op: "delete_edge", id: "e1" }]),
      );
      assert.deepEqual(codes(results), ["ok", "CONFLICT", "ok", "NOT_FOUND"]);
      assert.deepEqual(await storage.counts(await at(storage)), { nodes: 1, edges: 0 });
    },
  ],
  [
    "ST-7 of two conditional writes on one version exactly one succeeds (FC-153)",
    async (storage, log) => {
      const write = (x: number): Operation => ({
        op: "put_node",
        id: "a",
        properties: { x },
        if: { version: 1 },
      });
      const results = await apply(
        storage,
        log.command([put("a")]),
        log.command([write(1)]),
        log.command([write(2)]),
        log.command([{ op: "put_node", id: "a", if: { exists: false } }]),
      );
      assert.deepEqual(codes(results), ["ok", "ok", "VERSION_MISMATCH", "VERSION_MISMATCH"]);
      assert.deepEqual((await storage.getNode("a", await at(storage)))?.properties, { x: 1 });
    },
  ],
  [
    "ST-9 NornicDB's seven commands do what they say",
    async (storage, log) => {
      const send = (type: number, data: unknown) =>
        log.raw({
          Type: type,
          Data: Buffer.from(typeof data === "string" ? data : JSON.stringify(data)).toString(
            "base64",
          ),
          RequestID: "",
        });
      const node = (id: string, properties: object | null = {}) => ({
        id,
        labels: null,
        properties,
      });
      const link = { id: "e", startNode: "a", endNode: "b", type: "T", properties: null };
      const results = await apply(
        storage,
        send(1, node("a")),
        send(1, node("a")),
        send(2, node("a", { x: 1 })),
        send(2, node("zz")),
        send(7, { nodes: [node("b"), node("c", null)], edges: [link] }),
        send(4, { ...link, id: "e2" }),
        send(5, { edge_id: "e2" }),
        send(6, { node_id: "a", key: "y", value: "two" }),
        send(3, "c"),
        send(8, { query: "MATCH (n) RETURN n" }),
      );
      assert.deepEqual(codes(results), [
        "ok",
        "CONFLICT",
        "ok",
        "NOT_FOUND",
        "ok",
        "ok",
        "ok",
        "ok",
        "ok",
        "INVALID",
      ]);
      assert.deepEqual(await idsOf(storage, {}), ["a", "b"]);
      const a = await storage.getNode("a", await at(storage));
      assert.deepEqual(a?.properties, { x: 1, y: "two" });
      assert.deepEqual((await storage.getEdge("e", await at(storage)))?.from, "a");
    },
  ],
  [
    "ST-10 a committed entry that makes no sense is refused and moves the position (FC-175, FC-189)",
    async (storage, log) => {
      const ops = (json: string) =>
        log.raw({ Type: 7, Data: Buffer.from(`{"ops":${json}}`).toString("base64") });
      const deep = `${"[".repeat(50_000)}${"]".repeat(50_000)}`;
      const results = await apply(
        storage,
        ops("[null]"),
        ops('[{"op":"put_node","id":"a","properties":{"__proto__":{"x":1}}}]'),
        ops(`[{"op":"put_node","id":"a","properties":{"x":${deep}}}]`),
        ops('[{"op":"put_node","id":"\\u0000"}]'),
      );
      assert.deepEqual(codes(results), Array(4).fill("INVALID"));
      assert.equal((await at(storage)).index, 4);
      assert.deepEqual(await idsOf(storage, {}), []);
      assert.equal(({} as { x?: number }).x, undefined);
    },
  ],
  [
    "ST-11 pages are in order of UTF-8 bytes and go on behind their cursor",
    async (storage, log) => {
      const ids = ["b", "a", "\u{1f600}", "\uff5e", "ä", "B"];
      await apply(storage, log.command(ids.map((id) => put(id, {}, ["L"]))));
      const sorted = ["B", "a", "b", "ä", "\uff5e", "\u{1f600}"];
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await storage.findNodes({ label: "L", limit: 2, cursor }, await at(storage));
        seen.push(...page.items.map((node) => node.id));
        cursor = page.cursor;
      } while (cursor !== undefined);
      assert.deepEqual(seen, sorted);
    },
  ],
  [
    "ST-12 where finds by exact typed value, the same with and without an index",
    async (storage, log) => {
      await apply(
        storage,
        log.command([
          put("n1", { v: 1 }, ["L"]),
          put("n2", { v: "1" }, ["L"]),
          put("n3", { v: true }, ["L"]),
          put("n4", { v: [1, { a: 1, b: 2 }] }, ["L"]),
          put("n5", { v: null }, ["L"]),
          put("n6", {}, ["L"]),
          put("n7", { v: 1 }, ["M"]),
        ]),
      );
      const look = async () => {
        const by = (value: PropertyValue) =>
          idsOf(storage, { label: "L", where: [{ property: "v", value }] });
        return [
          await by(1),
          await by("1"),
          await by(true),
          await by([1, { b: 2, a: 1 }]),
          await by(null),
        ];
      };
      const expected = [["n1"], ["n2"], ["n3"], ["n4"], ["n5"]];
      assert.deepEqual(await look(), expected);
      await apply(storage, log.command([{ op: "create_index", label: "L", property: "v" }]));
      assert.deepEqual(await look(), expected);
      await apply(
        storage,
        log.command([put("n1", { v: 2 }, ["L"]), put("n7", { v: 1 }, ["L"])]),
        log.command([{ op: "delete_node", id: "n2" }]),
      );
      assert.deepEqual((await look()).slice(0, 2), [["n7"], []]);
      assert.deepEqual(await storage.indexes(await at(storage)), [{ label: "L", property: "v" }]);
      await apply(storage, log.command([{ op: "drop_index", label: "L", property: "v" }]));
      assert.deepEqual((await look())[0], ["n7"]);
    },
  ],
  [
    "ST-13 edges are found by node, direction and type, also after they moved",
    async (storage, log) => {
      await apply(
        storage,
        log.command([
          put("a"),
          put("b"),
          put("c"),
          edge("e1", "a", "b"),
          edge("e2", "b", "a", "LIKES"),
          edge("e3", "a", "a"),
        ]),
        log.command([edge("e1", "c", "b")]),
      );
      const find = async (nodeId: string, direction: "out" | "in" | "both", type?: string) =>
        (
          await storage.findEdges({ nodeId, direction, type, limit: 10 }, await at(storage))
        ).items.map((item) => item.id);
      assert.deepEqual(await find("a", "out"), ["e3"]);
      assert.deepEqual(await find("a", "in"), ["e2", "e3"]);
      assert.deepEqual(await find("a", "both"), ["e2", "e3"]);
      assert.deepEqual(await find("b", "both"), ["e1", "e2"]);
      assert.deepEqual(await find("b", "both", "LIKES"), ["e2"]);
      assert.deepEqual(await find("c", "out"), ["e1"]);
    },
  ],
  [
    "ST-14 the change stream tells each command's effects in order, and can be taken up anywhere",
    async (storage, log) => {
      await apply(
        storage,
        log.command([put("a"), put("b")], { RequestID: "r1" }),
        log.command([{ op: "delete_node", id: "zz" }]),
        log.command([edge("e", "a", "b")]),
        log.command([{ op: "delete_node", id: "a", detach: true }]),
      );
      const all = await storage.changes(toLogIndex(0), 10);
      assert.deepEqual(
        all.map((c) => [c.index, c.requestId, c.effects.map((e) => e.kind)]),
        [
          [1, "r1", ["node_put", "node_put"]],
          [3, "", ["edge_put"]],
          [4, "", ["edge_deleted", "node_deleted"]],
        ],
      );
      assert.deepEqual(await storage.changes(toLogIndex(1), 1), [all[1]]);
      assert.deepEqual(await storage.changes(toLogIndex(4), 10), []);
    },
  ],
  [
    "ST-17 offline writes fill a store until a log drives it",
    async (storage) => {
      await storage.createNode("a", ["L"], {});
      await storage.createNode("b", [], {});
      await storage.createEdge({ id: "e", from: "a", to: "b", type: "T", properties: {} });
      await storage.setProperty("a", "x", 1);
      await storage.updateNode("b", ["M"], { y: 2 });
      await assert.rejects(async () => storage.createNode("a", [], {}), { code: "CONFLICT" });
      await storage.deleteEdge("e");
      await storage.deleteNode("b");
      assert.deepEqual((await storage.getNode("a", NO_POSITION))?.properties, { x: 1 });
      await storage.setWALPosition({ index: toLogIndex(7), term: toTerm(2) });
      assert.equal((await at(storage)).index, 7);
      await assert.rejects(storage.changes(toLogIndex(3), 10), { code: "COMPACTED" });
      await apply(storage, new Entries(7).other("noop"));
      await assert.rejects(async () => storage.createNode("c", [], {}), { code: "READ_ONLY" });
    },
  ],
  [
    "ST-19 reads beyond what is applied are refused, bad limits and cursors too",
    async (storage) => {
      const ahead = { index: toLogIndex(5), term: toTerm(1) };
      await assert.rejects(storage.getNode("a", ahead), { code: "LAGGING" });
      for (const limit of [0, 10_001, 1.5]) {
        await assert.rejects(storage.findNodes({ limit }, NO_POSITION), { code: "INVALID" });
      }
      await assert.rejects(storage.findNodes({ limit: 1, cursor: "%%" }, NO_POSITION), {
        code: "INVALID",
      });
    },
  ],
];
