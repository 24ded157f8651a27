import { describe, expect, it } from "vitest";
import { Clients } from "./support/clients.js";
import { finalCheck } from "./support/final-check.js";
import { canArbitrate, FAST_PAIR, HaPair } from "./support/ha-pair.js";
import { percentile } from "./support/leader-kills.js";
import { losePrimaries, lossesText } from "./support/primary-kills.js";

const ROUNDS = Number(process.env.CHAOS_ROUNDS ?? 10);
const CLIENTS = Number(process.env.CHAOS_CLIENTS ?? 32);
/** Refused clients must not keep a machine of two cores from starting processes. */
const PAUSE_MS = 100;
const SEED = Number(process.env.CHAOS_SEED ?? 1);

const TIMINGS = [
  { timings: "default timings", environment: {}, p50: 4_500, p99: 8_000 },
  { timings: "a lease of 1 s", environment: FAST_PAIR, p50: 2_000, p99: 5_000 },
];

const CASES = (["async", "semi_sync", "sync"] as const).flatMap((syncMode) =>
  (["witness", "etcd"] as const).flatMap((arbiter) =>
    TIMINGS.map((timing) => ({ syncMode, arbiter, ...timing })),
  ),
);

/** Of the standby before the kill: long enough to fill what the kernel keeps for it. */
const FROZEN_MS = 2_000;
const PAD_BYTES = 64 * 1024;

describe("a pair without its primary", () => {
  it.each(CASES)(
    `${ROUNDS} x kill -9 of the primary, $syncMode, $arbiter, $timings: nothing is lost that was promised, the old one rejoins by itself`,
    async ({ syncMode, arbiter, timings, environment, p50, p99 }) => {
      if (!canArbitrate(arbiter)) return;
      await using pair = await HaPair.open({ arbiter, syncMode, environment });
      const clients = new Clients({
        clients: CLIENTS,
        seed: SEED,
        nodes: () => pair.nodes,
        pauseMs: PAUSE_MS,
      });
      clients.start();
      const losses = await losePrimaries({ pair, clients, rounds: ROUNDS, syncMode });
      const check = await finalCheck(pair, clients);
      console.log(`kill -9, ${syncMode}, ${arbiter}, ${timings}: ${lossesText(losses)}`);
      console.log(check.text);
      expect(losses.problems).toEqual([]);
      expect(check.problems).toEqual([]);
      if (syncMode !== "async") expect(losses.lost).toBe(0);
      expect(check.acknowledged).toBeGreaterThan(ROUNDS);
      // With `sync` the new primary acknowledges nothing before the old one is back.
      const gapsMs = syncMode === "sync" ? losses.promotionsMs : losses.gapsMs;
      expect(percentile(gapsMs, 50)).toBeLessThanOrEqual(p50);
      expect(percentile(gapsMs, 99)).toBeLessThanOrEqual(p99);
    },
  );

  it(`${ROUNDS} x kill -9 of an asynchronous primary whose standby is behind: every lost write is set aside`, async () => {
    await using pair = await HaPair.open({ arbiter: "witness", syncMode: "async" });
    const clients = new Clients({
      clients: CLIENTS,
      seed: SEED,
      nodes: () => pair.nodes,
      pauseMs: PAUSE_MS,
      padBytes: PAD_BYTES,
      mix: { write: 5, cas: 0, read: 20 },
    });
    clients.start();
    const losses = await losePrimaries({
      pair,
      clients,
      rounds: ROUNDS,
      syncMode: "async",
      frozenMs: FROZEN_MS,
    });
    const check = await finalCheck(pair, clients);
    console.log(`kill -9, async, standby frozen for ${FROZEN_MS} ms: ${lossesText(losses)}`);
    console.log(check.text);
    expect(losses.problems).toEqual([]);
    expect(check.problems).toEqual([]);
    expect(losses.lost).toBeGreaterThan(0);
  });
});
