import { type NodeId, type Position, toLogIndex, toTerm } from "../base/index.js";
import {
  type ApplyOptions,
  type Command,
  type Health,
  PayloadPacker,
  type Receipt,
  ReplicationError,
  type Replicator,
  type ReplicatorEvent,
  unpackPayloads,
} from "../replication/index.js";
import type { StateMachine } from "../replication/ports/index.js";
import { noMetrics, silentLogger } from "../runtime/index.js";
import {
  createMemoryStorage,
  type MemoryStorage,
  type MemoryStorageOptions,
} from "../storage/index.js";
import { createService, type ServiceParts, type ServiceStorage } from "./create-service.js";
import type { Service } from "./service.js";

const STAMP = "2026-01-01T00:00:00Z";

/**
 * For tests of the service and the front ends: applies each command at once to a memory storage,
 * as a node of one does, with no log. `hold` keeps writes waiting; `picture` and `refuse` may be set.
 */
export class DirectReplicator implements Replicator {
  readonly storage: MemoryStorage;
  /** What `health` answers beside its own figures. */
  picture: Partial<Health> = {};
  /** The next writes are refused with this. */
  refuse: ReplicationError | undefined;
  readonly #listeners = new Set<(event: ReplicatorEvent) => void>();
  readonly #term = toTerm(1);
  #index = 0;
  #held: Promise<void> | undefined;
  #requests = 0;

  readonly #machine: StateMachine;

  /** @param machine - takes the commands in place of the memory storage */
  constructor(options?: MemoryStorageOptions, machine?: StateMachine) {
    this.storage = createMemoryStorage(options);
    this.#machine = machine ?? this.storage;
  }

  async start(): Promise<void> {}

  /** Writes wait for the returned function to be called. */
  hold(): () => void {
    let release = () => {};
    this.#held = new Promise((resolve) => {
      release = resolve;
    });
    return () => {
      this.#held = undefined;
      release();
    };
  }

  async apply(command: Command, options: ApplyOptions = {}): Promise<Receipt> {
    if (this.refuse) throw this.refuse;
    if (this.#held) await unlessAborted(this.#held, options.signal);
    return this.#apply(command);
  }

  applyBatch(commands: readonly Command[]) {
    return Promise.allSettled(commands.map((command) => this.apply(command)));
  }

  async read(): Promise<Position> {
    return this.#machine.getWALPosition();
  }

  tell(event: ReplicatorEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  async health(): Promise<Health> {
    const at = toLogIndex(this.#index);
    return {
      mode: "standalone",
      nodeId: this.nodeId(),
      clusterId: "test",
      address: null,
      role: "standalone",
      isLeader: true,
      leaderId: this.nodeId(),
      leaderAddr: null,
      state: "ready",
      reason: null,
      healthy: true,
      term: this.#term,
      lastIndex: at,
      durableIndex: at,
      commitIndex: at,
      appliedIndex: at,
      firstIndex: toLogIndex(1),
      logBytes: 0,
      pendingProposals: 0,
      lagEntries: 0,
      lagMs: 0,
      region: null,
      peers: [],
      ...this.picture,
    };
  }

  isLeader = () => true;
  leaderAddr = () => null;
  leaderId = () => this.nodeId();
  mode = () => "standalone" as const;
  nodeId = () => "n1" as NodeId;
  waitForLeader = async () => this.nodeId();

  onEvent(listener: (event: ReplicatorEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async shutdown(): Promise<void> {}

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  async #apply(command: Command): Promise<Receipt> {
    this.#requests += 1;
    const requestId = command.requestId ?? (`made-up-${this.#requests}` as never);
    const packer = new PayloadPacker();
    packer.add(command.type, command.data, STAMP, requestId);
    const [payload] = unpackPayloads(packer.take());
    const index = toLogIndex(this.#index + 1);
    const entry = { index, term: this.#term, kind: "command" as const, payload: payload! };
    this.#index = index;
    const [result] = await this.#machine.applyBatch([entry]);
    if (!result!.ok) throw new ReplicationError(result!.code, result!.message);
    const { value, replayed } = result!;
    return { index, term: this.#term, durability: "local", replayed, result: value };
  }
}

function unlessAborted(held: Promise<void>, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new ReplicationError("COMMIT_UNKNOWN", "the waiting was ended"));
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { once: true });
    held.then(resolve, reject);
  });
}

/**
 * A service over a direct replicator, for tests; any part may be given.
 * @param machine - a storage to use in place of the memory storage
 */
export function createTestService(
  parts: Pick<ServiceParts, "clock" | "timers"> & Partial<ServiceParts>,
  storageOptions?: MemoryStorageOptions,
  machine?: StateMachine & ServiceStorage,
): { readonly service: Service; readonly replicator: DirectReplicator } {
  const replicator = new DirectReplicator(storageOptions, machine);
  const service = createService({
    replicator,
    storage: machine ?? replicator.storage,
    logger: silentLogger,
    metrics: noMetrics,
    authentication: { kind: "none" },
    ...parts,
  });
  return { service, replicator };
}
