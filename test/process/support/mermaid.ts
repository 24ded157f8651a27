/**
 * Reads the part of Mermaid that this project's diagrams use, strictly: a line it does not know, a
 * name nobody declared, or a block left open is an error naming the line.
 */
export function readMermaid(text: string): Diagram {
  const lines = text.split("\n").map((line) => line.trim());
  const purpose = /^%% (.+\.)$/.exec(lines[0] ?? "")?.[1];
  const body = lines
    .map((line, at) => ({ line, at: at + 1 }))
    .filter(({ line }) => line !== "" && !line.startsWith("%%"));
  const head = body.shift();
  const reader = READERS.find(({ begins }) => begins.test(head?.line ?? ""));
  if (reader === undefined) throw new Error(`line ${head?.at ?? 1}: no kind of diagram`);
  const names = new Set<string>();
  const links: (readonly [string, string])[] = [];
  const open: string[] = [];
  for (const { line, at } of body) {
    const problem = reader.read(line, { names, links, open });
    if (problem !== undefined) throw new Error(`line ${at}: ${problem}: ${line}`);
  }
  if (open.length > 0) throw new Error(`"${open.at(-1)}" has no end`);
  for (const name of links.flat()) {
    if (!names.has(name)) throw new Error(`"${name}" is not declared`);
  }
  return { kind: reader.kind, purpose, names: [...names], links };
}

export interface Diagram {
  readonly kind: "sequence" | "state" | "flowchart";
  /** What stands in the comment on the first line. */
  readonly purpose: string | undefined;
  readonly names: readonly string[];
  readonly links: readonly (readonly [string, string])[];
}

interface Found {
  readonly names: Set<string>;
  readonly links: (readonly [string, string])[];
  readonly open: string[];
}

interface Reader {
  readonly kind: Diagram["kind"];
  readonly begins: RegExp;
  /** @returns what is wrong with the line */
  read(line: string, found: Found): string | undefined;
}

const PARTICIPANT = /^participant (\w+) as [^;]+$/;
const MESSAGE = /^(\w+)(?:->>|-->>|-x|--x)(\w+): [^;]+$/;
const NOTE = /^Note over (\w+)(?:,(\w+))?: [^;]+$/;
const BLOCK = /^(alt|par|loop|opt) \S/;
const BRANCH: Readonly<Record<string, string>> = { else: "alt", and: "par" };
const TRANSITION = /^(\[\*\]|\w+) --> (\[\*\]|\w+)(?:: [^;:]+)?$/;
const SHAPE = String.raw`(?:\[\([^()[\]]+\)\]|\[[^()[\]{}]+\]|\{\{[^{}]+\}\})`;
const NODE = new RegExp(`^(\\w+)${SHAPE}$`);
const SUBGRAPH = /^subgraph (\w+)\[[^[\]]+\]$/;
const ARROW = /^(\w+) (?:-->|-\.->)(?:\|[^|]+\|)? ?(\w+)$/;

const READERS: readonly Reader[] = [
  { kind: "sequence", begins: /^sequenceDiagram$/, read: readSequence },
  { kind: "state", begins: /^stateDiagram-v2$/, read: readState },
  { kind: "flowchart", begins: /^flowchart (?:LR|TD)$/, read: readFlowchart },
];

function readSequence(line: string, { names, links, open }: Found): string | undefined {
  const participant = PARTICIPANT.exec(line);
  if (participant !== null) return void names.add(participant[1] as string);
  const message = MESSAGE.exec(line);
  if (message !== null) return void links.push([message[1] as string, message[2] as string]);
  const note = NOTE.exec(line);
  if (note !== null) {
    const [, first, last] = note as unknown as readonly [string, string, string?];
    return void links.push([first, last ?? first]);
  }
  const block = BLOCK.exec(line);
  if (block !== null) return void open.push(block[1] as string);
  if (line === "end") return open.pop() === undefined ? "nothing is open" : undefined;
  const branch = BRANCH[line.split(" ")[0] as string];
  if (branch === undefined) return "not understood";
  return open.at(-1) === branch ? undefined : `not inside ${branch}`;
}

function readState(line: string, { names, links }: Found): string | undefined {
  const transition = TRANSITION.exec(line);
  if (transition === null) return "not understood";
  const [, from, to] = transition as unknown as readonly [string, string, string];
  names.add(from).add(to);
  links.push([from, to]);
  return undefined;
}

function readFlowchart(line: string, { names, links, open }: Found): string | undefined {
  const subgraph = SUBGRAPH.exec(line);
  if (subgraph !== null) return void open.push(subgraph[1] as string);
  if (line === "end") return open.pop() === undefined ? "nothing is open" : undefined;
  const node = NODE.exec(line);
  if (node !== null) return void names.add(node[1] as string);
  const arrow = ARROW.exec(line);
  if (arrow === null) return "not understood";
  links.push([arrow[1] as string, arrow[2] as string]);
  return undefined;
}
