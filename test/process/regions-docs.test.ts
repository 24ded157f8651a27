import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadConfig } from "../../pkg/config/index.js";
import { type CodeBlock, codeBlocks } from "./support/markdown.js";
import { NORNICCTL, ROOT } from "./support/nornicd.js";
import { RegionsCluster } from "./support/regions-cluster.js";

const PAGE = "docs/operations/regions.md";
/** Stands in the page for what differs from run to run. */
const ANYTHING = "…";
/** What one region was told another one shows a moment later. */
const LOOKS_MAX = 10;

const run = promisify(execFile);
const folder = mkdtempSync(path.join(tmpdir(), "regions-docs-"));
const text = readFileSync(path.join(ROOT, PAGE), "utf8");
const blocks = codeBlocks(text);
const steps = blocks.filter(({ language }) => language === "sh");
let regions: RegionsCluster;

/** What befalls the regions before the commands below a heading; the page tells of it in prose. */
const EVENTS: Readonly<Record<string, () => Promise<void>>> = {
  "## The link is cut": async () => regions.cut(),
  "## Conflicts": async () => {
    regions.heal();
    await regions.conflict("eu1", "ada");
    await regions.converged();
  },
  "## A region is lost": async () => {
    await regions.kill("eu1");
  },
  "## It comes back": async () => {
    await regions.start("eu1", ["us"]);
    await regions.leader("eu");
  },
};
const happened = new Set<string>();

beforeAll(async () => {
  const program = path.join(folder, "nornicctl");
  writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${NORNICCTL}" "$@"\n`);
  chmodSync(program, 0o755);
  regions = await RegionsCluster.make(folder, { nodes: { eu: 1, us: 1 } });
  await regions.startAll();
});
afterAll(async () => {
  await regions.close();
  rmSync(folder, { recursive: true });
});

async function shell(script: string): Promise<string> {
  const urls = ["eu", "us"]
    .filter((region) => regions.running().includes(`${region}1`))
    .map((region) => [region.toUpperCase(), regions.node(`${region}1`).url]);
  const env = {
    ...process.env,
    ...Object.fromEntries(urls),
    PATH: `${folder}:${process.env.PATH}`,
  };
  const options = { env, cwd: folder };
  const { stdout } = await run("bash", ["-c", `set -euo pipefail\n${script}`], options);
  return stdout;
}

const squeezed = (lines: string) => lines.trimEnd().replace(/ {2,}/g, "  ");

function headingOf(line: number): string {
  const above = text.split("\n").slice(0, line);
  return above.findLast((one) => one.startsWith("## ")) ?? "";
}

async function follow(step: CodeBlock): Promise<void> {
  const heading = headingOf(step.line);
  if (!happened.has(heading)) await EVENTS[heading]?.();
  happened.add(heading);
  const shown = blocks[blocks.indexOf(step) + 1];
  if (shown?.language !== "text") {
    expect(await shell(step.text)).not.toBe("");
    return;
  }
  const wanted = squeezed(shown.text).split("\n");
  const expected = wanted.map((line) =>
    line.includes(ANYTHING) ? expect.stringContaining(line.split(ANYTHING)[0] as string) : line,
  );
  let output: readonly string[] = [];
  for (let look = 0; look < LOOKS_MAX && !isShown(output, expected); look += 1) {
    output = squeezed(await shell(step.text)).split("\n");
  }
  expect(output).toEqual(expected);
}

function isShown(output: readonly string[], expected: readonly unknown[]): boolean {
  try {
    expect(output).toEqual(expected);
    return true;
  } catch {
    return false;
  }
}

it(`${PAGE}: every example of settings is one`, () => {
  const examples = blocks.filter(({ language }) => language === "yaml");
  expect(examples.length).toBeGreaterThan(0);
  for (const { text: yaml } of examples) {
    expect(() => loadConfig({ file: { path: "n.yaml", text: yaml } })).not.toThrow();
  }
});

it.each(steps.map((step) => [step.line, step] as const))(
  `${PAGE}: the commands of line %i print what stands below them`,
  (_line, step) => follow(step),
);
