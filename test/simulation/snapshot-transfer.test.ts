import { hash } from "node:crypto";
import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { type NodeId, toLogIndex, toTerm } from "../../pkg/base/index.js";
import type { PeerMessage } from "../../pkg/replication/ports/index.js";
import type { SnapshotRequest } from "../../pkg/replication/snapshot/core/messages.js";
import { DIRECTORY, LIMITS, SnapshotWorld } from "./snapshot-world.js";

const FILE = `${DIRECTORY}/incoming.snapshot`;
const NODES = 60;

async function world(seed = 1): Promise<SnapshotWorld> {
  const made = new SnapshotWorld(seed);
  await made.fill(NODES);
  await made.open();
  return made;
}

/** The same message with one bit of its data turned round. */
function damaged(message: PeerMessage): PeerMessage {
  const payload = message.payload as { readonly data?: Uint8Array };
  if (payload.data === undefined) return message;
  const data = Uint8Array.from(payload.data);
  data[3] = (data[3] ?? 0) ^ 1;
  return { ...message, payload: { ...payload, data } };
}

const isChunk = (message: PeerMessage) =>
  (message.payload as { readonly kind?: string }).kind === "chunk";

describe("a copy on its way", () => {
  it("SX-1 SX-3 arrives whole, with never more than a window on its way", async () => {
    const w = await world();
    const sender = w.send();
    const position = w.source.getWALPosition();
    expect(await w.run(sender.ended)).toEqual({ kind: "installed", position });
    w.expectEqual();
    const count = w.chunks.length;
    expect(w.chunks).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(count).toBeGreaterThan(50);
    expect(w.flyingMax).toBe(LIMITS.windowBytes / LIMITS.chunkBytes);
    expect(w.stagedFiles()).toEqual([]);
  });

  it("SX-1 writes that come meanwhile are not in it, and it is consistent", async () => {
    const w = await world();
    const before = w.source.digest();
    const sender = w.send();
    await w.until(() => w.chunks.length > 10);
    await w.fill(5);
    await w.run(sender.ended);
    expect(w.target.digest()).toEqual(before);
  });

  it("SX-4 after a lost link it goes on where it was (FC-026, FC-059)", async () => {
    const w = await world();
    const sender = w.send();
    await w.until(() => w.chunks.length > 25);
    w.up = false;
    await w.time.advance(10_000);
    const { ackedBytes } = sender.progress();
    expect(ackedBytes).toBeGreaterThan(10_000);
    const before = w.chunks.length;
    w.up = true;
    await w.run(sender.ended);
    w.expectEqual();
    const next = w.chunks[before] ?? 0;
    expect(next * LIMITS.chunkBytes - ackedBytes).toBeGreaterThanOrEqual(0);
    expect(next * LIMITS.chunkBytes - ackedBytes).toBeLessThanOrEqual(LIMITS.windowBytes);
    expect(w.ids.size).toBe(1);
  });

  it.each([true, false])(
    "SX-2 SX-4 after a restart of the receiver it goes on where it is durable (power cut: %s)",
    async (power) => {
      const w = await world();
      const sender = w.send();
      await w.until(() => w.chunks.length > 25);
      const { ackedBytes } = sender.progress();
      w.crash(power);
      await w.time.advance(2_000);
      const before = w.chunks.length;
      await w.open();
      await w.run(sender.ended);
      w.expectEqual();
      expect(w.chunks[before]).toBeGreaterThanOrEqual(ackedBytes / LIMITS.chunkBytes);
      expect(w.ids.size).toBe(1);
    },
  );

  it("SX-6 a chunk damaged on its way is sent again (FC-126)", async () => {
    const w = await world();
    let damage = 0;
    w.fault = (message) => {
      if (!isChunk(message) || damage >= 3) return message;
      damage += 1;
      return damaged(message);
    };
    expect((await w.run(w.send().ended)).kind).toBe("installed");
    w.expectEqual();
    expect(damage).toBe(3);
  });

  it("SX-6 SX-14 a link that always damages ends the transfer, and nothing is installed", async () => {
    const w = await world();
    const before = w.target.digest();
    w.fault = damaged;
    expect(await w.run(w.send().ended)).toEqual({ kind: "failed", reason: "corrupt" });
    expect(w.target.digest()).toEqual(before);
    await w.time.advance(1_000);
    expect(w.stagedFiles()).toEqual([]);
  });

  it("SX-8 a later copy replaces one that is under way", async () => {
    const w = await world();
    const first = w.send();
    await w.until(() => w.chunks.length > 20);
    await w.fill(3);
    const second = w.send();
    expect((await w.run(first.ended)).kind).toBe("failed");
    expect((await w.run(second.ended)).kind).toBe("installed");
    w.expectEqual();
  });

  it("SX-8 the sender learns of a higher term", async () => {
    const w = await world();
    const sender = w.send();
    await w.until(() => w.chunks.length > 20);
    w.receiver?.raiseTerm(toTerm(7));
    expect(await w.run(sender.ended)).toEqual({ kind: "older_term", term: 7 });
    expect(w.stagedFiles()).toEqual([]);
  });

  it("SX-9 what is applied already is not replaced, unless it is forced", async () => {
    const w = await world();
    await w.run(w.send().ended);
    const { index } = w.source.getWALPosition();
    expect(await w.run(w.send().ended)).toEqual({ kind: "not_needed", index });
    expect((await w.run(w.send({ force: true }).ended)).kind).toBe("installed");
    expect(w.logged).toContain("snapshot_sent installed");
  });

  it("SX-14 the owner ends it; the receiver drops what it has", async () => {
    const w = await world();
    const sender = w.send();
    await w.until(() => w.chunks.length > 20);
    sender.abort();
    expect(await w.run(sender.ended)).toEqual({ kind: "failed", reason: "aborted" });
    await w.time.advance(1_000);
    expect([w.receiver?.progress(), w.stagedFiles()]).toEqual([null, []]);
    const early = w.send();
    early.abort();
    expect(await w.run(early.ended)).toEqual({ kind: "failed", reason: "aborted" });
  });

  it("SX-14 a receiver that never answers stalls it (FC-059)", async () => {
    const w = await world();
    w.fault = () => "lost";
    expect(await w.run(w.send().ended)).toEqual({ kind: "failed", reason: "stalled" });
  });

  it("SX-14 a receiver that hears nothing any more frees the disk", async () => {
    const w = await world();
    w.send();
    await w.until(() => w.chunks.length > 20);
    w.up = false;
    await w.time.advance((LIMITS.idleTicksMax + 2) * 100);
    expect([w.receiver?.progress(), w.stagedFiles()]).toEqual([null, []]);
  });

  it("SX-14 a source that gives more or less than it said, or fails, ends it", async () => {
    const w = await world();
    const reader = await w.source.snapshot();
    const outcome = async (sizeBytes: number, fail = false) => {
      const stateMachine = {
        snapshot: async () => {
          if (fail) throw new Error("no copy today");
          return { ...reader, sizeBytes, chunks: () => pieces(reader.sizeBytes) };
        },
      };
      return w.run(w.send({ stateMachine }).ended);
    };
    async function* pieces(bytes: number) {
      for (let at = 0; at < bytes; at += 1_500) yield new Uint8Array(Math.min(1_500, bytes - at));
    }
    const failed = { kind: "failed", reason: "source_failed" };
    expect(await outcome(reader.sizeBytes + 1)).toEqual(failed);
    expect(await outcome(reader.sizeBytes - 1)).toEqual(failed);
    expect(await outcome(reader.sizeBytes, true)).toEqual(failed);
  });
});

