import { expect, it } from "vitest";
import { parseNodeId, parseRegionId } from "../base/index.js";
import { nameAbroad } from "./open-raft-mode.js";

const region = (name: string) => ({ self: parseRegionId(name) as never });
const node = (name: string) => parseNodeId(name) as never;

it("WI-7 nodes of two regions that have one name have two names abroad", () => {
  expect(nameAbroad(region("eu"), node("n1"))).toBe("eu.n1");
  expect(nameAbroad(region("us"), node("n1"))).toBe("us.n1");
});

it("WI-7 names that are too long together are refused, and the setting is named", () => {
  expect(() => nameAbroad(region("e".repeat(100)), node("n".repeat(100)))).toThrow(
    expect.objectContaining({
      code: "INVALID",
      details: { field: "NORNICDB_CLUSTER_REGION_ID" },
    }),
  );
});
