// Draws the text sources of docs/architecture/diagrams as SVG.
// usage: node tools/render-diagrams.mjs TARGET_FOLDER
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROW = 22;
const CHAR = 7.3;
const STYLE =
  "text{font:12px ui-monospace,monospace;fill:#222}rect,path{fill:none;stroke:#555}" +
  ".node{fill:#eef3fa}.note{fill:#fff7d6}.group{stroke-dasharray:4 3}.reply{stroke-dasharray:5 4}";

/** @returns the files written */
function renderDiagrams(folder, target) {
  mkdirSync(target, { recursive: true });
  return readdirSync(folder)
    .filter((name) => name.endsWith(".mmd"))
    .map((name) => {
      const file = path.join(target, name.replace(/\.mmd$/, ".svg"));
      writeFileSync(file, toSvg(readFileSync(path.join(folder, name), "utf8")));
      return file;
    });
}

/** @throws Error naming a line that is not understood */
function toSvg(text) {
  const [first, ...rest] = text.split("\n").map((line) => line.trim());
  const purpose = first.replace(/^%% /, "");
  const [kind, ...lines] = rest.filter((line) => line !== "" && !line.startsWith("%%"));
  if (kind === "sequenceDiagram") return drawSequence(purpose, lines);
  if (kind === "stateDiagram-v2") return drawGraph(purpose, readStates(lines));
  if (/^flowchart /.test(kind ?? "")) return drawGraph(purpose, readFlowchart(lines));
  throw new Error(`no kind of diagram: ${kind}`);
}

const width = (text) => Math.ceil(text.length * CHAR);
const escaped = (text) =>
  text.replace(/[&<>]/g, (one) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[one]);
const words = (x, y, text, anchor = "start") =>
  `<text x="${x}" y="${y}" text-anchor="${anchor}">${escaped(text)}</text>`;
const box = (x, y, w, h, kind) =>
  `<rect class="${kind}" x="${x}" y="${y}" width="${w}" height="${h}" rx="4"/>`;
const line = (d, kind = "", end = "arrow") =>
  `<path class="${kind}" d="${d}"${end === "" ? "" : ` marker-end="url(#${end})"`}/>`;

function page(purpose, w, h, parts) {
  const wide = Math.max(w, width(purpose)) + 20;
  const marker = (id, d) =>
    `<marker id="${id}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto"><path d="${d}"/></marker>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${wide}" height="${h + 20}" viewBox="0 0 ${wide} ${h + 20}">`,
    `<title>${escaped(purpose)}</title><style>${STYLE}</style>`,
    `<defs>${marker("arrow", "M0 1L9 5L0 9")}${marker("lost", "M1 1L9 9M9 1L1 9")}</defs>`,
    words(10, 20, purpose),
    ...parts,
    "</svg>\n",
  ].join("\n");
}

function drawSequence(purpose, lines) {
  const people = new Map();
  const steps = [];
  for (const text of lines) {
    const person = /^participant (\w+) as (.+)$/.exec(text);
    if (person !== null) people.set(person[1], { title: person[2] });
    else steps.push(toStep(text));
  }
  const gap = Math.max(150, ...steps.map((step) => gapOf(step, [...people.keys()])));
  let x = 80;
  for (const person of people.values()) {
    person.x = x;
    x += gap;
  }
  const parts = [];
  const blocks = [];
  let y = 70;
  for (const step of steps) {
    const depth = 8 * (blocks.length - (step.kind === "branch" ? 1 : 0));
    if (step.kind === "open") blocks.push(y - 14);
    if (step.kind === "open" || step.kind === "branch") {
      parts.push(words(14 + depth, y, `[${step.text}]`));
      if (step.kind === "branch")
        parts.push(line(`M${4 + depth} ${y - 14}H${x - 10}`, "reply", ""));
    } else if (step.kind === "close") {
      const top = blocks.pop();
      const left = 4 + 8 * blocks.length;
      parts.push(box(left, top, x - 10 - left, y - top - 8, "group"));
    } else parts.push(...drawStep(step, people, y));
    y += step.kind === "message" && step.from === step.to ? ROW * 1.6 : ROW * 1.3;
  }
  const heads = [...people.values()].flatMap((person) => {
    const w = width(person.title) + 12;
    const lifeline = line(`M${person.x} 56V${y}`, "", "");
    return [
      box(person.x - w / 2, 34, w, ROW, "node"),
      words(person.x, 49, person.title, "middle"),
      lifeline,
    ];
  });
  return page(purpose, x, y, [...heads, ...parts]);
}

function toStep(text) {
  const message = /^(\w+)(->>|-->>|-x|--x)(\w+): (.+)$/.exec(text);
  if (message !== null) {
    const [, from, arrow, to, what] = message;
    return {
      kind: "message",
      from,
      to,
      text: what,
      reply: arrow.startsWith("--"),
      lost: arrow.endsWith("x"),
    };
  }
  const note = /^Note over (\w+)(?:,(\w+))?: (.+)$/.exec(text);
  if (note !== null) return { kind: "note", from: note[1], to: note[2] ?? note[1], text: note[3] };
  if (text === "end") return { kind: "close", text };
  if (/^(alt|par|loop|opt) /.test(text)) return { kind: "open", text };
  if (/^(else|and) /.test(text)) return { kind: "branch", text };
  throw new Error(`not understood: ${text}`);
}

