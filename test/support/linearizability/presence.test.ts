import { describe, expect, it } from "vitest";
import { checkPresence } from "./index.js";

describe("checkPresence", () => {
  it("LN-15 all acknowledged once, some of the unknown: passed", () => {
    const report = checkPresence({
      acknowledged: ["a", "b"],
      unknown: ["c", "d"],
      found: ["b", "c", "a"],
    });
    expect(report).toMatchObject({
      ok: true,
      lost: [],
      doubled: [],
      invented: [],
      unknownFound: 1,
    });
    expect(report.text).toBe("present: 2 acknowledged, 3 found, 1 of them with unknown outcome");
  });

  it("LN-15 an empty set with nothing acknowledged is fine", () => {
    expect(checkPresence({ acknowledged: [], found: [] }).ok).toBe(true);
  });

  it.each([
    ["lost", { acknowledged: ["a", "b"], found: ["b"] }, { lost: ["a"] }, "lost (1): a"],
    [
      "doubled",
      { acknowledged: ["a"], found: ["a", "a"] },
      { doubled: ["a"] },
      "found more than once (1): a",
    ],
    [
      "doubled though unknown",
      { acknowledged: [], unknown: ["a"], found: ["a", "a"] },
      { doubled: ["a"] },
      "more than once (1): a",
    ],
    [
      "invented",
      { acknowledged: ["a"], found: ["a", "z"] },
      { invented: ["z"] },
      "found, but never added (1): z",
    ],
  ])("LN-15 %s", (_, input, expected, line) => {
    const report = checkPresence(input);
    expect(report).toMatchObject({ ok: false, ...expected });
    expect(report.text).toContain(line);
  });

  it("LN-15 many lost elements are counted, and the first named", () => {
    const acknowledged = Array.from({ length: 50 }, (_, i) => `e${i}`);
    const { text } = checkPresence({ acknowledged, found: [] });
    expect(text).toContain("lost (50): e0, e1, ");
    expect(text).toContain("and 30 more");
  });
});
