/**
 * A scenario script: its suite's name, a paragraph on what it shows, commands that set the stage,
 * and scenarios. A command and the output that it must have stand in one line.
 *
 *     Raft_Leader_A_BasicOperations
 *     What the suite shows, in prose.
 *
 *     cluster n1           -> n1 leads
 *
 *     [A1_AcceptWrites]
 *     write n1 count=10    -> 10 acknowledged (quorum)
 */
export interface Script {
  readonly suite: string;
  readonly lines: readonly Line[];
}

export type Line =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "scenario"; readonly name: string }
  | Step;

export interface Step {
  readonly kind: "step";
  readonly command: string;
  readonly expected: string;
}

export interface Scenario {
  readonly name: string;
  readonly steps: readonly Step[];
}

const ARROW = "->";
const COMMAND_WIDTH = 44;

/** @throws Error naming the line that is neither heading, command nor empty */
export function parseScript(text: string): Script {
  const all = text.trimEnd().split("\n");
  const proseEnd = all.indexOf("");
  const suite = all[0] ?? "";
  if (!/^[A-Z]\w+$/.test(suite) || proseEnd < 2) {
    throw new Error(
      "a script opens with its suite's name, a paragraph of prose, and an empty line",
    );
  }
  const lines = all.map((line, at): Line => {
    if (at <= proseEnd || line === "") return { kind: "text", text: line };
    const heading = /^\[(\w+)\]$/.exec(line);
    if (heading !== null) return { kind: "scenario", name: heading[1] as string };
    const split = line.indexOf(ARROW);
    const command = (split < 0 ? line : line.slice(0, split)).trim();
    if (!/^[a-z]/.test(command)) throw new Error(`line ${at + 1} is no command: ${line}`);
    return {
      kind: "step",
      command,
      expected: split < 0 ? "" : line.slice(split + ARROW.length).trim(),
    };
  });
  return { suite, lines };
}

/** The commands before the first scenario. */
export function setUpOf({ lines }: Script): readonly Step[] {
  const first = lines.findIndex(({ kind }) => kind === "scenario");
  return (first < 0 ? lines : lines.slice(0, first)).filter(isStep);
}

export function scenariosOf({ lines }: Script): readonly Scenario[] {
  const found: { name: string; steps: Step[] }[] = [];
  for (const line of lines) {
    if (line.kind === "scenario") found.push({ name: line.name, steps: [] });
    else if (line.kind === "step") found.at(-1)?.steps.push(line);
  }
  return found;
}

/** The script with the outputs that were really seen; a step that never ran keeps its own. */
export function renderScript(script: Script, seen: ReadonlyMap<Step, string>): string {
  const lines = script.lines.map((line) => {
    if (line.kind === "text") return line.text;
    if (line.kind === "scenario") return `[${line.name}]`;
    return `${line.command.padEnd(COMMAND_WIDTH)} ${ARROW} ${seen.get(line) ?? line.expected}`;
  });
  return `${lines.join("\n")}\n`;
}

function isStep(line: Line): line is Step {
  return line.kind === "step";
}
