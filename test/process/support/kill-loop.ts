import { setTimeout as sleep } from "node:timers/promises";
import { startNornicd } from "./nornicd.js";
import { checkPairs, PairWriters, verifyDigest } from "./pair-writers.js";

export interface KillLoopReport {
  readonly kills: number;
  readonly acknowledged: number;
  readonly unknown: number;
  /** Writes without an answer that turned out to be there, whole. */
  readonly unknownWhole: number;
  readonly lost: readonly number[];
  readonly half: number;
}

/**
 * Starts the server, writes, kills it at a random moment, starts it again, and looks: every
 * acknowledged write of that round must be there, every other one whole or absent, and the digest
 * equal to one computed from the rows. At the end all rounds are looked at once more.
 */
export async function killLoop(options: {
  readonly dataDir: string;
  readonly kills: number;
  readonly writers: number;
  readonly log?: (line: string) => void;
}): Promise<KillLoopReport> {
  const all: number[] = [];
  const lost: number[] = [];
  let [unknown, unknownWhole, half, next] = [0, 0, 0, 1];
  for (let kill = 1; kill <= options.kills; kill += 1) {
    const server = await startNornicd({ dataDir: options.dataDir });
    const writers = new PairWriters(next);
    const writing = writers.run(server.url, options.writers);
    await sleep(40 + Math.random() * 260);
    await server.kill("SIGKILL");
    await writing;
    next = writers.nextNumber;

    const again = await startNornicd({ dataDir: options.dataDir });
    const kept = await checkPairs(again.url, writers.acknowledged);
    const others = await checkPairs(again.url, writers.unknown);
    await verifyDigest(again.url);
    await again.kill("SIGKILL");
    all.push(...writers.acknowledged);
    lost.push(...kept.missing);
    unknown += writers.unknown.length;
    unknownWhole += others.whole;
    half += kept.half + others.half;
    if (kill % 10 === 0)
      options.log?.(`${kill} kills, ${all.length} acknowledged, ${lost.length} lost`);
  }
  const server = await startNornicd({ dataDir: options.dataDir });
  const final = await checkPairs(server.url, all);
  await verifyDigest(server.url);
  await server.kill("SIGTERM");
  lost.push(...final.missing);
  half += final.half;
  return { kills: options.kills, acknowledged: all.length, unknown, unknownWhole, lost, half };
}
