import { mkdirSync } from "node:fs";
import path from "node:path";
import { createReplicator, loadConfig, type Replicator } from "../../../pkg/index.js";
import { encodeOperations, openSqliteStorage } from "../../../pkg/storage/index.js";
import { databaseFile } from "../../../pkg/wiring/index.js";
import { freePort, type Server, startNornicd, waitFor } from "./processes.js";

type Environment = Readonly<Record<string, string>>;

/** A node that this process is itself, with the load generator beside it on the main thread. */
export interface Library {
  readonly replicator: ReturnType<typeof createReplicator>;
  /** One node of `bytes` bytes under the next key. */
  write(): Promise<void>;
  close(): Promise<void>;
}

export interface LoadShape {
  readonly bytes: number;
  /** Keys come again after this many writes. */
  readonly keys: number;
}

export const USUAL: LoadShape = { bytes: 256, keys: 100_000 };

/** A primary that this process is, and its standby as a process of its own. */
export interface Pair extends Library {
  readonly standby: Server;
}

/** The environment of a primary and its standby on this machine. */
export async function pairSettings(
  directory: string,
  more: Environment = {},
): Promise<{ readonly primary: Environment; readonly standby: Environment }> {
  const [own, peer] = [await freePort(), await freePort()];
  const of = (role: "primary" | "standby", port: number, other: number) => {
    const dataDir = path.join(directory, role);
    return {
      NORNICDB_CLUSTER_MODE: "ha_standby",
      NORNICDB_CLUSTER_NODE_ID: role,
      NORNICDB_CLUSTER_BIND_ADDR: `127.0.0.1:${port}`,
      NORNICDB_CLUSTER_HA_ROLE: role,
      NORNICDB_CLUSTER_HA_PEER_ADDR: `127.0.0.1:${other}`,
      NORNICDB_DATA_DIR: dataDir,
      NORNICDB_CLUSTER_DATA_DIR: path.join(dataDir, "replication"),
      ...more,
    };
  };
  return { primary: of("primary", own, peer), standby: of("standby", peer, own) };
}

export async function openLibrary(
  env: Environment,
  shape = USUAL,
  openStorage: typeof openSqliteStorage = openSqliteStorage,
): Promise<Library> {
  const { config } = loadConfig({ env });
  mkdirSync(config.dataDir, { recursive: true });
  const storage = await openStorage({ path: databaseFile(config), threads: "worker" });
  const replicator = createReplicator(config, storage);
  await replicator.start();
  const value = "v".repeat(shape.bytes);
  let sequence = 0;
  const write = async () => {
    const number = sequence++;
    const id = `key${String((number * 7919) % shape.keys).padStart(13, "0")}`;
    const properties = { value, number };
    await replicator.apply(encodeOperations([{ op: "put_node", id, properties }]));
  };
  return { replicator, write, close: () => replicator.shutdown() };
}

/** Ends a server as an operator does. */
export function stopServer({ child }: Server): Promise<void> {
  return new Promise((done) => {
    child.once("exit", () => done());
    child.kill("SIGTERM");
  });
}

/** Entries that the standby has not acknowledged; undefined while it is not in sync. */
export async function standbyLag(replicator: Replicator): Promise<number | undefined> {
  const { isLeader, peers } = await replicator.health();
  const standby = peers[0];
  return isLeader && standby?.role === "sync_standby" ? (standby.lag ?? undefined) : undefined;
}

/** Opens both; resolves when the standby is in sync and takes writes. */
export async function openPair(directory: string, more: Environment = {}): Promise<Pair> {
  const { primary, standby } = await pairSettings(directory, more);
  const starting = startNornicd(standby);
  const library = await openLibrary(primary);
  const server = await starting;
  const close = async () => {
    // The standby first: a primary that stops would hand over to it.
    await stopServer(server);
    await library.close();
  };
  try {
    await waitFor("a standby in sync", () => standbyLag(library.replicator));
    await waitFor("a first write", () => library.write().then(() => true));
    return { ...library, close, standby: server };
  } catch (error) {
    await close();
    throw error;
  }
}
