import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Acknowledgements } from "./support/acknowledgements.js";
import { Clients } from "./support/clients.js";
import { finalCheck } from "./support/final-check.js";
import { FAST_PAIR, HaPair } from "./support/ha-pair.js";
import { firstEntryOf, killAtAck, notSetAside, promoted } from "./support/primary-kills.js";

const ROUNDS = Number(process.env.CHAOS_ROUNDS ?? 20);
const CLIENTS = Number(process.env.CHAOS_CLIENTS ?? 32);
const SEED = Number(process.env.CHAOS_SEED ?? 1);
const PAUSE_MS = 100;
const SETTLE_MS = 300;

describe("both nodes of a pair killed at the moment of an acknowledgement", () => {
  it.each(["async", "semi_sync", "sync"] as const)(
    `${ROUNDS} x %s: both come back with all of it; a standby that comes back alone has what its mode promises`,
    async (syncMode) => {
      await using pair = await HaPair.open({
        arbiter: "witness",
        syncMode,
        environment: FAST_PAIR,
      });
      const nodes = () => pair.nodes;
      const clients = new Clients({ clients: CLIENTS, seed: SEED, nodes, pauseMs: PAUSE_MS });
      const acknowledgements = new Acknowledgements();
      clients.onWrite = (write) => acknowledgements.add(write);
      clients.start();
      const problems: string[] = [];
      let [lostTogether, lostAlone] = [0, 0];
      for (let round = 1; round <= ROUNDS; round += 1) {
        const primary = await pair.leader();
        const standby = pair.other(primary);
        await pair.streams(standby);
        await sleep(SETTLE_MS);
        const { check } = await killAtAck(clients, primary, standby);
        const isAlone = round % 2 === 0;
        if (isAlone) {
          await standby.start();
          await promoted(standby, { force: true, others_stopped: true });
          await primary.start();
        } else await Promise.all([primary.start(), standby.start()]);
        const leader = await pair.leader();
        await pair.streams(pair.other(leader));
        const epoch = await pair.term();
        const lost = acknowledgements.lostTo(epoch, firstEntryOf(leader, epoch));
        if (isAlone) lostAlone += lost.length;
        else lostTogether += lost.length;
        clients.forget(lost.map(({ requestId }) => requestId));
        for (const id of await notSetAside(primary, lost)) {
          problems.push(`${round}: ${id} was acknowledged, is lost and was not set aside`);
        }
        acknowledgements.settle(epoch);
        const report = check();
        if (report.verdict !== "linearizable") problems.push(`${round}: ${report.text}`);
      }
      const final = await finalCheck(pair, clients);
      console.log(
        `${ROUNDS} x both killed, ${syncMode}: ${lostTogether} acknowledged writes lost where both ` +
          `came back, ${lostAlone} where the standby came back alone; ${final.text}`,
      );
      expect(problems).toEqual([]);
      expect(acknowledgements.problems()).toEqual([]);
      expect(final.problems).toEqual([]);
      expect(lostTogether).toBe(0);
      if (syncMode === "sync") expect(lostAlone).toBe(0);
    },
  );
});
