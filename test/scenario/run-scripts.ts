import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Arguments } from "./arguments.js";
import { COMMANDS } from "./commands/index.js";
import {
  parseScript,
  renderScript,
  type Script,
  type Step,
  scenariosOf,
  setUpOf,
} from "./script.js";
import { World } from "./world.js";

const SCRIPTS = path.join(path.dirname(fileURLToPath(import.meta.url)), "scripts");

/** Every wait inside has a limit of its own; this one is for a machine that is busy with others. */
const SCENARIO_MS_MAX = 180_000;
/** `UPDATE=1` rewrites the expected outputs by what was seen. */
const UPDATES = process.env.UPDATE === "1";
/** What `npm run scenario` was asked for: letters of suites, folders, or parts of names. */
const WANTED = (process.env.SCENARIO ?? "").split(" ").filter((word) => word !== "");

interface Found {
  readonly folder: string;
  readonly name: string;
  readonly script: Script;
}

/** Makes a suite of every script in the folder, as far as it was asked for. */
export function runScripts(folder: string): void {
  const wanted = findScripts().filter((one) => WANTED.every((word) => isMeant(word, one)));
  if (wanted.length === 0) throw new Error(`no suite is meant by "${WANTED.join(" ")}"`);
  for (const { name, script } of wanted.filter((one) => one.folder === folder)) {
    describe(script.suite, () => {
      const seen = new Map<Step, string>();
      const world = new World();
      beforeAll(() => play(world, setUpOf(script), seen), SCENARIO_MS_MAX);
      afterAll(async () => {
        await world.close();
        if (UPDATES) writeFileSync(name, renderScript(script, seen));
      });
      for (const scenario of scenariosOf(script)) {
        it(scenario.name, () => play(world, scenario.steps, seen), SCENARIO_MS_MAX);
      }
    });
  }
}

function findScripts(): readonly Found[] {
  return readdirSync(SCRIPTS).flatMap((folder) =>
    readdirSync(path.join(SCRIPTS, folder))
      .sort()
      .map((file) => {
        const name = path.join(SCRIPTS, folder, file);
        return { folder, name, script: parseScript(readFileSync(name, "utf8")) };
      }),
  );
}

/** A single letter names the suites of all modes and roles that bear it; a mode's name, its folder. */
function isMeant(word: string, { folder, script: { suite } }: Found): boolean {
  if (/^[A-Da-d]$/.test(word)) return suite.includes(`_${word.toUpperCase()}_`);
  const lower = word.toLowerCase();
  return folder === lower.replace("_", "-") || suite.toLowerCase().includes(lower);
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
