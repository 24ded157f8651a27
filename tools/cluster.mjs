// A cluster on this machine: real processes on loopback, one data directory each.
// usage: cluster [--mode raft|ha_standby] [--nodes N] [--http-port P[,P…]] [--cluster-port P[,P…]] [--data-dir FOLDER]
// One port is the first of a row; a list names them all. `ha_standby` is a pair and its witness.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, openSync, readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";

const NODES_MAX = 9;
const WITNESS = "witness";
const FOLDERS = { raft: "./data/cluster", ha_standby: "./data/pair" };
const REFRESH_MS = 1_000;
/** After this a node that does not stop is killed. */
const STOP_MS_MAX = 12_000;
/** A terminal's Ctrl-C may arrive twice: from the terminal, and passed on by npm. */
const SAME_WISH_MS = 1_000;

/**
 * Starts the nodes, shows how they are until a signal comes, and stops them.
 * @param nornicd - the built program
 * @returns the exit code
 */
export async function runCluster(nornicd, args) {
  const options = readOptions(args);
  if (options === undefined) return 64;
  const nodes = options.ids.map((_, at) => startNode(nornicd, options, at));
  const stopWanted = onceSignalled(nodes);
  const ready = await Promise.race([
    Promise.all(nodes.map((node) => node.listening)).then(() => "ready"),
    Promise.race(nodes.map((node) => node.exited.then(() => node))),
    stopWanted,
  ]);
  if (ready === "ready") {
    say(`${nodes.length} nodes; logs and data in ${options.dataDir}; Ctrl-C stops all`);
    for (const { id, http, child } of nodes) say(`${id} ${http}\n${id} process ${child.pid}`);
    await watch(nodes, stopWanted);
  } else if (ready !== "stop") {
    say(`${ready.id} ended before it served; ${ready.logFile} ends with:\n${tail(ready.logFile)}`);
  }
  await Promise.all(nodes.map(stop));
  const failed = ready !== "ready" && ready !== "stop";
  say(failed ? "the cluster could not start" : "all nodes are stopped");
  return failed ? 1 : 0;
}

const say = (text) => process.stdout.write(`${text}\n`);

function readOptions(args) {
  try {
    const { values } = parseArgs({
      args,
      options: {
        mode: { type: "string", default: "raft" },
        nodes: { type: "string", default: "3" },
        "http-port": { type: "string", default: "7474" },
        "cluster-port": { type: "string", default: "7688" },
        "data-dir": { type: "string" },
      },
    });
    const { mode } = values;
    if (!Object.hasOwn(SETTINGS, mode)) {
      throw new Error(`--mode: raft or ha_standby is needed, not ${mode}`);
    }
    const members = whole(values.nodes, "--nodes", 1, NODES_MAX);
    const ids = mode === "raft" ? numbered(members) : [...numbered(2), WITNESS];
    const count = ids.length;
    return {
      mode,
      ids,
      httpPorts: ports(values["http-port"], "--http-port", count, 0),
      clusterPorts: ports(values["cluster-port"], "--cluster-port", count, 1),
      dataDir: path.resolve(values["data-dir"] ?? FOLDERS[mode]),
    };
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    return undefined;
  }
}

function ports(text, name, count, min) {
  const given = text.split(",").map((one) => whole(one, name, min, 65_535));
  if (given.length === count) return given;
  if (given.length > 1) throw new Error(`${name}: one port, or one for each of ${count} nodes`);
  const [first] = given;
  return Array.from({ length: count }, (_, at) => (first === 0 ? 0 : first + at));
}

function whole(text, name, min, max) {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new Error(`${name}: a whole number from ${min} to ${max} is needed, not ${text}`);
}

const numbered = (count) => Array.from({ length: count }, (_, at) => `n${at + 1}`);

/** What each mode asks of its node number `at`. */
const SETTINGS = {
  raft: ({ ids, addresses }) => ({
    NORNICDB_CLUSTER_MODE: "raft",
    NORNICDB_CLUSTER_RAFT_PEERS: ids.map((id, at) => `${id}:${addresses[at]}`).join(","),
    NORNICDB_CLUSTER_RAFT_BOOTSTRAP: "true",
  }),
  ha_standby: ({ ids, addresses }, at) =>
    ids[at] === WITNESS
      ? { NORNICDB_WITNESS: "true" }
      : {
          NORNICDB_CLUSTER_MODE: "ha_standby",
          NORNICDB_CLUSTER_HA_ROLE: at === 0 ? "primary" : "standby",
          NORNICDB_CLUSTER_HA_PEERS: `${ids[1 - at]}:${addresses[1 - at]}`,
          NORNICDB_CLUSTER_HA_ARBITER: "witness",
          NORNICDB_CLUSTER_HA_ARBITER_ADDR: addresses[ids.indexOf(WITNESS)],
        },
};

