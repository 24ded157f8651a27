import ts from "typescript";
import { describe, expect, it } from "vitest";
import { readSources, type Source } from "./sources.js";

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;

const code = readSources(["pkg", "cmd", "examples", "tools", "test"], /\.ts$/);
const production = code.filter(({ path }) => !/\.test\.ts$|^test\//.test(path));

function longFunctions({ path, text }: Source): string[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node)) {
      const from = file.getLineAndCharacterOfPosition(node.getStart()).line;
      const to = file.getLineAndCharacterOfPosition(node.getEnd()).line;
      if (to - from + 1 > FUNCTION_LINES_MAX)
        found.push(`${path}:${from + 1} has ${to - from + 1}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

describe("sizes", () => {
  it("no source file is longer than 400 lines", () => {
    const long = production.filter(({ text }) => text.split("\n").length - 1 > FILE_LINES_MAX);
    expect(long.map(({ path }) => path)).toEqual([]);
  });

  it("no function is longer than 70 lines", () => {
    expect(production.flatMap(longFunctions)).toEqual([]);
  });
});

describe("the injected world", () => {
  const WORLD =
    /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\bMath\.random\(|\bset(Timeout|Interval|Immediate)\(|\bprocess\.nextTick\(|\bAbortSignal\.timeout\(|\brandom(UUID|Bytes|Int)\(/;
  const ALLOWED = /^(pkg\/runtime\/node|cmd|examples|tools|test\/(process|chaos|bench))\//;

  it("clocks, timers and randomness are reached through the runtime ports only", () => {
    const hits = code
      .filter(({ path }) => !ALLOWED.test(path))
      .flatMap(({ path, text }) =>
        text
          .split("\n")
          .map((line, at) => ({ line, where: `${path}:${at + 1}` }))
          .filter(({ line }) => WORLD.test(line) && !/^\s*(\*|\/\/)/.test(line)),
      );
    expect(hits.map(({ where }) => where)).toEqual([]);
  });

  it("no test is skipped, focused or left to do", () => {
    const hits = code.filter(
      ({ path, text }) =>
        /\.test\.ts$/.test(path) && /\b(it|test|describe)\.(skip|only|todo)\b\(/.test(text),
    );
    expect(hits.map(({ path }) => path)).toEqual([]);
  });
});

describe("names", () => {
  it("files are kebab-case and none is a drawer for anything", () => {
    const bad = code.filter(
      ({ path }) =>
        !/^[a-z0-9_/-]+(\.[a-z]+)*\.ts$/.test(path) ||
        /(^|\/|-)(utils?|common|misc|helpers?|manager)(-|\.ts$|\/)/.test(path),
    );
    expect(bad.map(({ path }) => path)).toEqual([]);
  });
});
