import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { ERROR_CODES, ReplicationError } from "../../service/index.js";
import { PROBLEMS } from "./problem.js";

it("HT-16 docs/errors.md lists exactly the codes there are, with status and outcome", () => {
  const page = readFileSync(new URL("../../../docs/errors.md", import.meta.url), "utf8");
  const rows = page
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.split("|").map((cell) => cell.trim()));
  const listed = rows.map(([, code, status, outcome, meaning, advice]) => {
    expect([meaning, advice]).not.toContain("");
    return [code, status, outcome];
  });
  const wanted = ERROR_CODES.map((code) => [
    `\`${code}\``,
    String(PROBLEMS[code].status),
    new ReplicationError(code, "").outcome,
  ]);
  expect(listed).toEqual(wanted);
});
