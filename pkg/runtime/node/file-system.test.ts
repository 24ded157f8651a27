import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { nodeFileSystem } from "./file-system.js";

const fs = nodeFileSystem();
const code = (value: string) => expect.objectContaining({ code: value });
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "runtime-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("nodeFileSystem", () => {
  test("RT-4 files keep what was written at its position, across handles", async () => {
    const path = join(folder, "a/b/log");
    await fs.makeDirectory(join(folder, "a/b"));
    await fs.makeDirectory(join(folder, "a/b"));
    expect(() => fs.open(path, "write")).toThrow(code("ENOENT"));
    const file = fs.open(path, "create");
    expect(() => fs.open(path, "create")).toThrow(code("EEXIST"));
    file.write(Uint8Array.of(1, 2, 3, 4), 0);
    file.write(Uint8Array.of(9), 6);
    file.truncate(8);
    await Promise.all([file.sync(), file.sync()]);
    const target = new Uint8Array(16);
    expect(fs.open(path, "read").read(target, 2)).toBe(6);
    expect([...target.subarray(0, 6)]).toEqual([3, 4, 0, 0, 9, 0]);
    expect(file.sizeBytes()).toBe(8);
    fs.rename(path, join(folder, "a/b/new"));
    fs.open(join(folder, "a/b/x"), "create").close();
    await fs.syncDirectory(join(folder, "a/b"));
    expect(fs.list(join(folder, "a/b"))).toEqual(["new", "x"]);
    fs.remove(join(folder, "a/b/x"));
    expect(fs.exists(join(folder, "a/b/x"))).toBe(false);
    expect(fs.freeBytes(folder)).toBeGreaterThan(0);
    file.close();
  });

  test("RT-4 closing while a sync is under way lets it end; after that every call is refused", async () => {
    const file = fs.open(join(folder, "log"), "create");
    file.write(new Uint8Array(4096), 0);
    const syncing = file.sync();
    file.close();
    file.close();
    await syncing;
    expect(() => file.write(Uint8Array.of(1), 0)).toThrow(code("EBADF"));
    await expect(file.sync()).rejects.toMatchObject({ code: "EBADF" });
    await expect(fs.syncDirectory(join(folder, "none"))).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("lock", () => {
  const stale = (pid: number, start: string) =>
    JSON.stringify({ pid, start, boot: "", token: "0123456789abcdef" });

  test("RT-5 the same process is refused until it releases, naming its pid (FC-041)", () => {
    const path = join(folder, "lock");
    const lock = fs.lock(path);
    expect(() => fs.lock(path)).toThrow(code("ELOCKED"));
    expect(() => fs.lock(path)).toThrow(String(process.pid));
    lock.release();
    lock.release();
    fs.lock(path).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("RT-5 a live process keeps its lock; killed, it loses it (FC-041)", async () => {
    const path = join(folder, "lock");
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000); console.log('up')"]);
    await once(child.stdout, "data");
    writeFileSync(path, stale(child.pid ?? 0, ""));
    expect(() => fs.lock(path)).toThrow(`pid ${child.pid}`);
    child.kill("SIGKILL");
    await once(child, "exit");
    const lock = fs.lock(path);
    expect(readFileSync(path, "utf8")).toContain(`"pid":${process.pid}`);
    expect(readdirSync(folder)).toEqual(["lock"]);
    lock.release();
  });

  test("RT-5 a reused pid, an empty file and an unfinished takeover do not keep the lock", () => {
    const path = join(folder, "lock");
    const { pid } = spawnSync(process.execPath, ["-e", ""]);
    for (const content of [stale(process.ppid, "1"), "", stale(pid, "1")]) {
      writeFileSync(path, content);
      if (content !== "") writeFileSync(`${path}.0123456789abcdef`, stale(pid, "1"));
      fs.lock(path).release();
      expect(readdirSync(folder)).not.toContain("lock");
    }
  });

  test("RT-5 a dead owner is replaced once: whoever comes next finds a live one", () => {
    const path = join(folder, "lock");
    writeFileSync(path, stale(spawnSync(process.execPath, ["-e", ""]).pid, "1"));
    const results = Array.from({ length: 20 }, () => {
      try {
        return fs.lock(path);
      } catch {
        return undefined;
      }
    });
    expect(results.filter((lock) => lock !== undefined)).toHaveLength(1);
  });
});