describe("a copy that is whole", () => {
  async function received(): Promise<SnapshotWorld> {
    const w = await world();
    w.install = false;
    w.send();
    await w.until(() => w.received.length === 1);
    return w;
  }

  it("SX-12 is handed over again after a power cut, until it was finished with", async () => {
    const w = await received();
    expect(w.received[0]?.offer).toMatchObject({ config: { index: NODES }, chunkBytes: 1_000 });
    w.crash(true);
    await w.open();
    expect(w.received).toHaveLength(2);
    expect(w.received[1]?.from).toBe("n1" as NodeId);
    expect(w.received[1]?.offer).toEqual(w.received[0]?.offer);
    const [, again] = w.received;
    if (again !== undefined) await w.run(w.finish(again));
    w.expectEqual();
    w.crash(true);
    await w.open();
    expect([w.received.length, w.receiver?.progress()]).toEqual([2, null]);
  });

  it("SX-10 is not disturbed by another, which waits for its turn", async () => {
    const w = await received();
    await w.fill(2);
    const second = w.send();
    await w.time.advance(3_000);
    expect(w.receiver?.progress()?.phase).toBe("installing");
    w.install = true;
    const [first] = w.received;
    if (first !== undefined) await w.run(w.finish(first));
    expect((await w.run(second.ended)).kind).toBe("installed");
    w.expectEqual();
  });

  it("SX-11 SX-13 is read with its checksum: what the disk changed is not installed (FC-126)", async () => {
    const w = await world();
    w.install = false;
    const sender = w.send();
    await w.until(() => w.received.length === 1);
    const before = w.target.digest();
    w.disk.corrupt(FILE, 20_000, 3);
    const [snapshot] = w.received;
    if (snapshot !== undefined) await w.run(w.finish(snapshot));
    expect(w.logged).toContain("install failed SNAPSHOT_INVALID");
    expect(await w.run(sender.ended)).toEqual({ kind: "failed", reason: "failed" });
    expect(w.target.digest()).toEqual(before);
    expect(w.stagedFiles()).toEqual([]);
  });
});

