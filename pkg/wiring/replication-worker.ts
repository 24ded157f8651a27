import { parentPort, workerData } from "node:worker_threads";
import { invariant, type JsonValue } from "../base/index.js";
import { describeFailure, type ToNode } from "../replication/index.js";
import { eventLoopDelay, prometheusMetrics } from "../runtime/node/index.js";
import { connectStateMachine } from "../storage/index.js";
import { forwardingLogger } from "./forwarding-logger.js";
import { openHost } from "./open-host.js";
import type { FromWorker, ReplicationWorkerData } from "./worker-messages.js";

/**
 * The replication thread: log, driver and core, where neither the application's code nor a slow
 * statement can stall them.
 */
async function main(): Promise<void> {
  invariant(parentPort !== null, "this file runs as a worker thread");
  const port = parentPort;
  const data = workerData as ReplicationWorkerData;
  const send = (message: FromWorker) => port.postMessage(message);
  const logger = forwardingLogger(send, { component: "replication" });
  const metrics = prometheusMetrics();
  const loopDelay = eventLoopDelay();
  try {
    const host = await openHost({
      setup: data.setup,
      stateMachine: connectStateMachine(data.stateMachine, data.applyAheadMax),
      logger,
      metrics,
      limits: data.limits,
      readMetrics: async () => ({
        registry: (await metrics.json()) as unknown as JsonValue,
        loopDelay: loopDelay.read() as unknown as JsonValue,
      }),
      deliver: send,
    });
    port.on("message", (message: ToNode) => host.onMessage(message));
    await host.start();
  } catch (error) {
    send({ kind: "start_failed", error: describeFailure(error) });
    send({ kind: "stopped" });
  }
}

await main();
