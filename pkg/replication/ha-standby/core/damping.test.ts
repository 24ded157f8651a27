import { describe, expect, it } from "vitest";
import { Lab, TICKS } from "./testing.js";

const DAMPING = 300;
const OTHER = { a: "b", b: "a" } as const;
type Id = keyof typeof OTHER;

/** A blip that lasts until the other node has taken over. @returns its ticks */
function blip(lab: Lab, primary: Id): number {
  const heir = OTHER[primary];
  lab.isolate(primary);
  lab.arbiter.fate = (from) => (from === primary ? "failed" : "answered");
  let ticks = 0;
  lab.until(
    () => {
      ticks += 1;
      return lab.view(heir).isLeader;
    },
    `${heir} takes over`,
    2_000,
  );
  lab.cut.clear();
  lab.arbiter.fate = () => "answered";
  const follows = () =>
    lab.stage(primary) === "streaming" && lab.state(primary).follow?.told === true;
  lab.until(follows, `${primary} streams`, 2_000);
  return ticks;
}

describe("damping", () => {
  it("HA-31 blips one after another: whoever was deposed soon waits longer each time, within a bound; a long leadership ends that (FC-098)", () => {
    const lab = new Lab(["a", "b"], { ticks: { ...TICKS, dampingTicks: DAMPING } }).found();
    const first = blip(lab, "a");
    const ticks = [first];
    for (let round = 0; round < 7; round += 1) {
      blip(lab, "b");
      ticks.push(blip(lab, "a"));
    }
    const more = ticks.map((one) => (one - first) / TICKS.failoverTicks);
    expect(more).toEqual([0, 1, 2, 3, 4, 4, 4, 4]);

    lab.tick(DAMPING + 1);
    blip(lab, "b");
    lab.tick(DAMPING + 1);
    expect(blip(lab, "a")).toBeLessThanOrEqual(first + TICKS.heartbeatTicks);
  });
});