describe("a sender that makes mistakes", () => {
  const offer = {
    id: "a",
    term: toTerm(1),
    position: { index: toLogIndex(9), term: toTerm(1) },
    sizeBytes: 6,
    chunkBytes: 4,
    force: false,
    config: null,
  };
  const content = Buffer.from("abcdef");
  const piece = (index: number) => content.subarray(index * 4, index * 4 + 4);

  /** A receiver with the offer, and a way to hand it chunks. */
  async function offered() {
    const w = new SnapshotWorld();
    w.install = false;
    await w.open();
    const ask = (request: SnapshotRequest) =>
      w.run(w.receiver?.receive("n1" as NodeId, request) ?? Promise.reject(new Error("closed")));
    expect(await ask({ kind: "offer", offer })).toMatchObject({ kind: "ack", next: 0 });
    const chunk = (index: number, more: { sum?: number; bytes?: Uint8Array } = {}) => {
      const bytes = more.bytes ?? piece(index);
      const sum = more.sum ?? crc32(content.subarray(0, index * 4 + bytes.length));
      return ask({ kind: "chunk", id: "a", index, crc: crc32(bytes), sum, bytes });
    };
    const finish = (of: Uint8Array) =>
      ask({ kind: "finish", id: "a", sha256: hash("sha256", of, "hex") });
    return { w, chunk, finish };
  }

  it("SX-7 a chunk that does not continue what is staged ends the transfer", async () => {
    const { w, chunk } = await offered();
    await chunk(0);
    expect(await chunk(1, { sum: 7 })).toMatchObject({ kind: "refuse", reason: "foreign" });
    await w.time.advance(100);
    expect(w.stagedFiles()).toEqual([]);
  });

  it("SX-6 a chunk of the wrong length is not taken", async () => {
    const { chunk } = await offered();
    for (const bytes of [content.subarray(0, 3), content.subarray(0, 5), new Uint8Array(0)]) {
      expect(await chunk(0, { bytes })).toMatchObject({ kind: "resend", reason: "corrupt" });
    }
    expect(await chunk(0)).toMatchObject({ kind: "ack", next: 1 });
  });

  it("SX-11 a whole whose checksum differs is not handed over (FC-126)", async () => {
    const { w, chunk, finish } = await offered();
    await chunk(0);
    await chunk(1);
    expect(await finish(Buffer.from("abcdeg"))).toMatchObject({ reason: "corrupt" });
    await w.time.advance(100);
    expect([w.received, w.stagedFiles()]).toEqual([[], []]);
  });

  it("SX-11 a checksum that the disk changed shows when the copy is read", async () => {
    const { w, chunk, finish } = await offered();
    await chunk(0);
    await chunk(1);
    expect(await finish(content)).toMatchObject({ kind: "installing" });
    const [snapshot] = w.received;
    const read = async () => {
      const parts: Uint8Array[] = [];
      for await (const part of snapshot?.chunks() ?? []) parts.push(part);
      return Buffer.concat(parts).toString();
    };
    expect(await w.run(read())).toBe("abcdef");
    w.disk.corrupt(FILE, (w.disk.snapshotFiles().get(FILE)?.length ?? 0) - 1, 0);
    await expect(w.run(read())).rejects.toMatchObject({ code: "SNAPSHOT_INVALID" });
  });

  it("SX-14 messages beyond the limit are refused, not kept", async () => {
    const w = new SnapshotWorld();
    await w.open();
    const abort = { kind: "abort", id: "a" } as const;
    const sent = Array.from({ length: LIMITS.waitingMax + 1 }, () =>
      w.receiver?.receive("n1" as NodeId, abort),
    );
    await expect(sent.at(-1)).rejects.toMatchObject({ code: "OVERLOADED" });
    await w.run(Promise.all(sent.slice(0, -1)));
  });
});

