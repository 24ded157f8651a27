import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";
import { type Exit, type Nornicd, startNornicd } from "../../process/support/nornicd.js";
import type { NetworkLab } from "./network-lab.js";

/** The `replication` part of `/health`, as far as it is looked at here. */
export interface NodeHealth {
  readonly node_id: string;
  readonly role: string;
  readonly is_leader: boolean;
  readonly leader_id: string | null;
  readonly term: number;
  readonly commit_index: number;
  readonly applied_index: number;
  readonly peers: readonly { readonly id: string; readonly role: string | null }[];
  /** Of a pair only. */
  readonly stage?: string;
  readonly in_sync?: boolean;
  readonly split_brain_possible?: boolean;
}

export interface RaftClusterOptions {
  readonly nodes: number;
  /** Of these many, so many found the cluster; the others are added later. */
  readonly founders?: number;
  readonly environment?: Readonly<Record<string, string>>;
  /** Every node in a network of its own, whose links can be cut. */
  readonly lab?: NetworkLab;
  readonly connections?: number;
}

const CONNECTIONS = 64;
const POLL_MS = 20;
const LEADER_MS_MAX = 30_000;

/** What a node's log says when its leadership begins, in raft and in a pair. */
const LEADS = ["Transitioning to LEADER state", "Promoting to PRIMARY role"];

/** Term and node of every leadership that a log tells of. */
export type Leadership = readonly [term: number, node: string];

/** One member: its process comes and goes, its ports and its disk stay. */
export class RaftNode {
  readonly id: string;
  readonly index: number;
  readonly dataDir: string;
  readonly clusterAddress: string;
  readonly pool: Pool;
  readonly url: string;
  server: Nornicd | undefined;
  #logs = "";
  readonly #environment: () => Readonly<Record<string, string>>;
  readonly #wrapper: readonly string[];

