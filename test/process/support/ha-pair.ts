import { rmSync } from "node:fs";
import path from "node:path";
import { ask } from "./ask.js";
import { type Nornicd, startNornicd } from "./nornicd.js";
import { freePorts, until } from "./raft-cluster.js";

export interface PairOptions {
  /** A witness process decides who is primary. */
  readonly witness?: boolean;
  /** The nodes name each other; otherwise each knows the other's address alone. */
  readonly named?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
}

/** As fast as a busy machine of few cores allows. */
const TIMING = {
  NORNICDB_CLUSTER_HA_HEARTBEAT_MS: "200",
  NORNICDB_CLUSTER_HA_FAILOVER_TIMEOUT: "2s",
  NORNICDB_CLUSTER_HA_LEASE_TTL: "1500ms",
  NORNICDB_CLUSTER_HA_RECONNECT_INTERVAL: "50ms",
  NORNICDB_CLUSTER_HA_MAX_RECONNECT_BACKOFF: "200ms",
};

// biome-ignore lint/suspicious/noExplicitAny: what a server answers is looked at field by field
type Health = any;

/** Two nodes, each its own process with its own folder, and maybe a witness. */
export class HaPair {
  readonly #folder: string;
  readonly #options: PairOptions;
  readonly #ports: Map<string, number>;
  readonly #nodes = new Map<string, Nornicd>();

  private constructor(folder: string, options: PairOptions, ports: readonly number[]) {
    this.#folder = folder;
    this.#options = options;
    this.#ports = new Map(["a", "b", "w"].map((id, at) => [id, ports[at] as number]));
  }

  static async make(folder: string, options: PairOptions = {}): Promise<HaPair> {
    const pair = new HaPair(folder, options, await freePorts(3));
    if (options.witness === true) await pair.startWitness();
    return pair;
  }

  node(id: string): Nornicd {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new Error(`${id} does not run`);
    return node;
  }

  port(id: string): number {
    return this.#ports.get(id) as number;
  }

  address(id: string): string {
    return `127.0.0.1:${this.port(id)}`;
  }

  folder(id: string): string {
    return path.join(this.#folder, id);
  }

  environment(id: string, role: string): Record<string, string> {
    const other = id === "a" ? "b" : "a";
    const peers =
      this.#options.named === true
        ? { NORNICDB_CLUSTER_HA_PEERS: `a:${this.address("a")},b:${this.address("b")}` }
        : { NORNICDB_CLUSTER_HA_PEER_ADDR: this.address(other) };
    const arbiter =
      this.#options.witness === true
        ? {
            NORNICDB_CLUSTER_HA_ARBITER: "witness",
            NORNICDB_CLUSTER_HA_ARBITER_ADDR: this.address("w"),
          }
        : {};
    return {
      NORNICDB_CLUSTER_MODE: "ha_standby",
      NORNICDB_CLUSTER_NODE_ID: id,
      NORNICDB_CLUSTER_BIND_ADDR: this.address(id),
      NORNICDB_CLUSTER_HA_ROLE: role,
      NORNICDB_DATA_DIR: this.folder(id),
      NORNICDB_CLUSTER_DATA_DIR: path.join(this.folder(id), "replication"),
      ...TIMING,
      ...peers,
      ...arbiter,
      ...this.#options.environment,
    };
  }

  async start(id: string, role: string): Promise<Nornicd> {
    const environment = this.environment(id, role);
    const node = await startNornicd({ dataDir: this.folder(id), environment });
    this.#nodes.set(id, node);
    return node;
  }

  /** Both, `a` as primary; resolves when `b` streams. */
  async startBoth(): Promise<void> {
    await Promise.all([this.start("a", "primary"), this.start("b", "standby")]);
    await this.streams("b");
  }

  async startWitness(): Promise<void> {
    const environment = {
      NORNICDB_WITNESS: "true",
      NORNICDB_CLUSTER_BIND_ADDR: this.address("w"),
      NORNICDB_DATA_DIR: this.folder("w"),
    };
    this.#nodes.set("w", await startNornicd({ dataDir: this.folder("w"), environment }));
  }

  async kill(id: string, signal: NodeJS.Signals = "SIGKILL"): Promise<number | null> {
    const { code } = await this.node(id).kill(signal);
    this.#nodes.delete(id);
    return code;
  }

  wipe(id: string): void {
    rmSync(this.folder(id), { recursive: true });
  }

  async health(id: string): Promise<Health> {
    return (await ask(`${this.node(id).url}/health`)).body.replication;
  }

  /** That standby has all that its primary has, and the primary counts on it. */
  streams(id: string): Promise<Health> {
    return until(`${id} streams`, async () => {
      const health = await this.health(id);
      const even = health.stage === "streaming" && health.in_sync && health.lag_entries === 0;
      return even && health;
    });
  }

  leads(id: string): Promise<true> {
    return until(`${id} is primary`, async () => {
      return (await ask(`${this.node(id).url}/primary`)).status === 200;
    });
  }

  /** @returns the answer of a write */
  write(id: string, node: string) {
    return ask(`${this.node(id).url}/nodes/${node}`, "PUT", { labels: ["X"] });
  }

  async has(id: string, node: string, consistency = "ONE"): Promise<boolean> {
    const url = `${this.node(id).url}/nodes/${node}?consistency=${consistency}`;
    return (await ask(url)).status === 200;
  }

  async close(): Promise<void> {
    for (const [, node] of this.#nodes) node.process.kill("SIGCONT");
    await Promise.all([...this.#nodes.keys()].map((id) => this.kill(id)));
  }
}
