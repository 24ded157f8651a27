import assert from "node:assert/strict";
import { apply, at, codes, edge, put, type StorageCase } from "./storage-calls.js";

export const INCREMENT_CASES: readonly StorageCase[] = [
  [
    "ST-41 an increment adds to a whole number or to nothing, and says what it has come to",
    async (storage, log) => {
      const add = (property: string, by: number, id = "a") =>
        log.command([{ op: "increment_node", id, property, by }]);
      await apply(storage, log.command([put("a", { n: 1, t: "x", f: 0.5 }), edge("e", "a", "a")]));
      const results = await apply(
        storage,
        add("n", 2),
        add("new", -3),
        add("n", 0),
        log.command([{ op: "increment_edge", id: "e", property: "w", by: 4 }]),
        add("t", 1),
        add("f", 1),
        add("n", 1, "no"),
        add("n", Number.MAX_SAFE_INTEGER),
        log.command([{ op: "increment_node", id: "a", property: "n", by: 1, if: { version: 1 } }]),
      );
      const refused = ["CONFLICT", "CONFLICT", "NOT_FOUND", "CONFLICT", "VERSION_MISMATCH"];
      assert.deepEqual(codes(results), ["ok", "ok", "ok", "ok", ...refused]);
      const values = results.slice(0, 4).map((one) => one.ok && (one.value as object[])[0]);
      const done = (op: string, id: string, outcome: string, version: number, value: number) => {
        return { op, id, outcome, version, value };
      };
      assert.deepEqual(values, [
        done("increment_node", "a", "updated", 2, 3),
        done("increment_node", "a", "updated", 3, -3),
        done("increment_node", "a", "unchanged", 3, 3),
        done("increment_edge", "e", "updated", 5, 4),
      ]);
      const node = await storage.getNode("a", await at(storage));
      assert.deepEqual(node?.properties, { f: 0.5, n: 3, new: -3, t: "x" });
      assert.deepEqual((await storage.getEdge("e", await at(storage)))?.properties, { w: 4 });
    },
  ],
];
