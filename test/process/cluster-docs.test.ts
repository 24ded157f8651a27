import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { codeBlocks } from "./support/markdown.js";
import { NORNICCTL, ROOT } from "./support/nornicd.js";
import { RaftCluster, until } from "./support/raft-cluster.js";

const PAGE = "docs/operations/cluster.md";
const FOUNDERS = ["n1", "n2", "n3"];
/** Stands in the page for what differs from run to run. */
const ANYTHING = "…";

const run = promisify(execFile);
const folder = mkdtempSync(path.join(tmpdir(), "cluster-docs-"));
const text = readFileSync(path.join(ROOT, PAGE), "utf8");
const blocks = codeBlocks(text);
const steps = blocks.filter(({ language }) => language === "sh");
let cluster: RaftCluster;

beforeAll(async () => {
  const program = path.join(folder, "nornicctl");
  writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${NORNICCTL}" "$@"\n`);
  chmodSync(program, 0o755);
  cluster = await RaftCluster.make(folder, [...FOUNDERS, "n4"]);
  await Promise.all(FOUNDERS.map((id) => cluster.start(id, FOUNDERS)));
  await cluster.start("n4", []);
  await cluster.leader();
  await shell("nornicctl transfer-leader n1", endpoints()).catch(() => {});
  expect(await until("n1 leads", async () => (await cluster.leader()) === "n1")).toBe(true);
});
afterAll(async () => {
  await cluster.close();
  rmSync(folder, { recursive: true });
});

const endpoints = () => ({
  NORNICDB_ENDPOINT: FOUNDERS.map((id) => cluster.node(id).url).join(","),
});

async function shell(script: string, environment: Record<string, string>): Promise<string> {
  const env = { ...process.env, ...environment, PATH: `${folder}:${process.env.PATH}` };
  const { stdout } = await run("bash", ["-c", `set -euo pipefail\n${script}`], { env });
  return stdout;
}

/** The page shows ports 7688 to 7691; columns are as wide as what stands in them. */
function asShown(output: string): string {
  const ids = [...FOUNDERS, "n4"];
  const swapped = ids.reduce(
    (now, id, at) => now.replaceAll(cluster.address(id), `127.0.0.1:${7688 + at}`),
    output,
  );
  return squeezed(swapped);
}

const squeezed = (lines: string) => lines.trimEnd().replace(/ {2,}/g, "  ");

const asRun = (script: string) =>
  [...FOUNDERS, "n4"].reduce(
    (now, id, at) => now.replaceAll(`127.0.0.1:${7688 + at}`, cluster.address(id)),
    script,
  );

/** The heading above the block. */
function headingOf(line: number): string {
  const above = text.split("\n").slice(0, line);
  return above.findLast((one) => one.startsWith("## ")) ?? "";
}

it.each(steps.map((step) => [step.line, step] as const))(
  "docs/operations/cluster.md: the commands of line %i print what stands below them",
  async (_line, step) => {
    let environment: Record<string, string> = {};
    if (headingOf(step.line) === "## The quorum is lost for good") {
      await cluster.close();
      environment = cluster.environment("n3", FOUNDERS);
    } else environment = endpoints();
    const output = await shell(asRun(step.text), environment);
    const shown = blocks[blocks.indexOf(step) + 1];
    if (shown?.language !== "text") {
      expect(output).not.toBe("");
      return;
    }
    const wanted = squeezed(shown.text).split("\n");
    expect(asShown(output).split("\n")).toEqual(
      wanted.map((line) =>
        line.includes(ANYTHING) ? expect.stringContaining(line.split(ANYTHING)[0] as string) : line,
      ),
    );
  },
);

it("docs/operations/cluster.md: after its last step the last node leads alone", async () => {
  await cluster.start("n3", FOUNDERS);
  expect(await cluster.leader()).toBe("n3");
});
