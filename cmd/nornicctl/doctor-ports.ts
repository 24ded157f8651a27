import { once } from "node:events";
import { createServer } from "node:net";
import { type Config, formatHostPort, type HostPort, isWildcard } from "../../pkg/config/index.js";
import type { Finding } from "./finding.js";

const ANSWER_MS_MAX = 2_000;

/** Whether a node could listen where its settings say, or already does. */
export async function checkPorts(config: Config): Promise<Finding[]> {
  const { http, bolt, sql, cluster, mode } = config;
  const wanted: readonly (readonly [string, HostPort])[] = [
    ...(http.enabled ? [["http port", http.address] as const] : []),
    ...(bolt.enabled ? [["bolt port", bolt.address] as const] : []),
    ...(sql.enabled ? [["sql port", sql.address] as const] : []),
    ...(mode === "standalone" ? [] : [["cluster port", cluster.bind] as const]),
  ];
  const running = http.enabled ? await nodeAt(http.address) : undefined;
  const findings: Finding[] = [];
  for (const [name, address] of wanted) findings.push(await checkPort(name, address, running));
  return findings;
}

async function checkPort(
  name: string,
  address: HostPort,
  running: string | undefined,
): Promise<Finding> {
  const at = formatHostPort(address);
  if (address.port === 0) return { name, status: "ok", detail: `${at}: any free one` };
  const code = await listenError(address);
  if (code === undefined) return { name, status: "ok", detail: `${at} is free` };
  if (code !== "EADDRINUSE") {
    const next =
      code === "EACCES" ? "use a port above 1023" : "use an address that this machine has";
    return { name, status: "fail", detail: `${at} cannot be listened on: ${code}`, next };
  }
  if (running !== undefined) {
    const detail =
      name === "http port"
        ? `${at}: node ${running} serves there`
        : `${at} is in use, node ${running} runs`;
    return { name, status: "ok", detail };
  }
  const next = "stop the program that listens there, or choose another port";
  return { name, status: "fail", detail: `${at} is held by another program`, next };
}

async function listenError({ host, port }: HostPort): Promise<string | undefined> {
  const server = createServer();
  try {
    server.listen({ host, port, exclusive: true });
    await once(server, "listening");
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "unknown";
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

/** @returns the id of the node of ours that answers there */
async function nodeAt({ host, port }: HostPort): Promise<string | undefined> {
  if (port === 0) return undefined;
  const reached = isWildcard(host) ? "127.0.0.1" : host;
  try {
    const url = `http://${formatHostPort({ host: reached, port })}/health`;
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    const { replication } = Object(await response.json());
    const { node_id } = Object(replication);
    return typeof node_id === "string" ? node_id : undefined;
  } catch {
    return undefined;
  }
}
