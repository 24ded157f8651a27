import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { HTTP_LIMITS } from "../../pkg/frontend/http/limits.js";
import { ARBITER_LIMITS } from "../../pkg/replication/arbiter/limits.js";
import { DEFAULT_LIMITS } from "../../pkg/replication/limits.js";
import { REGION_STREAM_LIMITS } from "../../pkg/replication/multi-region/limits.js";
import { REGION_WIRE_LIMITS } from "../../pkg/replication/multi-region/wire/limits.js";
import { DEFAULT_RAFT_LIMITS } from "../../pkg/replication/raft/core/options.js";
import { WIRE_LIMITS } from "../../pkg/replication/raft/wire/limits.js";
import { SNAPSHOT_LIMITS } from "../../pkg/replication/snapshot/core/limits.js";
import { VERIFY_LIMITS } from "../../pkg/replication/verification/core/limits.js";
import { SERVICE_LIMITS } from "../../pkg/service/limits.js";
import { STORAGE_LIMITS } from "../../pkg/storage/limits.js";
import { LOG_LIMITS } from "../../pkg/storage/log/limits.js";
import { OBJECT_LIMITS } from "../../pkg/storage/objects/limits.js";
import { REGION_LIMITS } from "../../pkg/storage/regions/limits.js";
import { DEFAULT_LIMITS as TRANSPORT_LIMITS } from "../../pkg/transport/tcp/options.js";
import { runNode } from "./support/ended.js";
import { anchors, commandTexts } from "./support/markdown.js";
import { NORNICCTL, NORNICD, ROOT } from "./support/nornicd.js";

const read = (file: string): string => readFileSync(path.join(ROOT, file), "utf8");

function files(folder: string, pattern: RegExp): string[] {
  return readdirSync(path.join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .map((name) => `${folder}/${name}`)
    .filter((name) => pattern.test(name))
    .sort();
}

const pages = [
  "README.md",
  "CHANGELOG.md",
  ...files("docs", /\.md$/),
  ...files("examples", /\.md$/),
];
const rows = (page: string): string[][] =>
  [...read(page).matchAll(/^\| (?!---)(.+) \|$/gm)].map(([, cells]) =>
    (cells as string).split(" | ").map((cell) => cell.trim()),
  );

describe("pages", () => {
  it.each(pages)("%s: every link inside the project leads somewhere", (page) => {
    const text = read(page).replace(/^```[\s\S]*?^```/gm, "");
    const broken: string[] = [];
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      const [file, anchor] = (target as string).split("#") as [string, string?];
      if (/^[a-z]+:/.test(file)) continue;
      const at = file === "" ? page : path.join(path.dirname(page), file);
      try {
        const linked = at.endsWith(".md") || anchor !== undefined ? read(at) : "";
        if (linked === "") readdirSync(path.dirname(path.join(ROOT, at)));
        if (anchor !== undefined && !anchors(linked).has(anchor)) broken.push(target as string);
      } catch {
        broken.push(target as string);
      }
    }
    expect(broken).toEqual([]);
  });

  it("every npm script that a page names exists", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    const unknown = pages.flatMap((page) =>
      commandTexts(read(page)).flatMap((text) =>
        [...text.matchAll(/\bnpm (?:run (?:--silent )?([\w:-]+)|(start|test)\b)/g)]
          .map((found) => found[1] ?? (found[2] as string))
          .filter((name) => !Object.hasOwn(scripts, name))
          .map((name) => `${page}: npm run ${name}`),
      ),
    );
    expect(unknown).toEqual([]);
  });

  it("every verb of nornicd and nornicctl that a page names exists", async () => {
    const used = new Map<string, Set<string>>();
    const verb = /\b(nornicctl|nornicd|npm start)(?: --)? ((?:[a-z]+)(?: [a-z]+)?)/g;
    for (const page of pages) {
      for (const text of commandTexts(read(page))) {
        for (const [, program, words] of text.matchAll(verb)) {
          const name = program === "nornicctl" ? "nornicctl" : "nornicd";
          used.set(name, (used.get(name) ?? new Set()).add(words as string));
        }
      }
    }
    const unknown: string[] = [];
    for (const [name, all] of used) {
      const program = name === "nornicctl" ? NORNICCTL : NORNICD;
      const known = await verbs(program, []);
      for (const words of all) {
        const [first, second] = words.split(" ") as [string, string?];
        if (!known.has(first)) unknown.push(`${name} ${first}`);
        else if (second !== undefined) {
          const below = await verbs(program, [first]);
          if (below.size > 0 && !below.has(second)) unknown.push(`${name} ${words}`);
        }
      }
    }
    expect(used.size).toBe(2);
    expect(unknown).toEqual([]);
  });
});

