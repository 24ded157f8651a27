import { parentPort, workerData } from "node:worker_threads";
import { invariant, type JsonValue } from "../base/index.js";
import { describeFailure, NodeHost, StandaloneMode, type ToNode } from "../replication/index.js";
import {
  eventLoopDelay,
  nodeFileSystem,
  prometheusMetrics,
  systemClock,
  systemTimers,
} from "../runtime/node/index.js";
import { connectStateMachine } from "../storage/index.js";
import { openSegmentedLog } from "../storage/log/index.js";
import { forwardingLogger } from "./forwarding-logger.js";
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
  const fileSystem = nodeFileSystem();
  const metrics = prometheusMetrics();
  const loopDelay = eventLoopDelay({ resolutionMs: 5 });
  try {
    const log = await openSegmentedLog({
      directory: data.logDirectory,
      fileSystem,
      logger,
      metrics,
      clusterId: data.identity.clusterId,
      clock: systemClock,
    });
    const host = new NodeHost({
      identity: { mode: "standalone", ...data.identity },
      mode: new StandaloneMode(log),
      log,
      stateMachine: connectStateMachine(data.stateMachine, data.applyAheadMax),
      fileSystem,
      logDirectory: data.logDirectory,
      clock: systemClock,
      timers: systemTimers,
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