function startNode(nornicd, options, at) {
  const { mode, ids, httpPorts, clusterPorts, dataDir } = options;
  const id = ids[at];
  const folder = path.join(dataDir, id);
  mkdirSync(folder, { recursive: true });
  const logFile = path.join(folder, "nornicd.log");
  const addresses = clusterPorts.map((port) => `127.0.0.1:${port}`);
  const child = spawn(process.execPath, [nornicd], {
    stdio: ["ignore", "pipe", openSync(logFile, "a")],
    env: {
      ...process.env,
      ...SETTINGS[mode]({ ids, addresses }, at),
      NORNICDB_CLUSTER_NODE_ID: id,
      NORNICDB_CLUSTER_BIND_ADDR: addresses[at],
      NORNICDB_DATA_DIR: folder,
      NORNICDB_CLUSTER_DATA_DIR: path.join(folder, "replication"),
      NORNICDB_HTTP_ADDR: `127.0.0.1:${httpPorts[at]}`,
      NORNICDB_BOLT_ADDR: "127.0.0.1:0",
    },
  });
  const node = { id, child, logFile, http: undefined, ended: undefined, shown: "" };
  node.exited = once(child, "exit").then(([code, signal]) => {
    node.ended = signal ?? `exit ${code}`;
  });
  node.listening = firstLine(child).then((line) => {
    node.http = JSON.parse(line).http;
  });
  return node;
}

async function firstLine(child) {
  for await (const line of createInterface({ input: child.stdout })) return line;
  return new Promise(() => {});
}

/** The first signal asks all nodes to stop; a later one ends them at once. */
function onceSignalled(nodes) {
  return new Promise((resolve) => {
    let firstMs;
    for (const signal of ["SIGINT", "SIGTERM"]) {
      process.on(signal, () => {
        firstMs ??= performance.now();
        resolve("stop");
        if (performance.now() - firstMs <= SAME_WISH_MS) return;
        for (const { child } of nodes) child.kill("SIGKILL");
      });
    }
  });
}

async function stop(node) {
  if (node.ended !== undefined) return;
  node.child.kill("SIGTERM");
  const end = new AbortController();
  await Promise.race([node.exited, pause(STOP_MS_MAX, undefined, { signal: end.signal })]);
  end.abort();
  if (node.ended === undefined) node.child.kill("SIGKILL");
  await node.exited;
}

/** Shows the nodes until the wish to stop comes, or none is left. */
async function watch(nodes, stopWanted) {
  let stopping = false;
  const stopped = stopWanted.then(() => {
    stopping = true;
  });
  while (!stopping && nodes.some(({ ended }) => ended === undefined)) {
    const rows = await Promise.all(nodes.map(rowOf));
    if (stopping) break;
    if (process.stdout.isTTY) drawTable(rows);
    else tellChanges(nodes, rows);
    await Promise.race([stopped, pause(REFRESH_MS)]);
  }
}

const HEAD = ["node", "http", "pid", "role", "term", "commit", "applied", "lag", "state"];

async function rowOf({ id, http, child, ended }) {
  if (ended !== undefined) return [id, http, "-", "-", "-", "-", "-", "-", `down (${ended})`];
  try {
    const signal = AbortSignal.timeout(REFRESH_MS);
    const { replication: own } = await (await fetch(`${http}/health`, { signal })).json();
    if (own === undefined)
      return [id, http, child.pid, "-", "-", "-", "-", "-", "ready"].map(String);
    const { role, term, commit_index, applied_index, lag_entries, state, reason } = own;
    const facts = [role, term, commit_index, applied_index, lag_entries];
    return [id, http, child.pid, ...facts, reason ? `${state}: ${reason}` : state].map(String);
  } catch {
    return [id, http, String(child.pid), "-", "-", "-", "-", "-", "does not answer"];
  }
}

function drawTable(rows) {
  const all = [HEAD, ...rows];
  const widths = HEAD.map((_, at) => Math.max(...all.map((row) => row[at].length)));
  const lines = all.map((row) => row.map((cell, at) => cell.padEnd(widths[at])).join("  "));
  const clear = "\x1b[H\x1b[J";
  process.stdout.write(`${clear}${lines.join("\n")}\n\nCtrl-C stops all\n`);
}

/** Without a terminal: a line when a node has another role, term or state. */
function tellChanges(nodes, rows) {
  for (const [at, row] of rows.entries()) {
    const [id, , , role, term, , , , state] = row;
    const now = `${id} ${role} term ${term} ${state}`;
    if (now === nodes[at].shown) continue;
    nodes[at].shown = now;
    say(now);
  }
}

function tail(file) {
  return readFileSync(file, "utf8").trimEnd().split("\n").slice(-5).join("\n");
}
