import { createServer } from "node:net";
import path from "node:path";
import { type RunningServer, startServer } from "../../cmd/nornicd/server.js";
import { startWitness } from "../../cmd/nornicd/witness.js";
import { loadConfig } from "../../pkg/config/index.js";
import type { LogFields, Logger, LogLevel } from "../../pkg/runtime/index.js";
import type { Links } from "./links.js";

/** Timings of a cluster whose network is this machine's. */
const FAST: Readonly<Record<string, string>> = {
  NORNICDB_CLUSTER_RAFT_ELECTION_TIMEOUT: "300ms",
  NORNICDB_CLUSTER_RAFT_HEARTBEAT_TIMEOUT: "50ms",
  NORNICDB_CLUSTER_RAFT_LEADER_LEASE_TIMEOUT: "150ms",
  NORNICDB_CLUSTER_CROSS_REGION_BATCH_TIMEOUT: "20ms",
  NORNICDB_CLUSTER_HA_HEARTBEAT_MS: "100",
  NORNICDB_CLUSTER_HA_FAILOVER_TIMEOUT: "1500ms",
  NORNICDB_CLUSTER_HA_LEASE_TTL: "2s",
  NORNICDB_CLUSTER_HA_RECONNECT_INTERVAL: "50ms",
  NORNICDB_CLUSTER_HA_MAX_RECONNECT_BACKOFF: "200ms",
};

export interface LogLine {
  readonly level: LogLevel;
  readonly event: string;
  readonly message: string;
}

/** One server of this project in this process, on sockets of its own. */
export class Member {
  readonly id: string;
  readonly folder: string;
  readonly lines: LogLine[] = [];
  readonly #listenPort: number;
  readonly #dialPort: number;
  #environment: Readonly<Record<string, string>> = {};
  #server: RunningServer | undefined;

  private constructor(id: string, home: string, listenPort: number, dialPort: number) {
    this.id = id;
    this.folder = path.join(home, id);
    this.#listenPort = listenPort;
    this.#dialPort = dialPort;
  }

  static async make(id: string, home: string, links: Links): Promise<Member> {
    const listenPort = await freePort();
    return new Member(id, home, listenPort, await links.open(id, listenPort));
  }

  /** Where peers reach it: its door. */
  get address(): string {
    return `127.0.0.1:${this.#dialPort}`;
  }

  get runs(): boolean {
    return this.#server !== undefined;
  }

  get url(): string {
    const url = this.#server?.httpUrl;
    if (url === undefined || url === null) throw new Error(`${this.id} does not run`);
    return url;
  }

  /** What it is started with from now on; a value of "" takes a setting back. */
  configure(environment: Readonly<Record<string, string>>): void {
    this.#environment = { ...this.#environment, ...environment };
  }

  /** @throws ReplicationError when the node refuses to start */
  async start(): Promise<void> {
    const given = Object.entries({ ...FAST, ...this.#environment });
    const { config } = loadConfig({
      env: {
        ...Object.fromEntries(given.filter(([, value]) => value !== "")),
        NORNICDB_CLUSTER_NODE_ID: this.id,
        NORNICDB_CLUSTER_BIND_ADDR: `127.0.0.1:${this.#listenPort}`,
        NORNICDB_CLUSTER_ADVERTISE_ADDR: this.address,
        NORNICDB_CLUSTER_THREADS: "single",
        NORNICDB_DATA_DIR: this.folder,
        NORNICDB_CLUSTER_DATA_DIR: path.join(this.folder, "replication"),
        NORNICDB_HTTP_ADDR: "127.0.0.1:0",
        NORNICDB_BOLT_ENABLED: "false",
      },
    });
    const start = config.witness ? startWitness : startServer;
    this.#server = await start(config, collectInto(this.lines));
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.close();
  }
}

function collectInto(lines: LogLine[]): Logger {
  const logger: Logger = {
    log: (level: LogLevel, event: string, message: string, _fields?: LogFields) =>
      void lines.push({ level, event, message }),
    child: () => logger,
  };
  return logger;
}

/** A port that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { readonly port: number };
      server.close(() => resolve(port));
    });
  });
}
