import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { closeInOrder } from "../../pkg/base/index.js";
import { type Config, formatHostPort } from "../../pkg/config/index.js";
import { ReplicationError } from "../../pkg/replication/index.js";
import type { Logger } from "../../pkg/runtime/index.js";
import { type PrometheusMetrics, prometheusMetrics } from "../../pkg/runtime/node/index.js";
import { openWitness, type RunningWitness } from "../../pkg/wiring/index.js";
import type { RunningServer } from "./server.js";

const REQUEST_MS_MAX = 5_000;
const CONNECTIONS_MAX = 64;

/** @throws when it cannot start; what had started is closed again */
export async function startWitness(config: Config, logger: Logger): Promise<RunningServer> {
  const metrics = prometheusMetrics();
  const lines = logger.child({ node: config.nodeId ?? "witness", mode: "witness" });
  const witness = await openWitness(config, { logger: lines, metrics });
  try {
    const server = config.http.enabled ? await listen(config, witness, metrics) : undefined;
    let closing: Promise<void> | undefined;
    const close = () => closeInOrder([() => server && closed(server), () => witness.close()]);
    return {
      nodeId: witness.nodeId,
      httpUrl: server === undefined ? null : `http://${addressOf(server)}`,
      clusterAddress: formatHostPort(witness.address),
      failed: witness.failed,
      close: () => {
        closing ??= close();
        return closing;
      },
    };
  } catch (error) {
    await witness.close().catch(() => {});
    throw error;
  }
}

/** Health and metrics, for probes and Prometheus; nothing here changes anything. */
async function listen(config: Config, witness: RunningWitness, metrics: PrometheusMetrics) {
  const health = () =>
    JSON.stringify({
      status: "ok",
      witness: { node_id: witness.nodeId, clusters: witness.clusters() },
    });
  const pages = new Map<string, readonly [string, () => string | Promise<string>]>([
    ["/health", ["application/json", health]],
    ["/livez", ["text/plain", () => "ok\n"]],
    ["/readyz", ["text/plain", () => "ok\n"]],
    ["/metrics", ["text/plain; version=0.0.4", () => metrics.text()]],
  ]);
  const server = createServer(async (request, response) => {
    const page = pages.get(request.url ?? "");
    if (page === undefined || (request.method !== "GET" && request.method !== "HEAD")) {
      response.writeHead(404, { "content-type": "text/plain" });
      response.end(`a witness has ${[...pages.keys()].join(", ")}\n`);
      return;
    }
    const [type, text] = page;
    const body = await text();
    response.writeHead(200, { "content-type": type, "content-length": Buffer.byteLength(body) });
    response.end(request.method === "HEAD" ? undefined : body);
  });
  server.requestTimeout = REQUEST_MS_MAX;
  server.headersTimeout = REQUEST_MS_MAX;
  server.maxConnections = CONNECTIONS_MAX;
  const { host, port } = config.http.address;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => reject(cannotListen(cause)));
    server.listen(port, host, resolve);
  });
  return server;
}

function cannotListen(cause: Error): Error {
  return new ReplicationError("INVALID", `HTTP cannot listen: ${cause.message}`, {
    field: "NORNICDB_HTTP_ADDR",
    hint: "choose another address, or port 0 for a free one",
  });
}

function addressOf(server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  return formatHostPort({ host: address, port });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
