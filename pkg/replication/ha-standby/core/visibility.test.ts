import { describe, expect, it } from "vitest";
import { Lab } from "./testing.js";

const READ = 50;

describe("what readers see", () => {
  it.each([
    ["semi_sync", "received"],
    ["sync", "persisted"],
  ] as const)(
    "HA-7 HA-8 %s: what no standby has %s is not applied on the primary, and no read sees it (FC-103)",
    (syncMode, _what) => {
      const lab = new Lab(["a", "b"], { syncMode }).found();
      const { applied } = lab.state("a");
      lab.loses = "wal_batch";
      lab.propose("a", 1);
      lab.input("a", { kind: "read", ticket: READ });
      lab.tick();
      expect(lab.state("a").durable).toBeGreaterThan(applied);
      expect(lab.state("a").applied).toBe(applied);
      expect(lab.asked("a", "read_ready")).toEqual([
        { kind: "read_ready", ticket: READ, index: applied },
      ]);
      expect(lab.answers("a")).not.toContain("answer 1");

      lab.loses = null;
      lab.until(() => lab.answers("a").includes("answer 1"), "b has it");
      expect(lab.state("a").applied).toBe(lab.state("a").log.last);
    },
  );

  it("HA-14 a standby does not apply what the primary has not called committed (FC-103)", () => {
    const lab = new Lab(["a", "b", "c"], { syncMode: "sync" }).found();
    const { applied } = lab.state("b");
    lab.cut.add("a>c");
    lab.propose("a", 1);
    lab.tick(2);
    expect(lab.state("b").durable).toBeGreaterThan(applied);
    expect(lab.state("b").applied).toBe(applied);
    lab.cut.clear();
    lab.until(() => lab.state("b").applied > applied, "c has it, too");
  });
});
