import { describe, expect, it } from "vitest";
import { SimDisk, seededRandom, VirtualTime } from "../../../test/support/index.js";
import { toTerm } from "../../base/index.js";
import { silentLogger } from "../../runtime/index.js";
import { FailoverLog } from "./failover-log.js";

const PATH = "/data/failovers.jsonl";

function world() {
  const time = new VirtualTime();
  const disk = new SimDisk({ time, random: seededRandom(7) });
  const open = () =>
    FailoverLog.open({ fileSystem: disk, directory: "/data", clock: time, logger: silentLogger });
  return { disk, time, open };
}

const promoted = (epoch: number) => ({ event: "became_primary", epoch: toTerm(epoch), cause: "x" });

const epochs = (log: FailoverLog) => log.list().map(({ epoch }) => epoch);

describe("the history of a pair's roles", () => {
  it("HB-60 is there after a power cut, in order, with time, epoch, cause and what was set aside", async () => {
    const { disk, open } = world();
    const log = open();
    log.record(promoted(2));
    const lost = { event: "salvaged", epoch: toTerm(3), cause: "entries 5 to 9", entries: 5 };
    log.record({ ...lost, salvage: "5-2-17" });
    await log.close();
    const before = log.list();
    expect(before).toMatchObject([promoted(2), { ...lost, salvage: "5-2-17" }]);
    disk.crash({ keepPercent: 0 });
    const again = open();
    expect(again.list()).toEqual(before);
    again.record(promoted(4));
    await again.close();
    disk.crash({ keepPercent: 0 });
    expect(epochs(open())).toEqual([2, 3, 4]);
  });

  it("HB-60 keeps the newest 1,000, in a file that does not grow beyond twice that", async () => {
    const { disk, open } = world();
    const log = open();
    for (let epoch = 1; epoch <= 2_500; epoch += 1) {
      log.record(promoted(epoch));
      await log.close();
    }
    expect(epochs(log)).toEqual(Array.from({ length: 1_000 }, (_, at) => at + 1_501));
    expect(epochs(open())).toEqual(epochs(log));
    const file = disk.open(PATH, "read");
    const bytes = new Uint8Array(file.sizeBytes());
    file.read(bytes, 0);
    expect(Buffer.from(bytes).toString().split("\n").length).toBeLessThanOrEqual(2_001);
  });

  it("HB-60 a torn or damaged line is left out, and the next event makes the file whole", async () => {
    const { disk, open } = world();
    const log = open();
    for (const epoch of [2, 3, 4]) log.record(promoted(epoch));
    await log.close();
    const file = disk.open(PATH, "write");
    file.write(Buffer.from("X"), 0);
    file.truncate(file.sizeBytes() - 4);
    const found = open();
    expect(epochs(found)).toEqual([3]);
    found.record(promoted(5));
    await found.close();
    expect(epochs(open())).toEqual([3, 5]);
  });

  it("HB-60 what a full disk refused is written with the next event", async () => {
    const { disk, open } = world();
    const log = open();
    log.record(promoted(2));
    await log.close();
    const { capacityBytes } = disk;
    disk.capacityBytes = 0;
    log.record(promoted(3));
    await log.close();
    expect(epochs(log)).toEqual([2, 3]);
    expect(epochs(open())).toEqual([2]);
    disk.capacityBytes = capacityBytes;
    log.record(promoted(4));
    await log.close();
    expect(epochs(open())).toEqual([2, 3, 4]);
  });
});
