import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type JsonValue,
  NO_POSITION,
  type NodeId,
  parseNodeId,
  parseRegionId,
  type RegionId,
  type RequestId,
} from "../../../pkg/base/index.js";
import type { NodeChannel, OpenChannel } from "../../../pkg/replication/client/channel.js";
import { ReplicatorClient } from "../../../pkg/replication/client/replicator-client.js";
import { ReplicationError } from "../../../pkg/replication/errors.js";
import { DEFAULT_LIMITS } from "../../../pkg/replication/limits.js";
import {
  type MultiRegionSettings,
  openMultiRegion,
} from "../../../pkg/replication/multi-region/index.js";
import type { StateMachine } from "../../../pkg/replication/ports/index.js";
import type {
  Durability,
  Health,
  Receipt,
  RegionHealth,
} from "../../../pkg/replication/replicator.js";
import {
  type LogFields,
  type Logger,
  type Metrics,
  noMetrics,
} from "../../../pkg/runtime/index.js";
import {
  encodeOperations,
  encodeRegionOperation,
  keysOfCommand,
  type Operation,
  openRegionStorage,
} from "../../../pkg/storage/index.js";
import { openSegmentedLog } from "../../../pkg/storage/log/index.js";
import { createTransport } from "../../../pkg/transport/index.js";
import { openDirectChannel } from "../../../pkg/wiring/direct-channel.js";
import {
  type NodeTime,
  SimDisk,
  SimNetwork,
  seededRandom,
  VirtualTime,
} from "../../support/index.js";

export const [EU, US, AP] = ["eu", "us", "ap"].map((name) => parseRegionId(name) as RegionId) as [
  RegionId,
  RegionId,
  RegionId,
];

const CLUSTER = "all-regions";
const PORT = 7688;
const ELECTION_MS = 200;
const COMMIT_MS = 4_000;
const TICKS_MAX = 2_000_000;
const LIMITS = { ...DEFAULT_LIMITS, commitTimeoutMs: COMMIT_MS, drainTimeoutMs: 1_000 };

type Storage = Awaited<ReturnType<typeof openStorage>>;
export type Given = Partial<MultiRegionSettings> & { readonly skewMs?: number };

function openStorage(path: string) {
  return openRegionStorage({ path, threads: "single" });
}

/** The storage without what waits for a real disk: nobody may wait for that in simulated time. */
function machineOf(storage: Storage): StateMachine {
  return {
    regions: storage.regions,
    applyBatch: (entries) => storage.applyBatch(entries),
    getWALPosition: () => storage.getWALPosition(),
    durablePosition: () => storage.getWALPosition(),
    flush: () => storage.getWALPosition(),
    digest: () => storage.digest(),
    snapshot: () => storage.snapshot(),
    restore: (chunks) => storage.restore(chunks),
    close: () => {},
  };
}

/** A node of a region: the mode over raft, log and transport, on a simulated network, disk and time. */
export class LabNode {
  readonly name: string;
  readonly id: NodeId;
  readonly region: RegionId;
  readonly lines: { readonly event: string; readonly fields: LogFields }[] = [];
  readonly #lab: RegionsLab;
  readonly #folder = mkdtempSync(join(tmpdir(), "regions-lab-"));
  #disk: SimDisk;
  #lives = 0;
  #ids = 0;
  clock: NodeTime;
  client: ReplicatorClient;
  storage: Storage | undefined;
  #given: Given;

  constructor(lab: RegionsLab, region: RegionId, at: number, given: Given) {
    this.#lab = lab;
    this.region = region;
    // On purpose: nodes of two regions may be called the same.
    this.id = parseNodeId(`n${at}`) as NodeId;
    this.name = `${region}-${at}`;
    this.#given = given;
    this.#disk = new SimDisk({ time: lab.time, random: lab.random.fork(this.name) });
    this.clock = lab.time.clock({ skewMs: given.skewMs ?? 0 });
    this.client = this.#newClient();
  }