/** How far apart neighbours must stand for the text to fit between the two. */
function gapOf({ kind, from, to, text }, ids) {
  if (kind !== "message") return 0;
  const span = Math.abs(ids.indexOf(from) - ids.indexOf(to));
  return (width(text) + 24) / Math.max(1, span);
}

function drawStep({ kind, from, to, text, reply, lost }, people, y) {
  const [start, end] = [from, to].map((id) => {
    const person = people.get(id);
    if (person === undefined) throw new Error(`nobody declared ${id}`);
    return person.x;
  });
  const middle = (start + end) / 2;
  if (kind === "note") {
    const w = width(text) + 10;
    const left = Math.max(6, middle - w / 2);
    return [box(left, y - 15, w, ROW - 2, "note"), words(left + 5, y, text)];
  }
  const head = lost ? "lost" : "arrow";
  if (start !== end) {
    return [
      words(middle, y - 4, text, "middle"),
      line(`M${start} ${y}H${end}`, reply ? "reply" : "", head),
    ];
  }
  return [words(start + 30, y + 4, text), line(`M${start} ${y - 6}h24v14h-24`, "", head)];
}

function readStates(lines) {
  const nodes = new Map();
  const links = lines.map((text) => {
    const found = /^(\[\*\]|\w+) --> (\[\*\]|\w+)(?:: (.+))?$/.exec(text);
    if (found === null) throw new Error(`not understood: ${text}`);
    const [, from, to, label = ""] = found;
    const ends = [from === "[*]" ? "begin" : from, to === "[*]" ? "end" : to];
    for (const id of ends) nodes.set(id, { title: id });
    return { from: ends[0], to: ends[1], label };
  });
  return { nodes, links };
}

function readFlowchart(lines) {
  const nodes = new Map();
  const links = [];
  let group;
  for (const text of lines) {
    const opened = /^subgraph \w+\[(.+)\]$/.exec(text);
    const node = /^(\w+)(?:\[\((.+)\)\]|\{\{(.+)\}\}|\[(.+)\])$/.exec(text);
    const link = /^(\w+) (-->|-\.->)(?:\|(.+)\|)? ?(\w+)$/.exec(text);
    if (opened !== null) group = opened[1];
    else if (text === "end") group = undefined;
    else if (node !== null) nodes.set(node[1], { title: node[2] ?? node[3] ?? node[4], group });
    else if (link !== null) {
      links.push({ from: link[1], to: link[4], label: link[3] ?? "", reply: link[2] === "-.->" });
    } else throw new Error(`not understood: ${text}`);
  }
  return { nodes, links };
}

/**
 * The nodes stand below each other, each as high as it has ends of links: every end has a row of its
 * own, what a link says stands in the row where it begins, and every link has a lane of its own on the
 * right. So nothing is written over anything else.
 */
function drawGraph(purpose, { nodes, links }) {
  const left = 24;
  const right = left + Math.max(...[...nodes.values()].map(({ title }) => width(title))) + 20;
  const lanes = right + Math.max(...links.map(({ label }) => width(label))) + 24;
  const parts = [];
  let y = 40;
  let group;
  for (const [id, node] of nodes) {
    if (node.group !== group) {
      y += ROW;
      if (node.group !== undefined) parts.push(words(left - 12, y - 4, node.group));
      group = node.group;
    }
    const ends = links.flatMap((link) => [
      ...(link.from === id ? [(at) => Object.assign(link, { startY: at })] : []),
      ...(link.to === id ? [(at) => Object.assign(link, { endY: at })] : []),
    ]);
    const height = Math.max(1, ends.length) * ROW;
    for (const [at, put] of ends.entries()) put(y + (at + 0.5) * ROW);
    parts.push(
      box(left, y, right - left, height, "node"),
      words(left + 10, y + height / 2 + 4, node.title),
    );
    if (group !== undefined) parts.push(line(`M${left - 12} ${y}V${y + height + 14}`, "", ""));
    y += height + 14;
  }
  links.forEach(({ from, to, label, reply, startY, endY }, at) => {
    if (startY === undefined || endY === undefined)
      throw new Error(`nobody declared ${from} or ${to}`);
    const lane = lanes + at * 9;
    parts.push(line(`M${right} ${startY}H${lane}V${endY}H${right}`, reply ? "reply" : ""));
    if (label !== "") parts.push(words(right + 8, startY - 3, label));
  });
  return page(purpose, lanes + links.length * 9, y, parts);
}

const sources = fileURLToPath(new URL("../docs/architecture/diagrams", import.meta.url));
const [target] = process.argv.slice(2);
if (target === undefined) {
  process.stderr.write("usage: node tools/render-diagrams.mjs TARGET_FOLDER\n");
  process.exit(64);
}
for (const file of renderDiagrams(sources, target)) process.stdout.write(`${file}\n`);
