import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Arguments } from "./arguments.js";
import { COMMANDS } from "./commands/index.js";
import { parseScript, renderScript, type Step, scenariosOf, setUpOf } from "./script.js";
import { World } from "./world.js";

const SCRIPTS = path.join(path.dirname(fileURLToPath(import.meta.url)), "scripts");

/** `UPDATE=1` rewrites the expected outputs by what was seen. */
const UPDATES = process.env.UPDATE === "1";
/** What `npm run scenario` was asked for: letters of suites, folders, or parts of names. */
const WANTED = (process.env.SCENARIO ?? "").split(" ").filter((word) => word !== "");

/** Makes a suite of every script in the folder, as far as it was asked for. */
export function runScripts(folder: string): void {
  for (const file of readdirSync(path.join(SCRIPTS, folder)).sort()) {
    const name = path.join(SCRIPTS, folder, file);
    const script = parseScript(readFileSync(name, "utf8"));
    if (!WANTED.every((word) => isMeant(word, folder, script.suite))) continue;
    describe(script.suite, () => {
      const seen = new Map<Step, string>();
      const world = new World();
      beforeAll(() => play(world, setUpOf(script), seen));
      afterAll(async () => {
        await world.close();
        if (UPDATES) writeFileSync(name, renderScript(script, seen));
      });
      for (const scenario of scenariosOf(script)) {
        it(scenario.name, () => play(world, scenario.steps, seen));
      }
    });
  }
}

/** A single letter names the suites of all modes and roles that bear it. */
function isMeant(word: string, folder: string, suite: string): boolean {
  if (/^[A-Da-d]$/.test(word)) return suite.includes(`_${word.toUpperCase()}_`);
  return folder === word.toLowerCase() || suite.toLowerCase().includes(word.toLowerCase());
}

async function play(world: World, steps: readonly Step[], seen: Map<Step, string>): Promise<void> {
  for (const step of steps) {
    const [name = ""] = step.command.split(/\s+/, 1);
    const command = COMMANDS.get(name);
    if (command === undefined) {
      throw new Error(`there is no command "${name}": ${[...COMMANDS.keys()].join(", ")}`);
    }
    const args = new Arguments(step.command.slice(name.length));
    const output = await command.run(world, args).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`${step.command}: ${reason} (usage: ${command.usage})`, { cause: error });
    });
    args.finish();
    seen.set(step, output);
    if (!UPDATES)
      expect(`${step.command} -> ${output}`).toBe(`${step.command} -> ${step.expected}`);
  }
}
