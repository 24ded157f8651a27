import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { benchClusterLibrary } from "./raft-library.js";
import { closedLoop, interleave, type Measured, withRatios } from "./support/closed-loop.js";
import { startEtcd } from "./support/etcd-cluster.js";
import { HttpLoad } from "./support/http-load.js";
import { memberSettings } from "./support/member-settings.js";
import { cpuSeconds, type Server, startNornicd, waitFor } from "./support/processes.js";
import { printTable, type Row, saveResults } from "./support/report.js";

const NODES = 3;
const CLIENTS = [1, 64, 256];
const KEYS = 100_000;
const VALUE = "v".repeat(256);
const IDLE_SECONDS = 5;

const keyOf = (n: number) => `key${String((n * 7919) % KEYS).padStart(13, "0")}`;
const base64 = (text: string) => Buffer.from(text).toString("base64");

async function startCluster(directory: string): Promise<Server[]> {
  const members = await memberSettings(directory, NODES);
  return Promise.all(members.map((settings) => startNornicd(settings)));
}

function leaderOf(servers: readonly Server[]): Promise<Server> {
  return waitFor("a leader", async () => {
    for (const server of servers) {
      const health = (await (await fetch(`${server.url}/health`)).json()) as {
        replication: { is_leader: boolean };
      };
      if (health.replication.is_leader) return server;
    }
    return undefined;
  });
}

async function measure(
  url: string,
  clients: number,
  send: (load: HttpLoad) => Promise<void>,
): Promise<Measured> {
  const loads = await Promise.all(Array.from({ length: clients }, () => HttpLoad.open(url)));
  const measured = await closedLoop(clients, (caller) => send(loads[caller] as HttpLoad));
  for (const load of loads) load.close();
  return measured;
}

/** Percent of a core that each node takes while nobody asks it anything. */
async function idlePercent(servers: readonly Server[]): Promise<string> {
  const before = servers.map(({ child }) => cpuSeconds(child));
  await new Promise((resolve) => setTimeout(resolve, IDLE_SECONDS * 1000));
  return servers
    .map(({ child }, at) => ((cpuSeconds(child) - (before[at] ?? 0)) * 100) / IDLE_SECONDS)
    .map((percent) => percent.toFixed(1))
    .join(", ");
}

async function cases(leader: Server, etcdUrl: string | undefined) {
  let sequence = 0;
  const put = (load: HttpLoad) =>
    load.send(
      "PUT",
      `/nodes/${keyOf(sequence++)}`,
      `{"properties":{"value":"${VALUE}","number":${sequence}}}`,
    );
  const get = (level: string) => (load: HttpLoad) =>
    load.send("GET", `/nodes/${keyOf(sequence++)}?consistency=${level}`, "");
  const etcdPut = (load: HttpLoad) =>
    load.send(
      "POST",
      "/v3/kv/put",
      `{"key":"${base64(keyOf(sequence++))}","value":"${base64(VALUE)}"}`,
    );
  const etcdGet = (load: HttpLoad) =>
    load.send("POST", "/v3/kv/range", `{"key":"${base64(keyOf(sequence++))}"}`);
  // Every key is there before any is read.
  const fill = await HttpLoad.open(leader.url);
  for (let from = 0; from < KEYS; from += 5_000) {
    const operations = Array.from(
      { length: 5_000 },
      (_, n) => `{"op":"put_node","id":"${keyOf(from + n)}","properties":{"value":"${VALUE}"}}`,
    );
    await fill.send("POST", "/commands", `{"commands":[${operations.join(",")}]}`);
  }
  fill.close();
  return CLIENTS.flatMap((clients) => [
    ...(etcdUrl === undefined
      ? []
      : [
          { name: etcdName("writes", clients), run: () => measure(etcdUrl, clients, etcdPut) },
          { name: etcdName("reads", clients), run: () => measure(etcdUrl, clients, etcdGet) },
        ]),
    { name: `writes, ${clients} clients`, run: () => measure(leader.url, clients, put) },
    {
      name: `reads QUORUM, ${clients} clients`,
      run: () => measure(leader.url, clients, get("QUORUM")),
    },
    {
      name: `reads LEADER, ${clients} clients`,
      run: () => measure(leader.url, clients, get("LEADER")),
    },
  ]);
}

function etcdName(what: "writes" | "reads", clients: number): string {
  return `etcd, JSON gateway: ${what}, ${clients} clients`;
}

function rate(rows: readonly Row[]): Row[] {
  return withRatios(rows, ({ name }) => {
    const clients = Number(/(\d+) clients/.exec(name)?.[1]);
    if (name.startsWith("etcd")) return undefined;
    return etcdName(name.startsWith("writes") ? "writes" : "reads", clients);
  });
}

/** Three processes on this machine: writes that a majority holds durably, and linearizable reads. */
export async function run(): Promise<void> {
  const directory = mkdtempSync(path.join(process.env.BENCH_DIR ?? tmpdir(), "nornic-bench-"));
  const servers = await startCluster(directory);
  const etcd = await startEtcd(path.join(directory, "etcd"));
  try {
    const leader = await leaderOf(servers);
    const rows = rate(await interleave(await cases(leader, etcd?.leaderUrl)));
    const idle = await idlePercent(servers);
    printTable("raft, three processes, HTTP at the leader: values of 256 bytes", rows, [
      "cores are those of the load generator; servers and generator share the machine",
      `an idle node takes ${idle} % of a core`,
      etcd === undefined ? "no etcd is installed to stand beside" : "etcd ran in the same run",
    ]);
    saveResults("raft-http", rows);
  } finally {
    etcd?.stop();
    const gone = servers.map(({ child }) => new Promise((done) => child.once("exit", done)));
    for (const { child } of servers) child.kill("SIGTERM");
    await Promise.all(gone);
    rmSync(directory, { recursive: true, force: true });
  }
  await benchClusterLibrary();
}
