import { type NodeId, parseNodeId } from "../../../pkg/base/index.js";
import {
  LeaseRegister,
  openArbiter,
  witnessHandler,
} from "../../../pkg/replication/arbiter/index.js";
import type { Arbiter } from "../../../pkg/replication/ports/index.js";
import { noMetrics, silentLogger } from "../../../pkg/runtime/index.js";
import { type ClusterTransport, createTransport } from "../../../pkg/transport/index.js";
import type { ArbiterUnderTest } from "../../contract/arbiter-contract.js";
import {
  type NodeTime,
  type SeededRandom,
  SimDisk,
  SimNetwork,
  seededRandom,
  VirtualTime,
} from "../../support/index.js";

const LIMIT = { ticksMax: 400_000 };
const HOST = "w";
const PORT = 7688;
const SECRET = new TextEncoder().encode("a secret of the whole cluster");

/** A witness and nodes on a simulated network and disk; killing it also takes the disk's power. */
export class WitnessWorld implements ArbiterUnderTest {
  readonly ttlMs = 3_000;
  readonly time = new VirtualTime();
  readonly disk: SimDisk;
  readonly network: SimNetwork;
  readonly failures: string[] = [];
  register: LeaseRegister | undefined;
  readonly random: SeededRandom;
  readonly #clients = new Map<string, Arbiter>();
  readonly #nodes: ClusterTransport[] = [];
  #clock: NodeTime | undefined;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.disk = new SimDisk({ time: this.time, random: this.random });
    this.network = new SimNetwork({ time: this.time, random: this.random });
  }

  static async open(seed = 11): Promise<WitnessWorld> {
    const world = new WitnessWorld(seed);
    await world.start();
    return world;
  }

  async start(): Promise<void> {
    const clock = this.time.clock();
    this.#clock = clock;
    const transport = this.#transport(HOST, "own", clock);
    await this.run(
      (async () => {
        const parts = { clock, timers: clock, metrics: noMetrics, fileSystem: this.disk };
        const onFailed = (error: Error) => this.failures.push(error.message);
        this.register = await LeaseRegister.open({ directory: "/leases", onFailed, ...parts });
        await transport.listen(witnessHandler(this.register));
      })(),
    );
  }

  async kill(): Promise<void> {
    this.#clock?.halt();
    this.disk.crash();
    this.network.killHost(HOST);
  }

  client(node: string, cluster = "c"): Arbiter {
    const key = `${cluster}/${node}`;
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    const made = this.#driven(this.node(node, cluster));
    this.#clients.set(key, made);
    return made;
  }

  /** Its promises settle while time is made to pass. */
  node(node: string, cluster = "c"): Arbiter {
    const transport = this.#transport(node, cluster, this.time);
    this.#nodes.push(transport);
    const settings = {
      kind: "witness" as const,
      clusterId: cluster,
      addresses: [`${HOST}:${PORT}`],
      leaseTtlMs: this.ttlMs,
    };
    const http = { send: noHttp, follow: noHttp, close: () => {} };
    return openArbiter(settings, { transport, http, timers: this.time });
  }

  nowMs(): number {
    return this.time.monotonicMs();
  }

  pass(ms: number): Promise<void> {
    return this.time.advance(ms);
  }

  async until(condition: () => Promise<boolean>): Promise<void> {
    for (let step = 0; !(await condition()); step += 1) {
      if (step > 2_000) throw new Error("it did not come true");
      await this.time.advance(10);
    }
  }

  run<T>(promise: Promise<T>): Promise<T> {
    return this.time.run(promise, LIMIT);
  }

  async close(): Promise<void> {
    for (const client of this.#clients.values()) await client.close();
    for (const node of this.#nodes) await this.run(node.close());
  }

  #transport(name: string, clusterId: string, time: VirtualTime | NodeTime): ClusterTransport {
    return createTransport({
      nodeId: parseNodeId(name) as NodeId,
      clusterId,
      everyCluster: name === HOST,
      listen: { host: name, port: PORT },
      secret: SECRET,
      network: this.network.host(name),
      clock: time,
      timers: time,
      random: this.random,
      logger: silentLogger,
      metrics: noMetrics,
      limits: { backoffMaxMs: 200 },
    });
  }

  /** Time runs while an answer is awaited. */
  #driven(arbiter: Arbiter): Arbiter {
    return {
      acquire: (request) => this.run(arbiter.acquire(request)),
      renew: (request) => this.run(arbiter.renew(request)),
      recordInSync: (request) => this.run(arbiter.recordInSync(request)),
      release: (request) => this.run(arbiter.release(request)),
      read: () => this.run(arbiter.read()),
      watch: (onChange) => arbiter.watch(onChange),
      close: () => this.run(arbiter.close()),
    };
  }
}

const noHttp = () => Promise.reject(new Error("a witness is not asked over HTTP"));
