import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { startNornicd } from "../process/support/nornicd.js";
import { checkPairs, PairWriters, verifyDigest } from "../process/support/pair-writers.js";
import { cutPower, loopVolume } from "../process/support/volumes.js";

const CUTS = Number(process.env.CHAOS_CUTS ?? 10);

describe("power loss on a real file system", () => {
  it.each(["ext4", "xfs"] as const)(
    `%s: ${CUTS} cuts lose no acknowledged write (FC-037, FC-039)`,
    async (type) => {
      const volume = loopVolume(type, 1_024);
      const dataDir = path.join(volume.directory, "data");
      const acknowledged: number[] = [];
      let next = 1;
      try {
        for (let cut = 1; cut <= CUTS; cut += 1) {
          const server = await startNornicd({ dataDir });
          const writers = new PairWriters(next);
          const writing = writers.run(server.url, 32);
          await sleep(200 + Math.random() * 800);
          cutPower(volume);
          await sleep(50);
          await server.kill("SIGKILL");
          await writing;
          next = writers.nextNumber;
          acknowledged.push(...writers.acknowledged);
          volume.unmount();
          volume.remount();

          const again = await startNornicd({ dataDir });
          const kept = await checkPairs(again.url, acknowledged);
          const others = await checkPairs(again.url, writers.unknown);
          await verifyDigest(again.url);
          await again.kill(cut % 2 === 0 ? "SIGKILL" : "SIGTERM");
          expect(kept.missing, `cut ${cut}`).toEqual([]);
          expect(others.half, `cut ${cut}`).toBe(0);
        }
        console.log(`${type}: ${CUTS} cuts, ${acknowledged.length} acknowledged, 0 lost`);
        expect(acknowledged.length).toBeGreaterThan(CUTS * 10);
      } finally {
        volume.destroy();
      }
    },
  );
});
