import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { startNornicd } from "../process/support/nornicd.js";
import { checkPairs, PairWriters, verifyDigest } from "../process/support/pair-writers.js";
import { memoryVolume } from "../process/support/volumes.js";

const MIB = 1024 * 1024;

async function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    if (await condition()) return;
    await sleep(100);
  }
  throw new Error(`not within a minute: ${what}`);
}

const stateOf = async (url: string) => {
  const health = (await (await fetch(`${url}/health`)).json()) as {
    replication: { state: string };
  };
  return health.replication.state;
};

describe("a disk that is full", () => {
  it.each([0, 16])(
    "refuses writes, answers reads, and recovers with a reserve of %i MiB (FC-036, FC-047)",
    async (reserve) => {
      const volume = memoryVolume(160);
      const ballast = path.join(volume.directory, "ballast");
      writeFileSync(ballast, Buffer.alloc(64 * MIB, 1));
      const dataDir = path.join(volume.directory, "data");
      const server = await startNornicd({
        dataDir,
        environment: { NORNICDB_DISK_RESERVE_BYTES: String(reserve * MIB) },
      });
      try {
        const writers = new PairWriters(1);
        const writing = writers.run(server.url, 32);
        await until("writes are refused", () => writers.refused > 50);
        expect(await stateOf(server.url)).toBe("read_only");
        const before = writers.acknowledged.length;
        const some = writers.acknowledged.slice(0, 200);
        expect((await checkPairs(server.url, some)).missing).toEqual([]);

        rmSync(ballast);
        await until("writes are taken again", () => writers.acknowledged.length > before + 100);
        writers.stop();
        await writing;
        expect((await checkPairs(server.url, writers.acknowledged)).missing).toEqual([]);
        await verifyDigest(server.url);
        await server.kill("SIGKILL");
        const again = await startNornicd({ dataDir });
        expect((await checkPairs(again.url, writers.acknowledged)).missing).toEqual([]);
        await verifyDigest(again.url);
        await again.kill("SIGTERM");
      } finally {
        server.process.kill("SIGKILL");
        volume.destroy();
      }
    },
  );
});

describe("a sync that fails", () => {
  it("stops the process with a clear message and loses nothing acknowledged (FC-035)", async () => {
    const dataDir = mkdtempSync(path.join(tmpdir(), "nornic-sync-"));
    const first = await startNornicd({ dataDir });
    await first.kill("SIGTERM");
    const server = await startNornicd({
      dataDir,
      wrapper: [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fdatasync",
        "-e",
        "inject=fdatasync:error=EIO:when=60+",
      ],
    });
    try {
      const writers = new PairWriters(1);
      const writing = writers.run(server.url, 16);
      const exit = await server.exited;
      await writing;
      expect(exit.code).toBe(70);
      expect(server.log()).toMatch(/node_failed.*EIO/);
      expect(writers.acknowledged.length).toBeGreaterThan(0);
      const again = await startNornicd({ dataDir });
      expect((await checkPairs(again.url, writers.acknowledged)).missing).toEqual([]);
      expect((await checkPairs(again.url, writers.unknown)).half).toBe(0);
      await verifyDigest(again.url);
      await again.kill("SIGTERM");
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});
