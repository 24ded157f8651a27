import { MessageChannel, Worker } from "node:worker_threads";
import type {
  FromNode,
  NodeChannel,
  OpenChannel,
  ReplicationLimits,
} from "../replication/index.js";
import type { StateMachine } from "../replication/ports/index.js";
import type { Cancel, Logger, Timers } from "../runtime/index.js";
import { THREAD_LIMITS } from "../runtime/node/index.js";
import { serveStateMachine, type WriterPortSource } from "../storage/index.js";
import type { NodeSetup } from "./node-setup.js";
import type { FromWorker, ReplicationWorkerData } from "./worker-messages.js";

/** A worker that has not said anything after this long cannot be created (FC-193). */
const WORKER_START_MS_MAX = 30_000;

export interface WorkerChannelParts {
  readonly setup: NodeSetup;
  readonly limits: ReplicationLimits;
  readonly stateMachine: StateMachine & Partial<WriterPortSource>;
  readonly logger: Logger;
  readonly timers: Timers;
}

/**
 * A node in a thread of its own. Where the state machine has a thread too, the two are connected
 * directly; otherwise it is served from this thread.
 */
export function openWorkerChannel(parts: WorkerChannelParts): OpenChannel {
  return (deliver) => new WorkerChannel(parts, deliver);
}

class WorkerChannel implements NodeChannel {
  readonly #worker: Worker;
  readonly #deliver: (message: FromNode) => void;
  readonly #logger: Logger;
  readonly #giveUp: Cancel;
  readonly #stateMachine: StateMachine;
  #over = false;
  #heard = false;

  constructor(parts: WorkerChannelParts, deliver: (message: FromNode) => void) {
    this.#deliver = deliver;
    this.#logger = parts.logger;
    this.#stateMachine = parts.stateMachine;
    const port = parts.stateMachine.writerPort?.() ?? serveHere(parts.stateMachine);
    const workerData: ReplicationWorkerData = {
      setup: parts.setup,
      limits: parts.limits,
      stateMachine: port,
      applyAheadMax: parts.stateMachine.applyAheadMax ?? 1,
    };
    const program = new URL("./replication-worker.js", import.meta.url);
    this.#worker = new Worker(program, {
      workerData,
      transferList: [port],
      name: "replication",
      resourceLimits: THREAD_LIMITS,
    });
    this.#worker.on("message", (message: FromWorker) => this.#onMessage(message));
    this.#worker.on("error", (error) => this.#onDeath(error.message));
    this.#worker.on("exit", (code) => this.#onDeath(`it ended with ${code}`));
    this.#giveUp = parts.timers.after(WORKER_START_MS_MAX, () =>
      this.#onDeath(`it did not start within ${WORKER_START_MS_MAX} ms`),
    );
  }

  send(message: Parameters<NodeChannel["send"]>[0]): void {
    if (message.kind !== "propose") {
      this.#worker.postMessage(message);
      return;
    }
    const { bytes, ends } = message.packed;
    this.#worker.postMessage(message, [bytes.buffer as ArrayBuffer, ends.buffer as ArrayBuffer]);
  }

  async close(): Promise<void> {
    this.#over = true;
    this.#giveUp();
    await this.#worker.terminate();
    await this.#stateMachine.close();
  }

  #onMessage(message: FromWorker): void {
    this.#heard = true;
    this.#giveUp();
    if (message.kind === "log") {
      this.#logger.log(message.level, message.event, message.message, message.fields);
      return;
    }
    if (message.kind === "stopped") this.#over = true;
    this.#deliver(message);
  }

  /** FC-191: a dead thread is a failed node, never a silent one. */
  #onDeath(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    const error = {
      code: "STORAGE_FAILED",
      message: `the replication thread is gone: ${reason}`,
      details: { hint: "restart the process; the log holds every acknowledged write" },
    } as const;
    this.#logger.log("error", "replication_thread_lost", `[replication] ${error.message}`);
    this.#giveUp();
    this.#deliver(this.#heard ? { kind: "failed", error } : { kind: "start_failed", error });
    this.#deliver({ kind: "stopped" });
  }
}

function serveHere(stateMachine: StateMachine) {
  const { port1, port2 } = new MessageChannel();
  serveStateMachine(port1, stateMachine);
  return port2;
}
