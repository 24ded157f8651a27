import { describe, expect, it } from "vitest";
import { SimDisk, seededRandom, VirtualTime } from "../../../test/support/index.js";
import type { LogIndex, RequestId, Term } from "../../base/index.js";
import { noMetrics, silentLogger } from "../../runtime/index.js";
import {
  encodeOperations,
  keysOfCommand,
  type Operation,
  validateOperations,
} from "../../storage/index.js";
import { openSegmentedLog } from "../../storage/log/index.js";
import { PayloadPacker, unpackPayloads } from "../payload.js";
import type { Entry } from "../ports/index.js";
import { BlockedKeys } from "./blocked-keys.js";

function payloadOf(operations: readonly Operation[], requestId: string): Uint8Array {
  const packer = new PayloadPacker();
  const { type, data } = encodeOperations(validateOperations(operations));
  packer.add(type, data, "2026-01-01T00:00:00Z", requestId as RequestId);
  return unpackPayloads(packer.take())[0] as Uint8Array;
}

const put = (id: string): Operation => ({ op: "put_node", id });
const entry = (index: number, term: number, operations: readonly Operation[]): Entry => ({
  index: index as LogIndex,
  term: term as Term,
  kind: "command",
  payload: payloadOf(operations, `r${term}-${index}`),
});

async function open() {
  const time = new VirtualTime();
  const log = await openSegmentedLog({
    directory: "/wal",
    fileSystem: new SimDisk({ time, random: seededRandom(1) }),
    logger: silentLogger,
    metrics: noMetrics,
    clock: time,
    clusterId: "c",
  });
  let commit = 0 as LogIndex;
  let decoded = 0;
  const keys = new BlockedKeys({
    log,
    commit: () => commit,
    keysOf: (payload) => {
      decoded += 1;
      return keysOfCommand(payload);
    },
  });
  const commitTo = (index: number) => {
    commit = index as LogIndex;
  };
  return { log, keys, commitTo, decoded: () => decoded };
}

describe("blocked keys", () => {
  it("RB-6 a key is blocked from the log until the commit, by the newest entry that writes it", async () => {
    const { log, keys, commitTo } = await open();
    const edge: Operation = { op: "put_edge", id: "ab", from: "a", to: "b", type: "T" };
    log.append([entry(1, 1, [put("a")]), entry(2, 1, [put("b"), edge]), entry(3, 1, [put("a")])]);
    expect([keys.by("n:a"), keys.by("n:b"), keys.by("e:ab")]).toEqual([3, 2, 2]);
    expect([keys.by("n:ab"), keys.by("n:c")]).toEqual([undefined, undefined]);
    commitTo(2);
    expect([keys.by("n:a"), keys.by("n:b"), keys.by("e:ab")]).toEqual([3, undefined, undefined]);
    commitTo(3);
    expect(keys.by("n:a")).toBeUndefined();
  });

  it("RB-6 what another leader's entries replace blocks nothing, what they write is blocked", async () => {
    const { log, keys, commitTo } = await open();
    log.append([entry(1, 1, [put("a")]), entry(2, 1, [put("b")]), entry(3, 1, [put("c")])]);
    commitTo(1);
    expect(keys.by("n:b")).toBe(2);
    log.truncateSuffix(2 as LogIndex);
    expect([keys.by("n:b"), keys.by("n:c")]).toEqual([undefined, undefined]);
    log.append([entry(2, 2, [put("d")]), entry(3, 2, [put("e")])]);
    expect([keys.by("n:b"), keys.by("n:d"), keys.by("n:e")]).toEqual([undefined, 2, 3]);
  });

  it("RB-6 nobody asks, nothing is read; each entry is looked at once", async () => {
    const { log, keys, commitTo, decoded } = await open();
    log.append([entry(1, 1, [put("a")]), entry(2, 1, [put("b")])]);
    commitTo(2);
    expect(keys.by("n:a")).toBeUndefined();
    expect(decoded()).toBe(0);
    log.append([entry(3, 1, [put("c")])]);
    for (const key of ["n:a", "n:c", "n:c"]) keys.by(key);
    log.append([entry(4, 1, [put("d")])]);
    keys.by("n:c");
    expect(decoded()).toBe(2);
  });

  it("RB-6 what it keeps is bounded while writes never stop", async () => {
    const { log, keys, commitTo } = await open();
    for (let index = 1; index <= 5_000; index += 1) {
      log.append([entry(index, 1, [put(`k${index}`)])]);
      commitTo(index - 1);
      expect(keys.by(`n:k${index}`)).toBe(index);
    }
    expect(keys.size).toBeLessThan(2_500);
  });

  it("RB-7 a repeated write is not blocked by itself", async () => {
    const { log, keys } = await open();
    log.append([entry(1, 1, [put("a")])]);
    expect(keys.blocking(payloadOf([put("a")], "r1-1"))).toBeUndefined();
    expect(keys.blocking(payloadOf([put("b"), put("a")], "r2"))).toBe("n:a");
    expect(keys.blocking(payloadOf([put("b")], "r3"))).toBeUndefined();
  });
});
