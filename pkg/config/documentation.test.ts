import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readLevelDefaults, renderReference, renderSchema } from "./render.js";

const OPEN = "<!-- settings: generated, do not edit -->";
const CLOSE = "<!-- end of settings -->";
const PAGE = new URL("../../docs/operations/configuration.md", import.meta.url);
const SCHEMA = new URL("../../schema/nornicd.schema.json", import.meta.url);

function between(page: string): { before: string; inside: string; after: string } {
  const start = page.indexOf(OPEN) + OPEN.length;
  const end = page.indexOf(CLOSE);
  return { before: page.slice(0, start), inside: page.slice(start, end), after: page.slice(end) };
}

describe("what is published", () => {
  it("CF-14 the page of settings is the table of settings", () => {
    const { before, inside, after } = between(readFileSync(PAGE, "utf8"));
    const table = `\n\n${renderReference()}\n\nReads by default: ${readLevelDefaults()}.\n\n`;
    if (process.env.UPDATE === "1") writeFileSync(PAGE, `${before}${table}${after}`);
    else expect(inside).toBe(table);
  });

  it("CF-14 the published schema is the table of settings", () => {
    const schema = renderSchema();
    if (process.env.UPDATE === "1") writeFileSync(SCHEMA, `${JSON.stringify(schema, null, 2)}\n`);
    else expect(JSON.parse(readFileSync(SCHEMA, "utf8"))).toEqual(schema);
  });
});
