import { rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type Nornicd, startNornicd } from "./nornicd.js";

const LOOKS_MAX = 400;
const LOOK_MS = 50;

/** Looks until the answer is something; bounded by looks, not by a clock. */
export async function until<T>(what: string, look: () => Promise<T | undefined | false>) {
  for (let looks = 0; looks < LOOKS_MAX; looks += 1) {
    const found = await look().catch(() => undefined);
    if (found !== undefined && found !== false) return found;
    await pause(LOOK_MS);
  }
  throw new Error(`it did not come to this: ${what}`);
}

/** Ports that were free a moment ago, all different. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers: Server[] = [];
  for (let at = 0; at < count; at += 1) {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    servers.push(server);
  }
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

/** Nodes of one raft cluster, each its own process with its own folder. */
export class RaftCluster {
  readonly #folder: string;
  readonly #ports: Map<string, number>;
  readonly #nodes = new Map<string, Nornicd>();

  /** @param ports - of the cluster listeners, by node id */
  constructor(folder: string, ports: Map<string, number>) {
    this.#folder = folder;
    this.#ports = ports;
  }

  static async make(folder: string, ids: readonly string[]): Promise<RaftCluster> {
    const ports = await freePorts(ids.length);
    return new RaftCluster(folder, new Map(ids.map((id, at) => [id, ports[at] as number])));
  }

  node(id: string): Nornicd {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new Error(`${id} does not run`);
    return node;
  }

  address(id: string): string {
    return `127.0.0.1:${this.#ports.get(id)}`;
  }

  folder(id: string): string {
    return path.join(this.#folder, id);
  }

  /** What the node is told; also for the command line beside it. */
  environment(id: string, founders: readonly string[]): Record<string, string> {
    const peers = founders.map((peer) => `${peer}:${this.address(peer)}`).join(",");
    return {
      NORNICDB_CLUSTER_MODE: "raft",
      NORNICDB_CLUSTER_NODE_ID: id,
      NORNICDB_CLUSTER_BIND_ADDR: this.address(id),
      NORNICDB_CLUSTER_RAFT_PEERS: peers,
      NORNICDB_CLUSTER_RAFT_BOOTSTRAP: String(founders.length > 0),
      NORNICDB_DATA_DIR: this.folder(id),
      NORNICDB_CLUSTER_DATA_DIR: path.join(this.folder(id), "replication"),
    };
  }

  /** @param founders - none for a node that waits to be taken in */
  async start(id: string, founders: readonly string[]): Promise<Nornicd> {
    const environment = this.environment(id, founders);
    const node = await startNornicd({ dataDir: this.folder(id), environment });
    this.#nodes.set(id, node);
    return node;
  }

  async kill(id: string, signal: NodeJS.Signals): Promise<number | null> {
    const { code } = await this.node(id).kill(signal);
    this.#nodes.delete(id);
    return code;
  }

  /** At its next start the node listens elsewhere. */
  async move(id: string): Promise<void> {
    const [port] = await freePorts(1);
    this.#ports.set(id, port as number);
  }

  wipe(id: string): void {
    rmSync(this.folder(id), { recursive: true });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#nodes.keys()].map((id) => this.kill(id, "SIGKILL")));
  }

  /** The running node that takes writes. */
  leader(): Promise<string> {
    return until("a node leads", async () => {
      for (const [id, { url }] of this.#nodes) {
        if ((await fetch(`${url}/leader`)).status === 200) return id;
      }
      return undefined;
    });
  }

  /** A running node that follows. */
  async follower(): Promise<string> {
    const leader = await this.leader();
    const found = [...this.#nodes.keys()].find((id) => id !== leader);
    if (found === undefined) throw new Error("nobody follows");
    return found;
  }
}
