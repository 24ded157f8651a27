import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { ModuleKind, ScriptTarget, transpileModule } from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CodeBlock, codeBlocks } from "./support/markdown.js";
import { type Nornicd, ROOT, startNornicd } from "./support/nornicd.js";

const run = promisify(execFile);
const readme = readFileSync(path.join(ROOT, "README.md"), "utf8");
const blocks = codeBlocks(readme);
const folder = mkdtempSync(path.join(tmpdir(), "readme-tour-"));
/** Stands in the README for what differs from run to run. */
const ANYTHING = "…";
let server: Nornicd;

beforeAll(async () => {
  server = await startNornicd({ dataDir: path.join(folder, "data") });
});
afterAll(async () => {
  expect((await server.kill("SIGTERM")).code).toBe(0);
  rmSync(folder, { recursive: true });
});

async function shell(script: string): Promise<string> {
  const here = script.replaceAll("http://127.0.0.1:7474", server.url);
  const { stdout } = await run("bash", ["-c", `set -euo pipefail\n${here}`], { cwd: ROOT });
  return stdout;
}

/** One document over several lines, or one a line. */
function documents(text: string): unknown[] {
  try {
    return [JSON.parse(text)];
  } catch {
    const lines = text.split("\n").filter((line) => line.trim() !== "");
    return lines.map((line) => JSON.parse(line) as unknown);
  }
}

function withWildcards(value: unknown): unknown {
  if (value === ANYTHING) return expect.anything();
  if (Array.isArray(value)) return value.map(withWildcards);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withWildcards(item)]));
}

function expectOutput(actual: string, shown: CodeBlock): void {
  if (shown.language === "json") {
    expect(documents(actual)).toEqual(documents(shown.text).map(withWildcards));
    return;
  }
  const lines = actual.trimEnd().split("\n");
  const wanted = shown.text.split("\n");
  expect(lines).toEqual(
    wanted.map((line) =>
      line.includes(ANYTHING) ? expect.stringContaining(line.split(ANYTHING)[0] as string) : line,
    ),
  );
}

describe("the README", () => {
  const steps = blocks.filter(({ language }) => language === "sh");

  it.each(steps.map((step) => [step.line, step] as const))(
    "the commands of line %i print what stands below them",
    async (_line, step) => {
      const output = await shell(step.text);
      const shown = blocks[blocks.indexOf(step) + 1];
      if (shown !== undefined && ["json", "text"].includes(shown.language)) {
        expectOutput(output, shown);
      } else {
        expect(output).not.toBe("");
      }
    },
  );

  it("its library example runs as it stands", async () => {
    const example = blocks.find(({ language }) => language === "ts") as CodeBlock;
    const compilerOptions = { target: ScriptTarget.ES2022, module: ModuleKind.ESNext };
    const { outputText } = transpileModule(example.text, { compilerOptions });
    const file = path.join(ROOT, "dist", `readme-example-${process.pid}.mjs`);
    writeFileSync(file, outputText);
    try {
      const { stdout } = await run(process.execPath, [file], { cwd: folder });
      expect(stdout.trim()).toBe("local [ 'Person' ]");
    } finally {
      rmSync(file);
    }
  });

  it("shows something of everything: each step that a reader would try has its output", () => {
    const shown = steps.filter((step) =>
      ["json", "text"].includes(blocks[blocks.indexOf(step) + 1]?.language ?? ""),
    );
    expect(shown.length).toBeGreaterThanOrEqual(steps.length - 1);
  });
});
