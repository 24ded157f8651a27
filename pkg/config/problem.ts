/** One thing that is wrong, told so that it can be mended without a manual. */
export interface Problem {
  /** The setting as whoever gave it spelt it: a variable, a flag, or a path in the file. */
  readonly setting: string;
  /** What was given; `(redacted)` for secrets, null when nothing was. */
  readonly given: string | null;
  readonly allowed: string | null;
  /** The known name next to an unknown one. */
  readonly nearest: string | null;
  readonly sentence: string;
}

/** Every problem of a configuration at once; the start must not go on. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  constructor(readonly problems: readonly Problem[]) {
    super(`the configuration has ${problems.length} problem(s):\n${renderProblems(problems)}`);
  }
}

/** One line a problem, no secrets. */
export function renderProblems(problems: readonly Problem[]): string {
  return problems.map((problem) => `${problem.setting}: ${problem.sentence}`).join("\n");
}
