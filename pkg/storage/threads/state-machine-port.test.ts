import { MessageChannel } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Entries } from "../../../test/contract/entries.js";
import { NO_POSITION } from "../../base/index.js";
import type { StateMachine } from "../../replication/ports/index.js";
import { createMemoryStorage, type MemoryStorage } from "../memory/memory-storage.js";
import { packEntries, unpackEntries } from "./packed-entries.js";
import { connectStateMachine, serveStateMachine } from "./state-machine-port.js";

let storage: MemoryStorage;
let remote: StateMachine;
let channel: MessageChannel;

beforeEach(() => {
  storage = createMemoryStorage();
  channel = new MessageChannel();
  serveStateMachine(channel.port1, storage);
  remote = connectStateMachine(channel.port2);
});
afterEach(async () => {
  await remote.close();
  channel.port1.close();
});

const put = (log: Entries, id: string) => log.command([{ op: "put_node", id }]);

async function* broken(chunk: Uint8Array): AsyncIterable<Uint8Array> {
  yield chunk;
  throw new Error("the link broke");
}

describe("a state machine behind a port", () => {
  test("ST-30 entries arrive as they were, whatever their kind, term and length", () => {
    const log = new Entries(41);
    const entries = [put(log, "a"), log.other("noop"), log.bytes("{}"), log.other("marker")];
    expect(
      unpackEntries(packEntries(entries)).map((e) => ({ ...e, payload: [...e.payload] })),
    ).toEqual(entries.map((e) => ({ ...e, payload: [...e.payload] })));
    expect(unpackEntries(packEntries([]))).toEqual([]);
  });

  test("ST-30 results, positions and digests are those of the storage", async () => {
    const log = new Entries();
    const results = await remote.applyBatch([
      put(log, "a"),
      log.other("config"),
      log.command([{ op: "delete_node", id: "zz" }]),
    ]);
    expect(results.map((r) => (r.ok ? r.index : r.code))).toEqual([1, "NOT_FOUND"]);
    expect(await remote.getWALPosition()).toEqual(storage.getWALPosition());
    expect(await remote.digest()).toEqual(storage.digest());
    expect(await remote.flush()).toEqual(NO_POSITION);
    expect(await remote.durablePosition()).toEqual(NO_POSITION);
  });

  test("ST-15 ST-30 a copy that was taken and put back through the port is the same state", async () => {
    const log = new Entries();
    await remote.applyBatch([put(log, "a"), put(log, "b")]);
    const digest = await remote.digest();
    const snapshot = await remote.snapshot();
    await remote.applyBatch([put(log, "c")]);
    expect(await remote.restore(snapshot.chunks())).toEqual(digest.position);
    await snapshot.close();
    expect(await remote.digest()).toEqual(digest);
  });

  test("ST-16 a copy that breaks off, or is none, is refused with its reason; the state stays", async () => {
    await remote.applyBatch([put(new Entries(), "a")]);
    const digest = storage.digest();
    await expect(remote.restore(broken(new Uint8Array(9)))).rejects.toThrow("the link broke");
    async function* nonsense() {
      yield new Uint8Array(9);
    }
    await expect(remote.restore(nonsense())).rejects.toMatchObject({ code: "SNAPSHOT_INVALID" });
    expect(storage.digest()).toEqual(digest);
  });

  test("ST-20 ST-33 errors keep their code, and calls after the other end is gone fail", async () => {
    await storage.close();
    await expect(remote.applyBatch([put(new Entries(), "a")])).rejects.toMatchObject({
      code: "CLOSED",
    });
    channel.port1.close();
    await expect(remote.flush()).rejects.toMatchObject({ code: "STORAGE_FAILED" });
    await expect(remote.digest()).rejects.toMatchObject({ code: "STORAGE_FAILED" });
    await remote.close();
  });
});
