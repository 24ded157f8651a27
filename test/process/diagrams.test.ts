import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { STAGES } from "../../pkg/replication/ha-standby/core/index.js";
import { runNode } from "./support/ended.js";
import { codeBlocks } from "./support/markdown.js";
import { readMermaid } from "./support/mermaid.js";
import { ROOT } from "./support/nornicd.js";

const FOLDER = path.join(ROOT, "docs/architecture/diagrams");
const read = (name: string) => readFileSync(path.join(FOLDER, name), "utf8");
const sources = readdirSync(FOLDER).filter((name) => name.endsWith(".mmd"));
const RENDER = path.join(ROOT, "tools/render-diagrams.mjs");

/** What the source has written beside its lines and in its shapes. */
function labelsOf(source: string): readonly string[] {
  const body = source.split("\n").slice(2).join("\n").replaceAll("[*]", "");
  const said = [...body.matchAll(/: (.+)$| as (.+)$|\|(.+)\||(?:\[\(|\[|\{\{)([^()[\]{}]+)/gm)];
  return said.map((groups) => groups.slice(1).find((one) => one !== undefined) as string);
}

const LIFE_CYCLE = "ha-standby-life-cycle.mmd";

describe("diagrams", () => {
  it("has the five of a pair, and its page names each", () => {
    expect(sources.sort()).toEqual(
      ["failover", "full-sync", "life-cycle", "topology", "write-path"].map(
        (name) => `ha-standby-${name}.mmd`,
      ),
    );
    const page = read("README.md");
    expect(sources.filter((name) => !page.includes(`](${name})`))).toEqual([]);
  });

  it.each(sources)("%s can be read, and says on its first line what it shows", (name) => {
    const { purpose, links } = readMermaid(read(name));
    expect(purpose).toBeDefined();
    expect(links.length).toBeGreaterThan(5);
  });

  it("each is drawn as SVG with all that its source says, nothing beyond its edges", async () => {
    const target = mkdtempSync(path.join(tmpdir(), "diagrams-"));
    try {
      const { code, out, err } = await runNode([RENDER, target]);
      expect([code, err]).toEqual([0, ""]);
      expect(out.trim().split("\n")).toHaveLength(sources.length);
      for (const name of sources) {
        const svg = readFileSync(path.join(target, name.replace(".mmd", ".svg")), "utf8");
        const [, width, height] = /width="([\d.]+)" height="([\d.]+)"/.exec(svg) ?? [];
        const texts = [...svg.matchAll(/<text x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)<\/text>/g)];
        for (const [, x, y] of texts) {
          expect(Number(x)).toBeLessThan(Number(width));
          expect(Number(y)).toBeLessThan(Number(height));
        }
        const shown = texts.map(([, , , text]) => text).join("\n");
        for (const said of labelsOf(read(name))) expect(shown).toContain(said);
        expect(svg).not.toMatch(/NaN|undefined/);
        expect((svg.match(/<svg|<text|<style|<title|<marker|<defs/g) ?? []).length).toBe(
          (svg.match(/<\/(?:svg|text|style|title|marker|defs)>/g) ?? []).length,
        );
      }
    } finally {
      rmSync(target, { recursive: true });
    }
  });

  it("the life cycle has every stage there is, each can be reached, and no other", () => {
    const { names, links } = readMermaid(read(LIFE_CYCLE));
    expect(names.filter((name) => name !== "[*]").sort()).toEqual([...STAGES].sort());
    const reached = new Set(["[*]"]);
    for (const _ of names) for (const [from, to] of links) if (reached.has(from)) reached.add(to);
    expect([...names].filter((name) => !reached.has(name))).toEqual([]);
  });

  it.each(["docs/architecture/diagrams/README.md", "docs/architecture/object-catalogue.md"])(
    "%s: what it draws can be read",
    (page) => {
      const blocks = codeBlocks(readFileSync(path.join(ROOT, page), "utf8"));
      const drawn = blocks.filter(({ language }) => language === "mermaid");
      expect(drawn.length).toBeGreaterThan(0);
      for (const { text } of drawn) readMermaid(text);
    },
  );

  it.each([
    ["sequenceDiagram\nparticipant A as a\nA->>B: to nobody", '"B" is not declared'],
    ["sequenceDiagram\nparticipant A as a\nalt one\nA->>A: x", '"alt" has no end'],
    ["sequenceDiagram\nparticipant A as a\nelse two", "line 3: not inside alt"],
    ["sequenceDiagram\nparticipant A as a\nA=>A: x", "line 3: not understood"],
    ["stateDiagram-v2\na -> b", "line 2: not understood"],
    ["flowchart LR\na[one]\na --> b", '"b" is not declared'],
    ["pie\na: 1", "line 1: no kind of diagram"],
  ])("a broken one is refused: %j", (text, problem) => {
    expect(() => readMermaid(text)).toThrow(problem);
  });
});
