import { closeInOrder, type NodeId, parseNodeId } from "../base/index.js";
import type { Config } from "../config/index.js";
import { ARBITER_LIMITS, LeaseRegister, witnessHandler } from "../replication/arbiter/index.js";
import { ReplicationError } from "../replication/index.js";
import type { Address, Logger, Metrics } from "../runtime/index.js";
import {
  nodeFileSystem,
  nodeNetwork,
  systemClock,
  systemRandom,
  systemTimers,
} from "../runtime/node/index.js";
import { createTransport } from "../transport/index.js";
import { toPort } from "./node-setup.js";

export interface RunningWitness {
  readonly nodeId: NodeId;
  readonly address: Address;
  /** Clusters that have a record. */
  clusters(): number;
  /** Why it can no longer answer, once it cannot. */
  readonly failed: Promise<string>;
  /** Links first, then what is on its way to the disk. Idempotent. */
  close(): Promise<void>;
}

/** Its name towards nodes; their own ids must differ from it. */
const DEFAULT_NAME = "witness";

/** @throws ReplicationError `INVALID` for files of the configuration that cannot be read */
export async function openWitness(
  config: Config,
  { logger, metrics }: { readonly logger: Logger; readonly metrics: Metrics },
): Promise<RunningWitness> {
  const nodeId = parseNodeId(config.nodeId ?? DEFAULT_NAME) as NodeId;
  const fileSystem = nodeFileSystem();
  await fileSystem.makeDirectory(config.dataDir);
  const lock = fileSystem.lock(`${config.dataDir}/LOCK`);
  const opened: (() => void | PromiseLike<void>)[] = [() => lock.release()];
  let fail: (reason: string) => void = () => {};
  const failed = new Promise<string>((resolve) => {
    fail = resolve;
  });
  try {
    const ports = { clock: systemClock, timers: systemTimers, metrics };
    const register = await LeaseRegister.open({
      directory: `${config.dataDir}/leases`,
      fileSystem,
      onFailed: (error) => {
        logger.log("error", "witness_failed", `[witness] ${error.message}`);
        fail(error.message);
      },
      ...ports,
    });
    opened.push(() => register.close());
    const transport = createTransport({
      nodeId,
      clusterId: config.cluster.clusterId,
      everyCluster: true,
      ...toPort(config),
      limits: { connectionsMax: CONNECTIONS_MAX },
      network: nodeNetwork(),
      random: systemRandom,
      logger,
      ...ports,
    });
    opened.push(() => transport.close());
    const address = await transport.listen(witnessHandler(register)).catch(explainListening);
    const close = onceOnly(() => closeInOrder([...opened].reverse()));
    return { nodeId, address, clusters: () => register.clusters, failed, close };
  } catch (error) {
    await closeInOrder([...opened].reverse()).catch(() => {});
    throw error;
  }
}

/** Of each cluster a primary and its standbys, with two connections each, and some to spare. */
const CONNECTIONS_MAX = 8 * ARBITER_LIMITS.clustersMax;

function explainListening(cause: NodeJS.ErrnoException): never {
  if (cause.code !== "EADDRINUSE" && cause.code !== "EACCES" && cause.code !== "EADDRNOTAVAIL")
    throw cause;
  throw new ReplicationError("INVALID", `the witness cannot listen: ${cause.message}`, {
    field: "NORNICDB_CLUSTER_BIND_ADDR",
    hint: "choose another address, or port 0 for a free one",
  });
}

function onceOnly(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => {
    running ??= run();
    return running;
  };
}
