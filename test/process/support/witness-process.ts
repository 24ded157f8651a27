import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type NodeId, parseNodeId } from "../../../pkg/base/index.js";
import { openArbiter } from "../../../pkg/replication/arbiter/index.js";
import type { Arbiter } from "../../../pkg/replication/ports/index.js";
import { noMetrics, silentLogger, type TlsOptions } from "../../../pkg/runtime/index.js";
import {
  nodeHttpClient,
  nodeNetwork,
  systemClock,
  systemRandom,
  systemTimers,
} from "../../../pkg/runtime/node/index.js";
import { type ClusterTransport, createTransport } from "../../../pkg/transport/index.js";
import { type Nornicd, startNornicd } from "./nornicd.js";
import { freePorts } from "./raft-cluster.js";

const SECRET = "a secret of all pairs";

/** `nornicd --witness` as a process that comes back on its port with its data. */
export class WitnessProcess {
  readonly address: string;
  readonly folder = mkdtempSync(path.join(tmpdir(), "witness-"));
  readonly #environment: Readonly<Record<string, string>>;
  #server: Nornicd | undefined;
  readonly #closing: (() => Promise<void>)[] = [];

  private constructor(port: number, environment: Readonly<Record<string, string>>) {
    this.address = `127.0.0.1:${port}`;
    this.#environment = environment;
  }

  static async start(environment: Readonly<Record<string, string>> = {}): Promise<WitnessProcess> {
    const [port] = await freePorts(1);
    const secret = "NORNICDB_CLUSTER_TLS_ENABLED" in environment ? {} : { SECRET };
    const named = Object.entries(secret).map(([name, value]) => [
      `NORNICDB_CLUSTER_${name}`,
      value,
    ]);
    const witness = new WitnessProcess(port as number, {
      ...Object.fromEntries(named),
      ...environment,
    });
    await witness.start();
    return witness;
  }

  get server(): Nornicd {
    if (this.#server === undefined) throw new Error("the witness does not run");
    return this.#server;
  }

  async start(): Promise<void> {
    this.#server ??= await startNornicd({
      dataDir: this.folder,
      args: ["--witness"],
      environment: { NORNICDB_CLUSTER_BIND_ADDR: this.address, ...this.#environment },
    });
  }

  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.kill("SIGKILL");
  }

  /** A node with a transport of its own. */
  node(clusterId: string, node: string, tls?: TlsOptions): Arbiter {
    const transport: ClusterTransport = createTransport({
      nodeId: parseNodeId(node) as NodeId,
      clusterId,
      listen: { host: "127.0.0.1", port: 0 },
      secret: tls === undefined ? Buffer.from(SECRET) : undefined,
      tls,
      network: nodeNetwork(),
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
      logger: silentLogger,
      metrics: noMetrics,
      limits: { backoffMaxMs: 100 },
    });
    const settings = { kind: "witness" as const, clusterId, addresses: [this.address] };
    const parts = { transport, http: nodeHttpClient(), timers: systemTimers };
    const arbiter = openArbiter({ ...settings, leaseTtlMs: 6_000 }, parts);
    this.#closing.push(
      () => arbiter.close(),
      () => transport.close(),
    );
    return arbiter;
  }

  async close(): Promise<void> {
    for (const close of this.#closing) await close();
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
