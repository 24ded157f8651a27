import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 25;
const WAIT_MS_MAX = 30_000;

/** Time as a contract needs it, where it really passes. */
export const realTime = {
  nowMs: () => performance.now(),
  pass: (ms: number) => sleep(ms),
  async until(condition: () => Promise<boolean>): Promise<void> {
    const endMs = performance.now() + WAIT_MS_MAX;
    while (!(await condition())) {
      if (performance.now() > endMs) throw new Error("it did not come true");
      await sleep(POLL_MS);
    }
  },
};