  constructor(parts: {
    readonly index: number;
    readonly dataDir: string;
    readonly clusterAddress: string;
    readonly httpAddress: string;
    readonly socketPath?: string;
    readonly wrapper?: readonly string[];
    readonly connections: number;
    readonly environment: () => Readonly<Record<string, string>>;
  }) {
    this.index = parts.index;
    this.id = nodeName(parts.index);
    this.dataDir = parts.dataDir;
    this.clusterAddress = parts.clusterAddress;
    this.url = `http://${parts.httpAddress}`;
    const { socketPath } = parts;
    this.pool = new Pool(this.url, {
      connections: parts.connections,
      pipelining: 1,
      ...(socketPath === undefined ? {} : { connect: { socketPath } }),
    });
    this.#wrapper = parts.wrapper ?? [];
    this.#environment = () => ({
      NORNICDB_CLUSTER_NODE_ID: this.id,
      NORNICDB_CLUSTER_BIND_ADDR: parts.clusterAddress,
      NORNICDB_CLUSTER_DATA_DIR: path.join(parts.dataDir, "replication"),
      NORNICDB_HTTP_ADDR: parts.httpAddress,
      ...parts.environment(),
    });
  }

  /** @param environment - on top of the cluster's */
  async start(environment: Readonly<Record<string, string>> = {}): Promise<void> {
    mkdirSync(this.dataDir, { recursive: true });
    this.server = await startNornicd({
      dataDir: this.dataDir,
      environment: { ...this.#environment(), ...environment },
      wrapper: this.#wrapper,
    });
  }

  async kill(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<Exit> {
    const { server } = this;
    if (server === undefined) throw new Error(`${this.id} is not running`);
    const exit = await server.kill(signal);
    this.#logs += server.log();
    this.server = undefined;
    return exit;
  }

  pause(): void {
    this.server?.process.kill("SIGSTOP");
  }

  resume(): void {
    this.server?.process.kill("SIGCONT");
  }

  wipe(): void {
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  /** Undefined while it does not answer. */
  async health(timeoutMs = 500): Promise<NodeHealth | undefined> {
    if (this.server === undefined) return undefined;
    try {
      const body = (await this.get("/health", timeoutMs)) as { replication?: NodeHealth };
      return body.replication;
    } catch {
      return undefined;
    }
  }

  /** The JSON of an answer, whatever its status. */
  async get(requestPath: string, timeoutMs = 5_000): Promise<unknown> {
    const answer = await this.pool.request({
      method: "GET",
      path: requestPath,
      signal: AbortSignal.timeout(timeoutMs),
    });
    return answer.body.json();
  }

  async post(requestPath: string, body: unknown, timeoutMs = 30_000): Promise<HttpAnswer> {
    const answer = await this.pool.request({
      method: "POST",
      path: requestPath,
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await answer.body.text();
    return { status: answer.statusCode, body: text === "" ? null : JSON.parse(text) };
  }

  log(): string {
    return this.#logs + (this.server?.log() ?? "");
  }

  /** Terms that this node led, by its own log over all its lives. */
  leaderships(): Leadership[] {
    const found: Leadership[] = [];
    for (const line of this.log().split("\n")) {
      if (!LEADS.some((text) => line.includes(text))) continue;
      const { term } = JSON.parse(line) as { term: number };
      found.push([term, this.id]);
    }
    return found;
  }

  /** Resident memory, in bytes. */
  rssBytes(): number {
    const pid = this.server?.process.pid;
    const text = execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" });
    return Number(text) * 1024;
  }

  logBytes(): number {
    return bytesUnder(path.join(this.dataDir, "replication"));
  }

  async dispose(): Promise<void> {
    this.resume();
    if (this.server !== undefined) await this.kill("SIGKILL");
    await this.pool.destroy();
  }
}

export interface HttpAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: what a server answers is looked at field by field
  readonly body: any;
}

/** Members of one raft cluster, each a process of its own. */
export class RaftCluster implements AsyncDisposable {
  readonly nodes: readonly RaftNode[];
  readonly directory: string;

  protected constructor(nodes: readonly RaftNode[], directory: string) {
    this.nodes = nodes;
    this.directory = directory;
  }

  /** Starts the founders and waits for their leader. */
  static async start(options: RaftClusterOptions): Promise<RaftCluster> {
    const directory = mkdtempSync(path.join(tmpdir(), "nornic-raft-"));
    const founders = options.founders ?? options.nodes;
    const addresses = await addressesOf(options);
    const peers = addresses
      .slice(0, founders)
      .map(({ cluster }, at) => `${nodeName(at)}:${cluster}`)
      .join(",");
    const nodes = addresses.map(({ cluster, http, socketPath, wrapper }, index) => {
      const founding: Readonly<Record<string, string>> =
        index < founders
          ? {
              NORNICDB_CLUSTER_RAFT_PEERS: peers,
              NORNICDB_CLUSTER_RAFT_BOOTSTRAP: "true",
            }
          : {};
      return new RaftNode({
        index,
        dataDir: path.join(directory, nodeName(index)),
        clusterAddress: cluster,
        httpAddress: http,
        connections: options.connections ?? CONNECTIONS,
        ...(socketPath === undefined ? {} : { socketPath }),
        ...(wrapper === undefined ? {} : { wrapper }),
        environment: () => ({
          NORNICDB_CLUSTER_MODE: "raft",
          NORNICDB_LOG_LEVEL: "info",
          NORNICDB_LOG_FORMAT: "json",
          ...founding,
          ...options.environment,
        }),
      });
    });
    const cluster = new RaftCluster(nodes, directory);
    try {
      await Promise.all(nodes.slice(0, founders).map((node) => node.start()));
      await cluster.leader();
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  node(id: string): RaftNode {
    const found = this.nodes.find((node) => node.id === id);
    if (found === undefined) throw new Error(`there is no ${id}`);
    return found;
  }

  running(): RaftNode[] {
    return this.nodes.filter(({ server }) => server !== undefined);
  }

  followers(leader: RaftNode): RaftNode[] {
    return this.running().filter((node) => node !== leader);
  }

  /** The node that takes writes, once there is one among `nodes`. */
  async leader(nodes?: readonly RaftNode[], timeoutMs = LEADER_MS_MAX): Promise<RaftNode> {
    const untilMs = performance.now() + timeoutMs;
    let seen: readonly (NodeHealth | undefined)[] = [];
    while (performance.now() < untilMs) {
      const asked = nodes ?? this.running();
      seen = await Promise.all(asked.map((node) => node.health()));
      const leaders = seen.filter((health) => health?.is_leader === true);
      const newest = leaders.sort((a, b) => (b?.term ?? 0) - (a?.term ?? 0))[0];
      if (newest !== undefined) return this.node(newest.node_id);
      await sleep(POLL_MS);
    }
    throw new Error(`no leader within ${timeoutMs} ms: ${JSON.stringify(seen)}`);
  }

  async term(nodes?: readonly RaftNode[]): Promise<number> {
    const all = await Promise.all((nodes ?? this.running()).map((node) => node.health(2_000)));
    return Math.max(0, ...all.map((health) => health?.term ?? 0));
  }

  /** Waits until these nodes have applied what the first leader found among them has committed. */
  async converged(nodes = this.running(), timeoutMs = 60_000): Promise<number> {
    const untilMs = performance.now() + timeoutMs;
    let seen: readonly (NodeHealth | undefined)[] = [];
    while (performance.now() < untilMs) {
      seen = await Promise.all(nodes.map((node) => node.health(2_000)));
      const applied = new Set(seen.map((health) => health?.applied_index ?? -1));
      const [index] = applied;
      if (applied.size === 1 && index !== undefined && index > 0) return index;
      await sleep(POLL_MS);
    }
    throw new Error(`not equal within ${timeoutMs} ms: ${JSON.stringify(seen)}`);
  }

  /** Waits until these nodes have applied everything up to `index`. */
  async caughtUp(index: number, nodes = this.running(), timeoutMs = 60_000): Promise<void> {
    const untilMs = performance.now() + timeoutMs;
    let seen: readonly number[] = [];
    while (performance.now() < untilMs) {
      const all = await Promise.all(nodes.map((node) => node.health(2_000)));
      seen = all.map((health) => health?.applied_index ?? 0);
      if (seen.every((applied) => applied >= index)) return;
      await sleep(POLL_MS);
    }
    throw new Error(`not at ${index} within ${timeoutMs} ms: ${seen.join(", ")}`);
  }

  /** Every leadership of every life of every node; two nodes in one term are a violation. */
  leaderships(): { readonly terms: number; readonly doubled: readonly string[] } {
    const byTerm = new Map<number, Set<string>>();
    for (const [term, id] of this.nodes.flatMap((node) => node.leaderships())) {
      byTerm.set(term, (byTerm.get(term) ?? new Set()).add(id));
    }
    const doubled = [...byTerm]
      .filter(([, ids]) => ids.size > 1)
      .map(([term, ids]) => `term ${term}: ${[...ids].join(", ")}`);
    return { terms: byTerm.size, doubled };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.dispose()));
    if (process.env.CHAOS_KEEP === undefined) {
      rmSync(this.directory, { recursive: true, force: true });
      return;
    }
    for (const node of this.nodes) {
      writeFileSync(path.join(this.directory, `${node.id}.log`), node.log());
    }
    console.log(`kept: ${this.directory}`);
  }
}

interface Addresses {
  readonly cluster: string;
  readonly http: string;
  readonly socketPath?: string;
  readonly wrapper?: readonly string[];
}

async function addressesOf({ nodes, lab }: RaftClusterOptions): Promise<readonly Addresses[]> {
  if (lab !== undefined) {
    return lab.places.map(({ address, socketPath, wrapper }) => ({
      cluster: `${address}:7688`,
      http: lab.httpAddress,
      socketPath,
      wrapper,
    }));
  }
  const ports = await freePorts(2 * nodes);
  return Array.from({ length: nodes }, (_, at) => ({
    cluster: `127.0.0.1:${ports[2 * at]}`,
    http: `127.0.0.1:${ports[2 * at + 1]}`,
  }));
}

export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const listening = servers.map(
    (server) => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)),
  );
  await Promise.all(listening);
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function nodeName(index: number): string {
  return `n${index + 1}`;
}

function bytesUnder(directory: string): number {
  let bytes = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    bytes += statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}
