import { readFileSync } from "node:fs";
import { closeInOrder, type NodeId } from "../../pkg/base/index.js";
import { type Config, formatHostPort, isWildcard } from "../../pkg/config/index.js";
import { createHttpServer, type HttpServer } from "../../pkg/frontend/http/index.js";
import {
  type Health,
  ReplicationError,
  type ReplicatorClient,
} from "../../pkg/replication/index.js";
import { encodeSnapshot } from "../../pkg/replication/snapshot/index.js";
import type { FileSystem, Logger } from "../../pkg/runtime/index.js";
import {
  type EventLoopDelay,
  eventLoopDelay,
  type MetricsJson,
  mergeMetrics,
  nodeFileSystem,
  type PrometheusMetrics,
  prometheusMetrics,
  systemClock,
  systemRandom,
  systemTimers,
} from "../../pkg/runtime/node/index.js";
import {
  type AuthenticationPolicy,
  createService,
  parsePasswordPolicy,
  parseTokens,
  type ReplicasReport,
  type Service,
} from "../../pkg/service/index.js";
import type { SqliteStorage } from "../../pkg/storage/index.js";
import { createReplicator, settleIdentity } from "../../pkg/wiring/index.js";
import { clusterActions, nodeActions, pairActions, regionActions } from "./admin-actions.js";
import { HttpAddresses } from "./http-addresses.js";
import { openStorage } from "./open-storage.js";

/** A whole server, in the order in which its parts depend on each other. */
export interface RunningServer {
  readonly nodeId: NodeId;
  readonly httpUrl: string | null;
  /** Where peers reach it; null for a node that has none. */
  readonly clusterAddress: string | null;
  /** Why the node can no longer serve, once it cannot. */
  readonly failed: Promise<string>;
  /** Outside in: clients, replication, storage. Idempotent. */
  close(): Promise<void>;
}

/** @throws when a part cannot start; what had started is closed again */
export async function startServer(config: Config, logger: Logger): Promise<RunningServer> {
  const fileSystem = nodeFileSystem();
  await fileSystem.makeDirectory(config.dataDir);
  const lock = fileSystem.lock(`${config.dataDir}/LOCK`);
  const opened: (() => void | PromiseLike<void>)[] = [() => lock.release()];
  const close = () => closeInOrder([...opened].reverse());
  try {
    const wanted = { nodeId: config.nodeId, clusterId: config.cluster.clusterId };
    const ports = { fileSystem, random: systemRandom };
    const { nodeId } = await settleIdentity(wanted, config.cluster.dataDir, ports);
    const lines = logger.child({ node: nodeId, mode: config.mode });
    const parts = await openParts({ ...config, nodeId }, lines, fileSystem);
    opened.push(...parts.closing);
    const httpUrl = await listenHttp(config, parts, lines, opened);
    await parts.replicator.start();
    if (config.mode !== "standalone") parts.httpAddresses.start(advertisedUrl(config, httpUrl));
    let closing: Promise<void> | undefined;
    return {
      nodeId,
      httpUrl,
      clusterAddress:
        config.mode === "standalone" ? null : formatHostPort(config.cluster.advertise),
      failed: parts.failed,
      close: () => {
        closing ??= close();
        return closing;
      },
    };
  } catch (error) {
    await close().catch(() => {});
    throw error;
  }
}

interface Parts {
  readonly replicator: ReplicatorClient;
  readonly service: Service;
  readonly metrics: PrometheusMetrics;
  readonly loopDelay: EventLoopDelay;
  readonly httpAddresses: HttpAddresses;
  readonly failed: Promise<string>;
  readonly closing: readonly (() => void | PromiseLike<void>)[];
}

async function openParts(config: Config, logger: Logger, fileSystem: FileSystem): Promise<Parts> {
  const metrics = prometheusMetrics();
  const storage = await openStorage(config, logger);
  const replicator = createReplicator(config, storage, { logger, metrics });
  const failed = new Promise<string>((resolve) => {
    replicator.onEvent((event) => {
      if (event.kind === "state" && event.state === "failed") resolve(event.reason ?? "unknown");
    });
  });
  const service = createService({
    replicator,
    storage,
    clock: systemClock,
    timers: systemTimers,
    logger,
    metrics,
    authentication: authenticationOf(config),
    readLevel: config.cluster.readConsistency,
    freeBytes: () => fileSystem.freeBytes(config.dataDir),
    snapshot: () => containedSnapshot(config, storage),
    adminActions: nodeActions(replicator),
    ...(config.mode === "standalone" ? {} : clusterParts(config, replicator)),
  });
  const httpAddresses = new HttpAddresses(replicator, systemTimers);
  const loopDelay = eventLoopDelay();
  const closing = [
    () => loopDelay.stop(),
    () => replicator.shutdown(),
    () => httpAddresses.close(),
    () => service.close(),
  ];
  return { replicator, service, metrics, loopDelay, httpAddresses, failed, closing };
}