/** The commands that a program's help lists. */
async function verbs(program: string, below: readonly string[]): Promise<ReadonlySet<string>> {
  const { out } = await runNode([program, ...below, "--help"]);
  const [, list = ""] = out.split(/^Commands:$/m);
  const names = [...list.matchAll(/^ {2}(\w+)/gm)].map(([, name]) => name as string);
  return new Set(names.filter((name) => name !== "help"));
}

describe("docs/operations/monitoring.md", () => {
  it("names only log events that the program writes", () => {
    const events = rows("docs/operations/monitoring.md")
      .filter(([level]) => level === "error" || level === "warn")
      .flatMap(([, names]) => [...(names as string).matchAll(/`(\w+)`/g)].map(([, name]) => name));
    const sources = [...files("pkg", /\.ts$/), ...files("cmd", /\.ts$/)]
      .filter((file) => !file.endsWith(".test.ts"))
      .map(read)
      .join("\n");
    expect(events.length).toBeGreaterThan(10);
    expect(events.filter((name) => !sources.includes(`"${name}"`))).toEqual([]);
  });
});

describe("docs/architecture/limits.md", () => {
  const page = "docs/architecture/limits.md";

  it.each([
    ["HTTP front end", HTTP_LIMITS],
    ["Service", SERVICE_LIMITS],
    ["Replication", DEFAULT_LIMITS],
    ["Raft", { ...DEFAULT_RAFT_LIMITS, ...WIRE_LIMITS }],
    ["Copies between nodes", SNAPSHOT_LIMITS],
    ["Comparison of replicas", VERIFY_LIMITS],
    ["Connections between nodes", TRANSPORT_LIMITS],
    ["Arbiters", ARBITER_LIMITS],
    ["Stored graph (part of the format)", STORAGE_LIMITS],
    ["Stored regions (part of the format)", REGION_LIMITS],
    ["Streams between regions", { ...REGION_STREAM_LIMITS, ...REGION_WIRE_LIMITS }],
    ["Object catalogue (part of the format)", OBJECT_LIMITS],
    ["Log", LOG_LIMITS],
  ])("%s: every limit has the number that the code has, and there is no other", (title, limits) => {
    const [, section = ""] = read(page).split(`\n## ${title}\n`);
    const [own = ""] = section.split("\n## ");
    const shown = [...own.matchAll(/^\| `([a-z]\w+)` \| ([\d,]+) \|/gm)];
    const numbers = shown.map(([, name, value]) => [name, Number(value?.replaceAll(",", ""))]);
    expect(Object.fromEntries(numbers)).toEqual({ ...limits });
  });

  it("fixed numbers are those of the files named", () => {
    const fixed = rows(page).filter(([name]) => /^`[A-Z_]+`$/.test(name as string));
    expect(fixed.length).toBeGreaterThan(3);
    for (const [name, value = "", , , file = ""] of fixed) {
      const line = `const ${name?.slice(1, -1)} = ${value.replaceAll(",", "_")};`;
      const bare = line.replace(/_(?=\d)/g, "");
      const source = read(file.slice(1, -1));
      expect(source.includes(line) || source.includes(bare), line).toBe(true);
    }
  });
});

