import { describe, expect, it } from "vitest";
import { readSources } from "./sources.js";

/** A rule is a list item `- **LG-4** …` of a SPEC.md; a title that proves it begins with it. */
const RULE = /^[-*] \*\*([A-Z]{2}-\d+)\*\*/gm;
const TITLE = /[`"'](?=[A-Z]{2}-\d+\b)([^`"'\n]*)/g;

const specs = readSources(["pkg", "cmd", "test"], /SPEC\.md$/);
const tests = readSources(["pkg", "cmd", "test"], /\.test\.ts$|-contract[\w-]*\.ts$/);

const rules = new Set(specs.flatMap(({ text }) => [...text.matchAll(RULE)].map((hit) => hit[1])));
const proved = new Set(
  tests.flatMap(({ text }) =>
    [...text.matchAll(TITLE)].flatMap((hit) => (hit[1] ?? "").match(/\b[A-Z]{2}-\d+\b/g) ?? []),
  ),
);

describe("rules and tests", () => {
  it("every numbered rule is named by a test", () => {
    expect(rules.size).toBeGreaterThan(0);
    expect([...rules].filter((rule) => !proved.has(rule as string))).toEqual([]);
  });

  it("every rule that a test names stands in a SPEC.md", () => {
    const prefixes = new Set([...rules].map((rule) => (rule as string).slice(0, 2)));
    const unknown = [...proved].filter((id) => prefixes.has(id.slice(0, 2)) && !rules.has(id));
    expect(unknown).toEqual([]);
  });
});