/** A leader that is on its way down is asked no longer than this, in milliseconds. */
const LEADER_ANSWER_MS_MAX = 1_000;

/** Every row of every replica is read, and what differs is put right. */
const VERIFY_MS_MAX = 240_000;

const ACTIONS = {
  standalone: () => ({}),
  ha_standby: pairActions,
  raft: clusterActions,
  multi_region: regionActions,
} as const;

function clusterParts(config: Config, replicator: ReplicatorClient) {
  const actions = ACTIONS[config.mode];
  const ask = { timeoutMs: LEADER_ANSWER_MS_MAX };
  return {
    adminActions: { ...nodeActions(replicator), ...actions(replicator) },
    verifyReplicas: async () =>
      (await replicator.order("verify", {}, { timeoutMs: VERIFY_MS_MAX })) as ReplicasReport,
    ...(config.mode === "ha_standby"
      ? { failovers: () => replicator.order("failovers", {}, ask) }
      : {}),
    leaderHealth: async () => (await replicator.order("describe", {}, ask)) as unknown as Health,
  };
}

/** The storage's copy in its container, so that whoever keeps it can tell that it is whole. */
async function containedSnapshot(config: Config, storage: SqliteStorage) {
  const reader = await storage.snapshot();
  const manifest = {
    clusterId: config.cluster.clusterId,
    nodeId: config.nodeId ?? "",
    position: reader.position,
    createdAt: systemClock.wallMs(),
    storage: "sqlite",
  };
  return {
    ...reader,
    chunks: () => encodeSnapshot(manifest, reader.chunks()),
    close: () => reader.close(),
  };
}

function authenticationOf(config: Config): AuthenticationPolicy {
  if (config.authTokensFile !== null) {
    return parseTokens(readFileSync(config.authTokensFile, "utf8"));
  }
  return config.auth.kind === "none"
    ? { kind: "none" }
    : parsePasswordPolicy(`${config.auth.user}:${config.auth.password.reveal()}`);
}

async function listenHttp(
  config: Config,
  parts: Parts,
  logger: Logger,
  opened: (() => void | PromiseLike<void>)[],
): Promise<string | null> {
  if (!config.http.enabled) return null;
  const server: HttpServer = await createHttpServer({
    service: parts.service,
    address: config.http.address,
    timers: systemTimers,
    logger,
    metricsText: () => metricsText(parts),
    httpOf: (nodeId) => parts.httpAddresses.of(nodeId),
    findHttp: (nodeId) => parts.httpAddresses.find(nodeId),
  });
  const { host, port } = await server.listen().catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "EADDRINUSE" && cause.code !== "EACCES" && cause.code !== "EADDRNOTAVAIL")
      throw cause;
    throw new ReplicationError("INVALID", `HTTP cannot listen: ${cause.message}`, {
      field: "NORNICDB_HTTP_ADDR",
      hint: "choose another address, or port 0 for a free one",
    });
  });
  opened.push(() => server.close());
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** What clients of other nodes are told: a wildcard is no address, the cluster's host is. */
function advertisedUrl({ http, cluster }: Config, httpUrl: string | null): string | null {
  if (httpUrl === null) return null;
  const { host, port } = http.advertise ?? http.address;
  const named = isWildcard(host) ? cluster.advertise.host : host;
  const address = { host: named, port: port === 0 ? Number(new URL(httpUrl).port || 80) : port };
  return `http://${formatHostPort(address)}`;
}

/** This thread's metrics and those of the replication thread, with the delay of both loops. */
async function metricsText({ metrics, replicator, loopDelay }: Parts): Promise<string> {
  const delay = metrics.gauge(
    "nornicdb_event_loop_delay_seconds",
    "How late the event loop of a thread was since the last scrape.",
    ["thread", "quantile"],
  );
  const thread = (await replicator.metrics().catch(() => undefined)) as
    | { registry?: MetricsJson; loopDelay?: ReturnType<EventLoopDelay["read"]> }
    | undefined;
  const delays = { main: loopDelay.read(), replication: thread?.loopDelay };
  for (const [name, summary] of Object.entries(delays)) {
    if (summary === undefined) continue;
    delay.set(summary.p50Ms / 1000, { thread: name, quantile: "0.5" });
    delay.set(summary.p99Ms / 1000, { thread: name, quantile: "0.99" });
    delay.set(summary.maxMs / 1000, { thread: name, quantile: "1" });
  }
  loopDelay.reset();
  return mergeMetrics([await metrics.json(), ...(thread?.registry ? [thread.registry] : [])]);
}
