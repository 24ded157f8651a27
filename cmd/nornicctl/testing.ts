import { runProgram } from "./program.js";

/** Runs the program in this process; for tests. */
export async function run(args: readonly string[], env: Record<string, string> = {}) {
  let out = "";
  let err = "";
  const exit = await runProgram(args, {
    env,
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    progress: () => {},
  });
  return { exit, out, err };
}
