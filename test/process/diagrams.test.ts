import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { STAGES } from "../../pkg/replication/ha-standby/core/index.js";
import { codeBlocks } from "./support/markdown.js";
import { readMermaid } from "./support/mermaid.js";
import { ROOT } from "./support/nornicd.js";

const FOLDER = path.join(ROOT, "docs/architecture/diagrams");
const read = (name: string) => readFileSync(path.join(FOLDER, name), "utf8");
const sources = readdirSync(FOLDER).filter((name) => name.endsWith(".mmd"));
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
