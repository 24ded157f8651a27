import { describe, expect, it } from "vitest";
import { SimDisk, seededRandom, VirtualTime } from "../../../../test/support/index.js";
import { type LogIndex, type NodeId, toLogIndex, toTerm } from "../../../base/index.js";
import type { Entry } from "../../ports/index.js";
import { SalvageFiles } from "./salvage-files.js";

const DIRECTORY = "/data/salvage";
const payload = (text: string) => new Uint8Array(Buffer.from(text));

function entries(count: number): Entry[] {
  return Array.from({ length: count }, (_, at) => {
    const index = toLogIndex(5 + at);
    if (at === 0) return { index, term: toTerm(3), kind: "noop", payload: new Uint8Array(0) };
    const text = `{"Type":7,"Data":"AA==","Timestamp":"2026-01-01T00:00:00Z","RequestID":"\\u003cé,\\"command\\":${at}"}`;
    return { index, term: toTerm(3), kind: "command", payload: payload(text) };
  });
}

async function open(count: number, pageEntries = 3) {
  const time = new VirtualTime();
  const disk = new SimDisk({ time, random: seededRandom(3) });
  const files = new SalvageFiles({ fileSystem: disk, directory: DIRECTORY, clock: time });
  const all = entries(count);
  const read = (from: LogIndex) => all.slice(from - 5, from - 5 + pageEntries);
  const origin = {
    node: "n1" as NodeId,
    primary: "n2" as NodeId,
    epoch: toTerm(4),
    first: { index: toLogIndex(5), term: toTerm(3) },
    last: toLogIndex(4 + count),
  };
  const save = () => files.write(origin, read);
  return { disk, files, all, save };
}

describe("salvage files", () => {
  it("LW-1 a tail comes back entry by entry, bytes and all, also after a power cut", async () => {
    const { disk, files, all, save } = await open(11);
    const id = await save();
    disk.crash({ keepPercent: 0 });
    expect(files.list()).toHaveLength(1);
    expect(files.summary(id)).toMatchObject({
      node: "n1",
      primary: "n2",
      epoch: 4,
      first: 5,
      last: 15,
      commands: 10,
      replayedAt: null,
    });
    expect([...files.entries(id)]).toEqual(all);
  });

  it("LW-1 without a directory there is nothing to list", async () => {
    const { files } = await open(1);
    expect(files.list()).toEqual([]);
  });

  it("LW-2 a file that is not what was written gives none of its entries, and is not listed", async () => {
    const { disk, files, save } = await open(6);
    const id = await save();
    const path = `${DIRECTORY}/${id}.salvage`;
    const file = disk.open(path, "write");
    file.write(Buffer.from("X"), 200);
    expect(() => [...files.entries(id)]).toThrow(/is not what was written/);
    file.truncate(40);
    file.close();
    expect(files.list()).toEqual([]);
  });

  it("LW-3 what was offered again is marked, what is discarded is gone", async () => {
    const { files, save } = await open(2);
    const id = await save();
    await files.markReplayed(id);
    await files.markReplayed(id);
    expect(files.summary(id).replayedAt).not.toBeNull();
    await files.discard(id);
    expect(files.list()).toEqual([]);
    expect(() => files.summary(id)).toThrow(/there is no salvage file/);
  });

  it.each(["../../etc/passwd", "", "1-2", "1-2-3/../4"])(
    "LW-3 no id leads out of the folder: %j",
    async (id) => {
      const { files, save } = await open(2);
      await save();
      await expect(files.discard(id)).rejects.toMatchObject({ code: "NOT_FOUND" });
    },
  );
});
