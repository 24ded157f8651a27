import { describe, expect, it } from "vitest";
import { SimDisk, seededRandom, VirtualTime } from "../../../test/support/index.js";
import { toLogIndex, toTerm } from "../../base/index.js";
import { InstallingFile } from "./installing-file.js";

const POSITION = { index: toLogIndex(70), term: toTerm(4) };

async function open() {
  const disk = new SimDisk({ time: new VirtualTime(), random: seededRandom(5) });
  await disk.makeDirectory("/data");
  return { disk, file: new InstallingFile(disk, "/data") };
}

describe("a copy that is being put in place", () => {
  it("HB-11 is known after a power cut, and forgotten once it is there", async () => {
    const { disk, file } = await open();
    expect(file.read()).toBeNull();
    await file.write(POSITION);
    disk.crash({ keepPercent: 0 });
    expect(file.read()).toEqual(POSITION);
    await file.clear();
    disk.crash({ keepPercent: 0 });
    expect(file.read()).toBeNull();
  });

  it("HB-11 a file that names no position is refused with what to do", async () => {
    const { disk, file } = await open();
    disk.open("/data/installing.json", "create").write(Buffer.from("{}"), 0);
    expect(() => file.read()).toThrow(/installing.json cannot be read/);
  });
});