  #newClient(): ReplicatorClient {
    const open: OpenChannel = (deliver) => {
      let channel: NodeChannel | undefined;
      void this.#open().then((openChannel) => {
        channel = openChannel(deliver);
      });
      return { send: (message) => channel?.send(message), close: async () => {} };
    };
    return new ReplicatorClient({
      mode: "multi_region",
      nodeId: this.id,
      clock: this.clock,
      timers: this.clock,
      createRequestId: () => `${this.name}-${++this.#ids}` as RequestId,
      limits: LIMITS,
      open,
    });
  }

  async #open(): Promise<OpenChannel> {
    this.#lives += 1;
    const { network, metrics } = this.#lab;
    const random = this.#lab.random.fork(`${this.name}-${this.#lives}`);
    const logger: Logger = {
      log: (_level, event, _message, fields = {}) => void this.lines.push({ event, fields }),
      child: () => logger,
    };
    const { clock } = this;
    const fileSystem = this.#disk;
    const ports = { clock, timers: clock, random, logger, metrics, fileSystem };
    const directory = "/wal";
    const log = await openSegmentedLog({ ...ports, directory, clusterId: CLUSTER });
    this.storage ??= await openStorage(join(this.#folder, "graph.db"));
    const stateMachine = machineOf(this.storage);
    const position = this.storage.getWALPosition();
    if (log.last.index < position.index) await log.reset(position);
    const transport = (name: string) =>
      createTransport({
        ...ports,
        nodeId: parseNodeId(name) as NodeId,
        clusterId: CLUSTER,
        listen: { host: this.name, port: PORT },
        insecure: true,
        limits: { handshakeTimeoutMs: 400, pingIntervalMs: 400, backoffMaxMs: 100 },
        network: network.host(this.name),
      });
    const mode = await openMultiRegion({
      ...ports,
      nodeId: this.id,
      diskId: `${this.name}-disk`,
      settings: {
        bootstrap: true,
        founders: this.#lab.of(this.region).map(({ id, name }) => ({ id, address: at(name) })),
        address: at(this.name),
        electionTimeoutMs: ELECTION_MS,
        heartbeatMs: 40,
        leaderLeaseMs: 100,
        inflightMessagesMax: 64,
        retryMs: COMMIT_MS,
      },
      directory: "/",
      log,
      stateMachine,
      transport: transport(this.id),
      links: transport(`${this.region}.${this.id}`),
      keysOf: keysOfCommand,
      encode: encodeRegionOperation,
      region: { ...this.#lab.settingsOf(this.region), ...this.#given },
    });
    return openDirectChannel({
      ...ports,
      identity: { mode: "multi_region", nodeId: this.id, clusterId: CLUSTER },
      mode,
      log,
      stateMachine,
      logDirectory: directory,
      limits: LIMITS,
      readMetrics: async () => null,
    });
  }

  /** Before it starts for the first time: it begins with a copy of that node's state. */
  async copyFrom(other: LabNode): Promise<void> {
    const reader = await (other.storage as Storage).snapshot();
    this.storage = await openStorage(join(this.#folder, "graph.db"));
    await this.storage.restore(reader.chunks());
    await reader.close();
  }

  /** The process ends, and another one with these settings goes on with what it left. */
  async restart(given: Given = {}): Promise<void> {
    await this.stop();
    this.#given = given;
    this.clock = this.#lab.time.clock({ skewMs: given.skewMs ?? 0 });
    this.storage = await openStorage(join(this.#folder, "graph.db"));
    this.client = this.#newClient();
    await this.#lab.run(this.client.start());
  }

  async stop(): Promise<void> {
    if (this.storage === undefined) return;
    await this.#lab.run(this.client.shutdown());
    await this.storage?.close();
    this.storage = undefined;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** What came of the write; its error is a value, too. */
  async write(
    operations: readonly Operation[],
    durability?: Durability,
  ): Promise<Receipt | ReplicationError> {
    return this.#lab.run(this.writing(operations, durability));
  }

  /** The same, under way. */
  writing(
    operations: readonly Operation[],
    durability?: Durability,
  ): Promise<Receipt | ReplicationError> {
    const applied = this.client.apply(encodeOperations(operations), { durability });
    return applied.catch((error: unknown) => {
      if (error instanceof ReplicationError) return error;
      throw error;
    });
  }

  order(action: string, args: { readonly [name: string]: JsonValue } = {}): Promise<JsonValue> {
    return this.#lab.run(this.client.order(action, args, { timeoutMs: 12_000 }));
  }

  health(): Promise<Health> {
    return this.#lab.run(this.client.health());
  }

  async sees(region: RegionId): Promise<RegionHealth | undefined> {
    return (await this.client.health()).regions?.find((other) => other.region === region);
  }

  /** It sees that region as it should. */
  seesAs(region: RegionId, expected: Partial<RegionHealth>): Promise<void> {
    return this.#lab.eventually(async () => {
      const seen: Partial<RegionHealth> = (await this.sees(region)) ?? {};
      return Object.entries(expected).every(
        ([name, value]) => seen[name as keyof RegionHealth] === value,
      );
    });
  }

  async has(id: string): Promise<boolean> {
    return (await this.storage?.getNode(id, NO_POSITION)) !== undefined;
  }

  /** How often the node said so in its log. */
  said(event: string): number {
    return this.lines.filter((line) => line.event === event).length;
  }
}

function at(name: string): string {
  return `${name}:${PORT}`;
}

export const put = (id: string, properties: Readonly<Record<string, number>> = {}): Operation => ({
  op: "put_node",
  id,
  labels: ["T"],
  properties,
});

/** Some regions of some nodes each. */
export class RegionsLab {
  readonly time = new VirtualTime();
  readonly random = seededRandom("regions-lab");
  readonly network = new SimNetwork({ time: this.time, random: this.random.fork("network") });
  readonly metrics: Metrics;
  readonly nodes: LabNode[];
  readonly #regions: readonly RegionId[];

  constructor(
    regions: readonly RegionId[],
    nodesEach: number,
    given: Readonly<Partial<Record<string, Given>>> = {},
    metrics: Metrics = noMetrics,
  ) {
    this.#regions = regions;
    this.metrics = metrics;
    this.nodes = [];
    for (const region of regions) {
      for (let node = 1; node <= nodesEach; node += 1) {
        this.nodes.push(new LabNode(this, region, node, given[region] ?? {}));
      }
    }
  }

  static async started(...args: ConstructorParameters<typeof RegionsLab>): Promise<RegionsLab> {
    const lab = new RegionsLab(...args);
    await lab.start(lab.nodes);
    return lab;
  }

  async start(nodes: readonly LabNode[]): Promise<void> {
    await this.run(Promise.all(nodes.map(({ client }) => client.start())));
  }

  settingsOf(self: RegionId): MultiRegionSettings {
    const others = this.nodes.filter(({ region }) => region !== self);
    return {
      self,
      remotes: others.map(({ region, name }) => ({ region, address: at(name) })),
      mode: "async",
      batchChanges: 100,
      batchMs: 40,
      strategy: "last_write_wins",
      driftMsMax: 10_000,
      tombstoneMs: 3_600_000,
      keptChangesMax: 0,
    };
  }

  of(region: RegionId): readonly LabNode[] {
    return this.nodes.filter((node) => node.region === region);
  }

  run<T>(promise: Promise<T>): Promise<T> {
    return this.time.run(promise, { ticksMax: TICKS_MAX });
  }

  until(condition: () => boolean): Promise<void> {
    return this.time.runUntil(condition, { ticksMax: TICKS_MAX });
  }

  /** Asks again and again, a tick apart, until it is so. */
  async eventually(condition: () => Promise<boolean>): Promise<void> {
    const isSo = async () => {
      while (!(await condition()))
        await new Promise<void>((next) => void this.time.after(20, next));
    };
    await this.run(isSo());
  }

  /** Who leads the region, once somebody does. */
  async leader(region: RegionId): Promise<LabNode> {
    const leading = () => this.of(region).find(({ client }) => client.isLeader());
    await this.until(() => leading() !== undefined);
    return leading() as LabNode;
  }

  async followers(region: RegionId): Promise<readonly LabNode[]> {
    const leader = await this.leader(region);
    return this.of(region).filter((node) => node !== leader);
  }

  /** All nodes that run have it. */
  everywhere(id: string): Promise<void> {
    return this.eventually(async () => {
      const running = this.nodes.filter(({ storage }) => storage !== undefined);
      return (await Promise.all(running.map((node) => node.has(id)))).every(Boolean);
    });
  }

  /** Nothing crosses between two regions, as on a cable that was cut, or it does again. */
  cut(a: RegionId, b: RegionId, cut = true): void {
    for (const from of this.of(a)) {
      for (const to of this.of(b)) {
        this.network.setLink(from.name, to.name, { cut });
        this.network.setLink(to.name, from.name, { cut });
        if (cut) this.network.reset(from.name, to.name);
      }
    }
  }

  get regions(): readonly RegionId[] {
    return this.#regions;
  }

  async close(): Promise<void> {
    for (const node of this.nodes) {
      await node.stop();
      node.remove();
    }
  }
}
