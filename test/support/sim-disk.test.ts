import { describe, expect, test } from "vitest";
import { seededRandom } from "./seeded-random.js";
import { SimDisk } from "./sim-disk.js";
import { VirtualTime } from "./virtual-time.js";

const bytes = (size: number, fill: number) => new Uint8Array(size).fill(fill);

function newDisk(seed: number | string) {
  const time = new VirtualTime();
  const disk = new SimDisk({ time, random: seededRandom(seed) });
  return { time, disk };
}

async function syncedFile(disk: SimDisk, path: string, content: Uint8Array) {
  await disk.makeDirectory("/d");
  const file = disk.open(path, "create");
  file.write(content, 0);
  await file.sync();
  await disk.syncDirectory("/");
  await disk.syncDirectory("/d");
  return file;
}

describe("SimDisk", () => {
  test("RT-20 synced data survives 1,000 crashes and unsynced data is lost in some (FC-036)", async () => {
    let lost = 0;
    let kept = 0;
    let torn = 0;
    for (let seed = 0; seed < 1000; seed += 1) {
      const { disk } = newDisk(seed);
      const file = await syncedFile(disk, "/d/log", bytes(3000, 1));
      file.write(bytes(2000, 2), 3000);
      disk.crash();
      const after = disk.snapshotFiles().get("/d/log");
      expect(Buffer.compare(after?.subarray(0, 3000) ?? bytes(0, 0), bytes(3000, 1))).toBe(0);
      const tail = [...(after?.subarray(3000) ?? [])];
      if (tail.length === 2000 && tail.every((byte) => byte === 2)) kept += 1;
      else if (tail.every((byte) => byte !== 2)) lost += 1;
      else torn += 1;
    }
    expect(lost).toBeGreaterThan(0);
    expect(kept).toBeGreaterThan(0);
    expect(torn).toBeGreaterThan(0);
  });

  test("RT-20 sectors go each on its own: a later one may be there without an earlier one (FC-044)", async () => {
    let reordered = 0;
    for (let seed = 0; seed < 200; seed += 1) {
      const { disk } = newDisk(seed);
      const file = await syncedFile(disk, "/d/log", bytes(1024, 1));
      file.write(bytes(512, 2), 0);
      file.write(bytes(512, 3), 512);
      disk.crash({ tornPercent: 0 });
      const after = disk.snapshotFiles().get("/d/log");
      expect([1, 2]).toContain(after?.[0]);
      if (after?.[0] === 1 && after[512] === 3) reordered += 1;
    }
    expect(reordered).toBeGreaterThan(0);
  });

  test("RT-20 a sync covers what was written before it was asked for, not what came after", async () => {
    const { time, disk } = newDisk(1);
    const file = await syncedFile(disk, "/d/log", bytes(10, 1));
    disk.syncDelayMs = 5;
    file.write(bytes(10, 2), 10);
    const syncing = file.sync();
    file.write(bytes(10, 3), 20);
    await time.run(syncing, { ticksMax: 10 });
    expect(time.monotonicMs()).toBe(5);
    expect(disk.syncedFiles().get("/d/log")).toEqual(
      Uint8Array.from([...bytes(10, 1), ...bytes(10, 2)]),
    );
  });

  test("RT-21 a new file, a rename and a removal may be undone without a folder sync (FC-037)", async () => {
    const seen = { created: 0, renamed: 0, removed: 0 };
    for (let seed = 0; seed < 200; seed += 1) {
      const { disk } = newDisk(seed);
      await syncedFile(disk, "/d/old", bytes(4, 1));
      await syncedFile(disk, "/d/doomed", bytes(4, 2));
      const fresh = disk.open("/d/new", "create");
      fresh.write(bytes(4, 3), 0);
      await fresh.sync();
      disk.rename("/d/old", "/d/moved");
      disk.remove("/d/doomed");
      disk.crash();
      const names = disk.list("/d");
      expect(names.filter((name) => name === "old" || name === "moved")).toHaveLength(1);
      if (names.includes("new")) seen.created += 1;
      if (names.includes("moved")) seen.renamed += 1;
      if (!names.includes("doomed")) seen.removed += 1;
    }
    for (const count of Object.values(seen)) {
      expect(count).toBeGreaterThan(20);
      expect(count).toBeLessThan(180);
    }
  });

  test("RT-21 a folder that was never synced into its parent takes its files with it (FC-037)", async () => {
    const { disk } = newDisk(3);
    disk.stall();
    void disk.makeDirectory("/a/b");
    const file = disk.open("/a/b/log", "create");
    file.write(bytes(4, 1), 0);
    disk.crash({ keepPercent: 0 });
    expect(disk.exists("/a/b/log")).toBe(false);
    expect(disk.hits.crash_lost_name).toBe(1);
  });

  test("RT-21 what was cut off may be back when the cut was not synced (FC-040)", async () => {
    let back = 0;
    for (let seed = 0; seed < 100; seed += 1) {
      const { disk } = newDisk(seed);
      const file = await syncedFile(disk, "/d/log", bytes(100, 1));
      file.truncate(40);
      disk.crash();
      const size = disk.snapshotFiles().get("/d/log")?.length;
      expect([40, 100]).toContain(size);
      if (size === 100) back += 1;
    }
    expect(back).toBeGreaterThan(0);
    expect(back).toBeLessThan(100);
  });

  test("RT-22 after a failed sync readers see the data, later syncs pass, and a crash shows the loss (FC-035)", async () => {
    let lost = 0;
    for (let seed = 0; seed < 50; seed += 1) {
      const { disk } = newDisk(seed);
      const file = await syncedFile(disk, "/d/log", bytes(512, 1));
      file.write(bytes(512, 2), 0);
      disk.failNextSync("EIO");
      await expect(file.sync()).rejects.toMatchObject({ code: "EIO" });
      await file.sync();
      const target = bytes(512, 0);
      file.read(target, 0);
      expect(target).toEqual(bytes(512, 2));
      disk.crash({ keepPercent: 100, tornPercent: 0 });
      if (disk.snapshotFiles().get("/d/log")?.[0] === 1) lost += 1;
      expect(disk.hits.sync_failed).toBe(1);
    }
    expect(lost).toBeGreaterThan(0);
  });

  test("RT-22 a full disk takes a prefix and says ENOSPC (FC-036)", async () => {
    const { disk } = newDisk(1);
    const file = await syncedFile(disk, "/d/log", bytes(100, 1));
    disk.capacityBytes = 130;
    expect(disk.freeBytes()).toBe(30);
    expect(() => file.write(bytes(50, 2), 100)).toThrow(
      expect.objectContaining({ code: "ENOSPC" }),
    );
    expect(file.sizeBytes()).toBe(130);
    file.write(bytes(30, 3), 100);
    expect(disk.hits.disk_full).toBe(1);
  });

  test("RT-22 a failed write puts down a prefix; a failed read and folder sync are told", async () => {
    const { disk } = newDisk(1);
    const file = await syncedFile(disk, "/d/log", bytes(10, 1));
    disk.failNextWrite("EIO");
    expect(() => file.write(bytes(100, 2), 10)).toThrow(expect.objectContaining({ code: "EIO" }));
    expect(file.sizeBytes()).toBeLessThanOrEqual(110);
    disk.failNextRead("EIO");
    expect(() => file.read(bytes(1, 0), 0)).toThrow(expect.objectContaining({ code: "EIO" }));
    disk.failNextDirectorySync("EIO");
    await expect(disk.syncDirectory("/d")).rejects.toMatchObject({ code: "EIO" });
    expect(disk.hits).toMatchObject({ write_failed: 1, read_failed: 1, sync_failed: 1 });
  });

  test("RT-22 a stalled sync ends when the disk goes on (FC-047)", async () => {
    const { time, disk } = newDisk(1);
    const file = await syncedFile(disk, "/d/log", bytes(10, 1));
    disk.stall();
    let ended = false;
    const syncing = file.sync().then(() => {
      ended = true;
    });
    await time.advance(10_000);
    expect(ended).toBe(false);
    disk.unstall();
    await time.run(syncing, { ticksMax: 10 });
    expect(disk.hits.sync_stalled).toBe(1);
  });

  test("RT-22 a flipped bit is read back flipped, also after a crash", async () => {
    const { disk } = newDisk(1);
    await syncedFile(disk, "/d/log", bytes(10, 1));
    disk.corrupt("/d/log", 4, 7);
    disk.crash();
    expect(disk.snapshotFiles().get("/d/log")?.[4]).toBe(129);
  });

  test("RT-23 handles and locks of the ended process are dead, those of the next work (FC-041)", async () => {
    const { disk } = newDisk(1);
    const file = await syncedFile(disk, "/d/log", bytes(10, 1));
    const lock = disk.lock("/d/lock");
    expect(() => disk.lock("/d/lock")).toThrow(expect.objectContaining({ code: "ELOCKED" }));
    file.write(bytes(5, 2), 10);
    disk.kill();
    expect(() => file.write(bytes(1, 1), 0)).toThrow(expect.objectContaining({ code: "EBADF" }));
    await expect(file.sync()).rejects.toMatchObject({ code: "EBADF" });
    expect(disk.open("/d/log", "read").sizeBytes()).toBe(15);
    disk.lock("/d/lock");
    lock.release();
    expect(() => disk.lock("/d/lock")).toThrow(expect.objectContaining({ code: "ELOCKED" }));
  });

  test("RT-24 the same seed gives the same disk and trace, another seed another", async () => {
    const run = async (seed: number) => {
      const { time, disk } = newDisk(seed);
      const file = await syncedFile(disk, "/d/log", bytes(5000, 1));
      file.write(bytes(5000, 2), 2500);
      disk.crash();
      time.trace.noteBytes("end", disk.snapshotFiles().get("/d/log") ?? bytes(0, 0));
      return time.trace.digest();
    };
    expect(await run(7)).toBe(await run(7));
    expect(await run(8)).not.toBe(await run(7));
  });
});
