import { type Deferred, deferred, type NodeId, type RequestId } from "../../../pkg/base/index.js";
import {
  DEFAULT_LIMITS,
  describeFailure,
  type NodeChannel,
  type OpenChannel,
  ReplicatorClient,
} from "../../../pkg/replication/index.js";
import {
  openRaft,
  type RaftCore,
  type RaftInput,
  type RaftSettings,
  type RaftState,
} from "../../../pkg/replication/raft/index.js";
import { type LogFields, type Logger, noMetrics } from "../../../pkg/runtime/index.js";
import { keysOfCommand } from "../../../pkg/storage/index.js";
import { openSegmentedLog } from "../../../pkg/storage/log/index.js";
import { type ClusterTransport, createTransport } from "../../../pkg/transport/index.js";
import { openDirectChannel } from "../../../pkg/wiring/direct-channel.js";
import {
  type NodeTime,
  type SeededRandom,
  SimDisk,
  type SimNetwork,
  type VirtualTime,
} from "../../support/index.js";
import { ProcessNetwork } from "../support/process-network.js";
import { StateFile, type StorageWitness, SurvivingStorage } from "../support/surviving-storage.js";
import {
  type CallFaults,
  type CallHits,
  UnreliableTransport,
} from "../support/unreliable-transport.js";
import type { Swarm } from "./swarm.js";

export const CLUSTER = "simulated";
const PORT = 7688;
const SECRET = new TextEncoder().encode("a secret of the whole cluster");

export type CoreStep = ReturnType<RaftCore["step"]>;

/** Sees what happens on one machine, from outside of it. */
export interface Witness {
  onStep(machine: Machine, before: RaftState, input: RaftInput, step: CoreStep): void;
  storageOf(machine: Machine): StorageWitness;
  onLine(machine: Machine, event: string, message: string, fields: LogFields): void;
  /** The node said that it has failed, or it could not start. */
  onFailure(machine: Machine, reason: string): void;
}

export interface WorldParts {
  readonly time: VirtualTime;
  readonly network: SimNetwork;
  readonly random: SeededRandom;
  readonly swarm: Swarm;
  readonly witness: Witness;
  readonly calls: () => CallFaults;
  readonly callHits: CallHits;
}

/** One process on a machine: a whole node, from the client down to the disk. */
export interface NodeProcess {
  readonly clock: NodeTime;
  readonly client: ReplicatorClient;
  /** Resolves when the process has ended. */
  readonly ended: Deferred;
  /** Set while the node opens. */
  storage: SurvivingStorage | undefined;
  transport: ClusterTransport | undefined;
  /** The core's state; none before it has recovered. */
  core: { readonly core: RaftCore; state: RaftState } | undefined;
  started: boolean;
  /** A disk error was put in its way: it may give up. */
  mayFail: boolean;
  stopping: boolean;
}

/** A machine with its disk and clock; processes come and go on it. */
export class Machine {
  readonly id: NodeId;
  readonly address: string;
  readonly #world: WorldParts;
  readonly #random: SeededRandom;
  readonly #settings: RaftSettings;
  readonly #ratePpm: number;
  #skewMs: number;
  #lives = 0;
  #wipes = 0;
  #ids = 0;
  disk: SimDisk;
  #file = new StateFile();
  #network: ProcessNetwork | undefined;
  readonly #holds = new Set<string>();
  process: NodeProcess | undefined;