describe("docs/architecture/requirements.md", () => {
  const page = "docs/architecture/requirements.md";
  const LAST: Readonly<Record<string, number>> = { S0: 22, S1: 108, S2: 69, S3: 64, S4: 52 };

  it("has every source row once, and only states that there are", () => {
    const counted = new Map<string, number>();
    for (const [name, state] of rows(page)) {
      const span = /^(S\d)\.(\d+)(?:–S\d\.(\d+))?$/.exec(name as string);
      if (!span) continue;
      expect(["done", "partly", "not yet"]).toContain(state);
      for (let at = Number(span[2]); at <= Number(span[3] ?? span[2]); at += 1) {
        counted.set(`${span[1]}.${at}`, (counted.get(`${span[1]}.${at}`) ?? 0) + 1);
      }
    }
    for (const [source, last] of Object.entries(LAST)) {
      for (let at = 1; at <= last; at += 1) {
        expect([`${source}.${at}`, counted.get(`${source}.${at}`)]).toEqual([`${source}.${at}`, 1]);
      }
    }
    expect(counted.size).toBe(Object.values(LAST).reduce((sum, last) => sum + last, 0));
  });

  it("names for all that is done a test that exists", () => {
    const features = rows(page).filter(([name]) => /^[A-Z]+\d+$/.test(name as string));
    expect(features).toHaveLength(70);
    for (const row of rows(page)) {
      const named = [...row.join(" ").matchAll(/`([\w./-]+\.ts)`/g)].map(([, file]) => file);
      if (row.includes("done")) expect([row[0], named.length > 0]).toEqual([row[0], true]);
      for (const file of named) expect(read(file as string).length).toBeGreaterThan(0);
    }
  });
});

describe("docs/architecture/failure-cases.md", () => {
  const page = "docs/architecture/failure-cases.md";
  const CASES = 193;
  const tested = new Map<string, Set<string>>();
  for (const folder of ["pkg", "cmd", "test"]) {
    for (const file of files(folder, /\.test\.ts$|-contract\.ts$|\/mutations\.ts$/)) {
      for (const [, cases] of read(file).matchAll(/\(((?:FC-\d{3}(?:, )?)+)\)/g)) {
        for (const name of (cases as string).split(", ")) {
          tested.set(name, (tested.get(name) ?? new Set()).add(file));
        }
      }
    }
  }
  const shown = (name: string) => [...(tested.get(name) ?? [])].map((at) => `\`${at}\``).join(", ");

  it("has every case once, and knows each that a test title names", () => {
    if (process.env.UPDATE === "1") {
      const line = /^\| (FC-\d{3}) \| (.+?) \| (.+) \|$/gm;
      const update = (whole: string, name: string, what: string) =>
        tested.has(name) ? `| ${name} | ${what} | ${shown(name)} |` : whole;
      writeFileSync(path.join(ROOT, page), read(page).replace(line, update));
    }
    const listed = rows(page).filter(([name]) => /^FC-\d{3}$/.test(name as string));
    const names = Array.from({ length: CASES }, (_, at) => `FC-${String(at + 1).padStart(3, "0")}`);
    expect(listed.map(([name]) => name)).toEqual(names);
    expect([...tested.keys()].filter((name) => !names.includes(name))).toEqual([]);
    for (const [name, , cell = ""] of listed) {
      const claimed = [...cell.matchAll(/`([\w./-]+\.ts)`/g)].map(([, file]) => file as string);
      const real = tested.get(name as string) ?? new Set();
      expect([name, claimed.length > 0]).toEqual([name, real.size > 0]);
      expect([name, claimed.filter((file) => !real.has(file))]).toEqual([name, []]);
      expect(cell.length).toBeGreaterThan(10);
    }
  });
});
