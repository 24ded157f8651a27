import { NO_POSITION, type NodeId, type RequestId } from "../../../pkg/base/index.js";
import {
  DEFAULT_LIMITS,
  type ReplicationLimits,
  ReplicatorClient,
  StandaloneMode,
} from "../../../pkg/replication/index.js";
import type { StateMachine } from "../../../pkg/replication/ports/index.js";
import { noMetrics, silentLogger } from "../../../pkg/runtime/index.js";
import {
  createMemoryStorage,
  encodeOperations,
  type Operation,
} from "../../../pkg/storage/index.js";
import { openSegmentedLog } from "../../../pkg/storage/log/index.js";
import { openDirectChannel } from "../../../pkg/wiring/direct-channel.js";
import type { NodeTime, SimDisk, VirtualTime } from "../../support/index.js";

export interface SimNodeOptions {
  readonly time: VirtualTime;
  readonly disk: SimDisk;
  readonly limits?: Partial<ReplicationLimits>;
  readonly segmentBytesMax?: number;
  /** Stands before the memory storage, to make it fail. */
  readonly wrapStorage?: (storage: StateMachine) => StateMachine;
}

/** One whole node in one thread on a simulated disk and clock: client, driver, core, log, storage. */
export class SimNode {
  readonly #options: SimNodeOptions;
  #clock: NodeTime;
  storage = createMemoryStorage();
  client: ReplicatorClient;
  #ids = 0;

  constructor(options: SimNodeOptions) {
    this.#options = options;
    this.#clock = options.time.clock();
    this.client = this.#newClient();
  }

  #newClient(): ReplicatorClient {
    const { disk, limits } = this.#options;
    const timers = this.#clock;
    const all = { ...DEFAULT_LIMITS, ...limits };
    const nodeId = "n1" as NodeId;
    return new ReplicatorClient({
      mode: "standalone",
      nodeId,
      clock: timers,
      timers,
      createRequestId: () => `made-${++this.#ids}` as RequestId,
      limits: all,
      open: (deliver) => {
        void this.#openLog().then(
          (log) => {
            const open = openDirectChannel({
              identity: { mode: "standalone", nodeId, clusterId: "sim" },
              mode: new StandaloneMode(log),
              log,
              stateMachine: this.#options.wrapStorage?.(this.storage) ?? this.storage,
              fileSystem: disk,
              logDirectory: "/wal",
              clock: timers,
              timers,
              logger: silentLogger,
              metrics: noMetrics,
              limits: all,
              readMetrics: async () => null,
            });
            channel = open(deliver);
          },
          (error: Error) =>
            deliver({
              kind: "start_failed",
              error: { code: "STORAGE_FAILED", message: error.message, details: {} },
            }),
        );
        let channel: ReturnType<ReturnType<typeof openDirectChannel>> | undefined;
        return { send: (message) => channel?.send(message), close: async () => {} };
      },
    });
  }

  #openLog() {
    return openSegmentedLog({
      directory: "/wal",
      fileSystem: this.#options.disk,
      logger: silentLogger,
      metrics: noMetrics,
      clock: this.#clock,
      clusterId: "sim",
      ...(this.#options.segmentBytesMax === undefined
        ? {}
        : { segmentBytesMax: this.#options.segmentBytesMax }),
    });
  }

  start(): Promise<void> {
    return this.#options.time.run(this.client.start(), { ticksMax: 100_000 });
  }

  write(operations: readonly Operation[], requestId?: string) {
    const command = encodeOperations(operations);
    return this.client.apply({ ...command, requestId: requestId as RequestId | undefined });
  }

  /** The process is gone, with the power (torn, lost writes) or without; a new one can be started. */
  die(how: "crash" | "kill"): void {
    this.#clock.halt();
    if (how === "crash") this.#options.disk.crash();
    else this.#options.disk.kill();
    this.#clock = this.#options.time.clock();
    this.storage = createMemoryStorage();
    this.client = this.#newClient();
  }

  async node(id: string) {
    return this.storage.getNode(id, NO_POSITION);
  }
}