describe("a disk that does not do its work", () => {
  it.each(["ENOSPC", "EIO"])(
    "SX-13 a write that fails with %s ends the transfer (FC-052)",
    async (code) => {
      const w = await world();
      const before = w.target.digest();
      const sender = w.send();
      await w.until(() => w.chunks.length > 20);
      w.disk.failNextWrite(code);
      expect(await w.run(sender.ended)).toEqual({ kind: "failed", reason: "failed" });
      expect([w.stagedFiles(), w.target.digest()]).toEqual([[], before]);
      expect((await w.run(w.send().ended)).kind).toBe("installed");
    },
  );

  it("SX-13 a sync that fails ends the transfer: what it covered is not trusted again", async () => {
    const w = await world();
    for (const where of ["folder", "file"]) {
      const before = w.chunks.length;
      const sender = w.send();
      if (where === "folder") w.disk.failNextDirectorySync("EIO");
      else {
        await w.until(() => w.chunks.length > before + 20);
        w.disk.failNextSync("EIO");
      }
      expect(await w.run(sender.ended)).toEqual({ kind: "failed", reason: "failed" });
      expect(w.stagedFiles()).toEqual([]);
    }
    expect((await w.run(w.send().ended)).kind).toBe("installed");
    w.expectEqual();
  });

  it("SX-15 an offer for which there is no room is refused at once", async () => {
    const w = await world();
    const { sizeBytes } = await w.source.snapshot();
    w.disk.capacityBytes = sizeBytes * 2 - 1;
    expect(await w.run(w.send().ended)).toEqual({ kind: "failed", reason: "no_room" });
    expect([w.chunks, w.stagedFiles()]).toEqual([[], []]);
    w.disk.capacityBytes = sizeBytes * 2 + 4_096;
    expect((await w.run(w.send().ended)).kind).toBe("installed");
  });

  it("SX-7 durable chunks that the disk lost make the sender begin with a fresh copy", async () => {
    const w = await world();
    const sender = w.send();
    await w.until(() => w.chunks.length > 30);
    w.crash(true);
    w.disk.corrupt(FILE, 5_000, 0);
    await w.open();
    expect((await w.run(sender.ended)).kind).toBe("installed");
    w.expectEqual();
    expect(w.logged).toContain("snapshot_restarted receiver_lost_chunks");
  });

  it("SX-17 whatever lies in the place of the staged file is no copy of ours, and goes; ids name no files (FC-173)", async () => {
    const w = new SnapshotWorld();
    await w.fill(NODES);
    await w.run(w.disk.makeDirectory(DIRECTORY));
    const file = w.disk.open(FILE, "create");
    file.write(Buffer.from("NORNSTAG and then nothing that makes sense"), 0);
    file.close();
    await w.open();
    expect(w.stagedFiles()).toEqual([]);
    const hostile = { id: "../../etc/passwd" };
    w.fault = (message) => ({
      ...message,
      payload: { ...(message.payload as object), ...hostile },
    });
    expect((await w.run(w.send().ended)).kind).toBe("failed");
    expect([...w.disk.snapshotFiles().keys()].filter((path) => path !== FILE)).toEqual([]);
  });
});

describe("closing", () => {
  it("SX-12 answers whoever waits, and leaves what is staged for the next start", async () => {
    const w = await world();
    const sender = w.send();
    await w.until(() => w.chunks.length > 20);
    const { receiver } = w;
    await w.run(receiver?.close() ?? Promise.resolve());
    await w.run(receiver?.close() ?? Promise.resolve());
    await expect(
      receiver?.receive("n1" as NodeId, { kind: "abort", id: "a" }),
    ).rejects.toMatchObject({ code: "CLOSED" });
    expect(w.stagedFiles()).toEqual(["incoming.snapshot"]);
    const before = w.chunks.length;
    await w.open();
    expect((await w.run(sender.ended)).kind).toBe("installed");
    expect(w.chunks[before]).toBeGreaterThan(0);
  });
});

describe("everything at once", () => {
  it("SX-1 SX-13 SX-14 whatever breaks, a copy arrives once it is whole, or the target stays as it was, in 60 seeded runs", async () => {
    const outcomes = new Map<string, number>();
    for (let seed = 1; seed <= 60; seed += 1) {
      const w = await world(seed);
      const random = w.random.fork("faults");
      const before = w.target.digest();
      let faults = 0;
      w.fault = (message) => {
        if (faults > 60 || !random.chance(1, 12)) return message;
        faults += 1;
        const how = random.below(3);
        return how === 0 ? damaged(message) : how === 1 ? "lost" : "answer_lost";
      };
      const sender = w.send();
      let ended: string | undefined;
      void sender.ended.then(({ kind }) => {
        ended = kind;
      });
      for (let i = 0; i < 6 && ended === undefined; i += 1) {
        await w.time.advance(random.between(1, 400));
        if (ended !== undefined) break;
        const how = random.below(4);
        if (how === 0) {
          w.crash(random.chance(1, 2));
          await w.time.advance(random.between(1, 3_000));
          await w.open();
        } else if (how === 1) w.disk.failNextWrite("EIO");
        else w.up = !w.up;
      }
      w.up = true;
      const { kind } = await w.run(sender.ended);
      outcomes.set(kind, (outcomes.get(kind) ?? 0) + 1);
      if (kind === "installed" || kind === "not_needed") w.expectEqual();
      else if (w.target.getWALPosition().index === 0) expect(w.target.digest()).toEqual(before);
      else w.expectEqual();
    }
    expect(outcomes.get("installed")).toBeGreaterThan(20);
  });
});
