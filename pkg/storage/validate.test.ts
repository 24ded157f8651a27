import { describe, expect, test } from "vitest";
import type { ReplicationError } from "../replication/errors.js";
import { encodeOperations } from "./commands.js";
import { STORAGE_LIMITS } from "./limits.js";
import { validateOperations } from "./validate.js";

function refusal(input: unknown): string {
  try {
    validateOperations(input);
    return "accepted";
  } catch (error) {
    const { code, details } = error as ReplicationError;
    return `${code} ${details.field}`;
  }
}

const node = (more: object) => [{ op: "put_node", id: "a", ...more }];
const nested = (depth: number) => JSON.parse(`${"[".repeat(depth)}1${"]".repeat(depth)}`);

describe("ST-25 what is refused names its field (FC-164, FC-175, FC-189)", () => {
  test.each<[string, unknown, string]>([
    ["no list", {}, "INVALID ops"],
    ["empty list", [], "INVALID ops"],
    ["unknown op", [{ op: "toString", id: "a" }], "INVALID ops[0].op"],
    ["unknown field", node({ lables: [] }), "INVALID ops[0].lables"],
    [
      "increment by half",
      [{ op: "increment_node", id: "a", property: "n", by: 0.5 }],
      "INVALID ops[0].by",
    ],
    [
      "increment by 2^53",
      [{ op: "increment_edge", id: "a", property: "n", by: 2 ** 53 }],
      "INVALID ops[0].by",
    ],
    ["increment of nothing", [{ op: "increment_node", id: "a", by: 1 }], "INVALID ops[0].property"],
    [
      "increment of $x",
      [{ op: "increment_node", id: "a", property: "$x", by: 1 }],
      "INVALID ops[0].property",
    ],
    [
      "increment of __proto__",
      [{ op: "increment_node", id: "a", property: "__proto__", by: 1 }],
      "INVALID ops[0].property",
    ],
    ["increment", [{ op: "increment_node", id: "a", property: "n", by: -1 }], "accepted"],
    ["empty id", [{ op: "put_node", id: "" }], "INVALID ops[0].id"],
    ["NUL in id", [{ op: "put_node", id: "a\0" }], "INVALID ops[0].id"],
    ["half a pair in id", [{ op: "put_node", id: "a\ud800" }], "INVALID ops[0].id"],
    ["id of 512 bytes", [{ op: "put_node", id: "ä".repeat(256) }], "accepted"],
    ["id of 513 bytes", [{ op: "put_node", id: `${"ä".repeat(256)}x` }], "TOO_LARGE ops[0].id"],
    ["label of 257 bytes", node({ labels: ["L", "x".repeat(257)] }), "TOO_LARGE ops[0].labels[1]"],
    ["depth at the limit", node({ properties: { x: nested(32) } }), "accepted"],
    [
      "depth beyond it",
      node({ properties: { x: nested(33) } }),
      `INVALID ops[0].properties.x${".0".repeat(32)}`,
    ],
    [
      "deep far beyond it",
      node({ properties: { x: nested(5_000) } }),
      `INVALID ops[0].properties.x${".0".repeat(32)}`,
    ],
    ["reserved key", node({ properties: { m: { $x: 1 } } }), "INVALID ops[0].properties.m.$x"],
    [
      "prototype key",
      node({ properties: JSON.parse('{"__proto__":1}') }),
      "INVALID ops[0].properties.__proto__",
    ],
    ["not finite", node({ properties: { x: Number.NaN } }), "INVALID ops[0].properties.x"],
    ["2^53 - 1", node({ properties: { x: 2 ** 53 - 1 } }), "accepted"],
    ["2^53", node({ properties: { x: 2 ** 53 } }), "INVALID ops[0].properties.x"],
    ["undefined", node({ properties: { x: undefined } }), "INVALID ops[0].properties.x"],
    ["a date", node({ properties: { x: new Date(0) } }), "INVALID ops[0].properties.x"],
    ["half a precondition", node({ if: { version: "1" } }), "INVALID ops[0].if"],
    ["patch without properties", [{ op: "patch_edge", id: "e" }], "INVALID ops[0].properties"],
    [
      "texts beyond the command's bytes",
      node({ properties: { x: "x".repeat(STORAGE_LIMITS.commandBytesMax) } }),
      "TOO_LARGE ops[0].properties.x",
    ],
  ])("ST-25 %s", (_name, input, expected) => {
    expect(refusal(input)).toBe(expected);
  });
});

test("ST-25 one operation too many is refused", () => {
  const operation = { op: "put_node", id: "a" };
  expect(refusal(Array(STORAGE_LIMITS.operationsMax).fill(operation))).toBe("accepted");
  expect(refusal(Array(STORAGE_LIMITS.operationsMax + 1).fill(operation))).toBe("TOO_LARGE ops");
});

test("ST-25 a command that takes too many bytes on the wire is refused", () => {
  const properties = { x: "\u0001".repeat(STORAGE_LIMITS.commandBytesMax / 4) };
  expect(() => encodeOperations([{ op: "put_node", id: "a", properties }])).toThrow("16777216");
});