  constructor(id: NodeId, founders: readonly NodeId[], bootstrap: boolean, world: WorldParts) {
    this.id = id;
    this.address = addressOf(id);
    this.#world = world;
    this.#random = world.random.fork(`machine-${id}`);
    const { swarm } = world;
    this.#ratePpm = this.#random.between(-swarm.ratePpmMax, swarm.ratePpmMax);
    this.#skewMs = this.#random.between(-500, 500);
    this.disk = this.#newDisk();
    const { electionMs, heartbeatMs, leaseMs } = swarm.timing;
    this.#settings = {
      bootstrap,
      founders: founders.map((founder) => ({ id: founder, address: addressOf(founder) })),
      address: this.address,
      electionTimeoutMs: electionMs,
      heartbeatMs,
      leaderLeaseMs: leaseMs,
      inflightMessagesMax: swarm.inflightMessagesMax,
      retryMs: 4 * electionMs,
      verifyIntervalMs: swarm.verifyElections * electionMs,
    };
  }

  get diskId(): string {
    return `${this.id}-disk-${this.#wipes}`;
  }

  get life(): number {
    return this.#lives;
  }

  get up(): boolean {
    return this.process !== undefined;
  }

  #newDisk(): SimDisk {
    const { time, swarm } = this.#world;
    const disk = new SimDisk({ time, random: this.#random.fork(`disk-${this.#wipes}`) });
    disk.syncDelayMs = this.#random.below(swarm.syncMsMax + 1);
    return disk;
  }

  /** Starts a process if none runs. */
  boot(): void {
    if (this.process !== undefined) return;
    this.#lives += 1;
    const { time, witness } = this.#world;
    const clock = time.clock({ ratePpm: this.#ratePpm, skewMs: this.#skewMs });
    const process: NodeProcess = {
      clock,
      client: this.#newClient(clock, () => process),
      ended: deferred(),
      storage: undefined,
      transport: undefined,
      core: undefined,
      started: false,
      mayFail: false,
      stopping: false,
    };
    this.process = process;
    process.client.onEvent((event) => {
      if (event.kind !== "state" || event.state !== "failed") return;
      if (this.process === process) witness.onFailure(this, event.reason ?? "");
    });
    process.client.start().then(
      () => {
        process.started = true;
      },
      (error: Error) => {
        if (this.process === process) witness.onFailure(this, `no start: ${error.message}`);
      },
    );
  }

  #newClient(clock: NodeTime, process: () => NodeProcess): ReplicatorClient {
    const { swarm } = this.#world;
    const limits = {
      ...DEFAULT_LIMITS,
      trailingEntries: swarm.trailingEntries,
      compactionThresholdEntries: swarm.compactionThresholdEntries,
      housekeepingIntervalMs: swarm.housekeepingIntervalMs,
      applyBatchEntriesMax: swarm.applyBatchEntriesMax,
      commitTimeoutMs: 4 * swarm.timing.electionMs,
      drainTimeoutMs: 4 * swarm.timing.electionMs,
    };
    const open: OpenChannel = (deliver) => {
      let channel: NodeChannel | undefined;
      void this.#open(process(), limits).then(
        (openChannel) => {
          channel = openChannel(deliver);
        },
        (error: unknown) => {
          deliver({ kind: "start_failed", error: describeFailure(error) });
          deliver({ kind: "stopped" });
        },
      );
      return { send: (message) => channel?.send(message), close: async () => {} };
    };
    return new ReplicatorClient({
      mode: "raft",
      nodeId: this.id,
      clock,
      timers: clock,
      createRequestId: () => `${this.id}-${++this.#ids}` as RequestId,
      limits,
      open,
    });
  }

  async #open(process: NodeProcess, limits: typeof DEFAULT_LIMITS): Promise<OpenChannel> {
    const { clock } = process;
    const { swarm } = this.#world;
    const random = this.#random.fork(`life-${this.#lives}`);
    const logger: Logger = {
      log: (_level, event, message, fields = {}) => {
        if (this.process === process) this.#world.witness.onLine(this, event, message, fields);
      },
      child: () => logger,
    };
    const ports = {
      clock,
      timers: clock,
      random,
      logger,
      metrics: noMetrics,
      fileSystem: this.disk,
    };
    const log = await openSegmentedLog({
      ...ports,
      directory: "/wal",
      metrics: noMetrics,
      clusterId: CLUSTER,
      segmentBytesMax: swarm.segmentBytesMax,
    });
    const storage = await SurvivingStorage.open({
      file: this.#file,
      witness: this.#world.witness.storageOf(this),
      timers: clock,
      random: random.fork("storage"),
    });
    process.storage = storage;
    const transport = this.#newTransport(process, random, logger);
    const mode = await openRaft({
      ...ports,
      nodeId: this.id,
      diskId: this.diskId,
      settings: this.#settings,
      directory: "/",
      log,
      stateMachine: storage,
      transport,
      keysOf: keysOfCommand,
    });
    // The node reads the core from here: what it is told and answers is seen from outside.
    Object.defineProperty(mode, "core", { value: this.#watched(process, mode.core) });
    return openDirectChannel({
      ...ports,
      identity: { mode: "raft", nodeId: this.id, clusterId: CLUSTER },
      mode,
      log,
      stateMachine: storage,
      logDirectory: "/wal",
      metrics: noMetrics,
      limits,
      readMetrics: async () => null,
    });
  }

  #newTransport(process: NodeProcess, random: SeededRandom, logger: Logger): UnreliableTransport {
    const { network, swarm, calls, callHits } = this.#world;
    const { electionMs } = swarm.timing;
    this.#network = new ProcessNetwork(network.host(this.id), process.clock);
    process.transport = createTransport({
      nodeId: this.id,
      clusterId: CLUSTER,
      listen: { host: this.id, port: PORT },
      ...(swarm.secret ? { secret: SECRET } : { insecure: true }),
      limits: {
        handshakeTimeoutMs: 2 * electionMs,
        pingIntervalMs: Math.ceil(electionMs / 2),
        backoffMaxMs: electionMs,
      },
      network: this.#network,
      clock: process.clock,
      timers: process.clock,
      random: random.fork("transport"),
      logger,
      metrics: noMetrics,
    });
    return new UnreliableTransport({
      transport: process.transport,
      timers: process.clock,
      random: random.fork("calls"),
      faults: calls,
      hits: callHits,
    });
  }

  #watched(process: NodeProcess, core: RaftCore): RaftCore {
    const { witness } = this.#world;
    return {
      ...core,
      step: (state, input) => {
        const step = core.step(state, input);
        if (this.process !== process) return step;
        process.core = { core, state: step.state };
        witness.onStep(this, state, input, step);
        return step;
      },
    };
  }

  /** The process is gone; with the power what was not synced goes too, whole or in parts. */
  end(how: "power" | "kill"): void {
    const { process } = this;
    if (process === undefined) return;
    const { network } = this.#world;
    this.process = undefined;
    process.clock.halt();
    process.storage?.end();
    this.#network?.end();
    this.#file.fallBack(this.#random);
    if (how === "power") {
      this.disk.crash();
      network.vanishHost(this.id);
    } else {
      this.disk.kill();
      network.killHost(this.id);
    }
    this.#holds.clear();
    process.ended.resolve();
  }

  /** The disk is replaced by an empty one. */
  wipe(): void {
    this.end("kill");
    this.#wipes += 1;
    this.disk = this.#newDisk();
    this.#file = new StateFile();
  }

  /** The event loop stands still, and with it everything that would be handled. */
  pause(): void {
    this.process?.clock.pause();
    this.hold("pause");
  }

  resume(): void {
    this.process?.clock.resume();
    this.release("pause");
  }

  /** Syncs hang as long as there is a reason. */
  hold(reason: string): void {
    this.#holds.add(reason);
    this.disk.stall();
  }

  release(reason: string): void {
    this.#holds.delete(reason);
    if (this.#holds.size === 0) this.disk.unstall();
  }

  stepWall(byMs: number): void {
    this.#skewMs += byMs;
    this.process?.clock.stepWall(byMs);
  }
}

export function addressOf(id: NodeId): string {
  return `${id}:${PORT}`;
}
