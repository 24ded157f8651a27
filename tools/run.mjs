// One door for every script: makes the checkout ready (install, build), then runs the command.
// usage: node tools/run.mjs COMMAND [arguments]
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { runCluster } from "./cluster.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const at = (...parts) => path.join(root, ...parts);

/** Runs a program with its output on standard error, which leaves standard output to the command. */
function runQuietly(program, args) {
  const result = spawnSync(program, args, { cwd: root, stdio: ["ignore", 2, 2] });
  if (result.status !== 0) {
    process.stderr.write(
      `${program} ${args.join(" ")} failed (${result.status ?? result.error})\n`,
    );
    process.exit(1);
  }
}

function run(program, args, environment = {}) {
  const env = { ...process.env, ...environment };
  const result = spawnSync(program, args, { cwd: root, stdio: "inherit", env });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

const modifiedMs = (file) => (existsSync(file) ? statSync(file).mtimeMs : 0);

function newestMs(directory) {
  let newest = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const child = path.join(directory, entry.name);
    if (entry.isDirectory()) newest = Math.max(newest, newestMs(child));
    else if (/\.(ts|json)$/.test(entry.name)) newest = Math.max(newest, modifiedMs(child));
  }
  return newest;
}

function install() {
  if (modifiedMs(at("node_modules/.package-lock.json")) >= modifiedMs(at("package-lock.json")))
    return;
  process.stderr.write("Installing dependencies (the first time takes a minute or two) …\n");
  runQuietly("npm", ["ci", "--no-audit", "--no-fund"]);
}

const BUILT = ["pkg", "cmd", "examples", "test/contract"];

function build() {
  const sources = [
    ...BUILT.filter((folder) => existsSync(at(folder))).map((folder) => newestMs(at(folder))),
    modifiedMs(at("tsconfig.build.json")),
    modifiedMs(at("package-lock.json")),
  ];
  if (modifiedMs(at("dist/.built")) > Math.max(...sources)) return;
  process.stderr.write("Building …\n");
  runQuietly(process.execPath, [
    at("node_modules/typescript/bin/tsc"),
    "-p",
    "tsconfig.build.json",
  ]);
  mkdirSync(at("dist"), { recursive: true });
  writeFileSync(at("dist/.built"), "");
}

/** Runs a built program in this very process, so that signals and exit codes are its own. */
async function runBuilt(file, args) {
  process.argv = [process.execPath, at("dist", file), ...args];
  await import(at("dist", file));
}

const bin = (name) => at("node_modules/.bin", name);
const vitest = (...args) => run(bin("vitest"), ["run", ...args]);

const COMMANDS = {
  build: async () => {},
  start: (args) => runBuilt("cmd/nornicd/main.js", args),
  cluster: async (args) => process.exit(await runCluster(at("dist/cmd/nornicd/main.js"), args)),
  nornicctl: (args) => runBuilt("cmd/nornicctl/main.js", args),
  "example:world": (args) => runBuilt("examples/world/main.js", args),
  test: async (args) => vitest(...args),
  coverage: async (args) => vitest("--coverage", ...args),
  format: async () => run(bin("biome"), ["check", "--write", "."]),
  lint: async () => {
    run(bin("biome"), ["ci", "."]);
    run(bin("tsc"), ["-p", "tsconfig.json"]);
    run(bin("depcruise"), ["pkg", "cmd", "examples"]);
    run(bin("knip"), []);
  },
  package: async () => run(process.execPath, [at("tools/check-package.mjs")]),
  docs: async () =>
    run(process.execPath, [at("tools/render-diagrams.mjs"), at("dist/docs/diagrams")]),
  bench: (args) => runBench(args),
  simulate: async (args) => runSimulation(args),
  scenario: async (args) => runScenarios(args),
  chaos: async (args) => vitest("--config", "vitest.chaos.config.ts", ...args),
};

async function runBench(args) {
  run(bin("tsc"), ["-p", "tsconfig.bench.json"]);
  await runBuilt("test/bench/main.js", args);
}

/** usage: simulate [--seed N] [--count M] [test file filter] */
function runSimulation(args) {
  const environment = {};
  const rest = [];
  for (let at = 0; at < args.length; at += 1) {
    if (args[at] === "--seed") environment.SIM_SEED = args[++at];
    else if (args[at] === "--count") environment.SIM_COUNT = args[++at];
    else rest.push(args[at]);
  }
  run(bin("vitest"), ["run", "--project", "simulation", ...rest], environment);
}

/** usage: scenario [A | B | C | D | standalone | raft | modes | part of a suite's name] … */
function runScenarios(args) {
  const environment = { SCENARIO: args.join(" ") };
  const flags = ["--reporter", "verbose", "--passWithNoTests"];
  run(bin("vitest"), ["run", "--project", "scenario", ...flags], environment);
}

const [name, ...args] = process.argv.slice(2);
const command = Object.hasOwn(COMMANDS, name ?? "") ? COMMANDS[name] : undefined;
if (command === undefined) {
  process.stderr.write(`usage: node tools/run.mjs ${Object.keys(COMMANDS).join(" | ")}\n`);
  process.exit(64);
}
install();
build();
await command(args);
