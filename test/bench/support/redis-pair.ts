import { spawn, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { freePort, waitFor } from "./processes.js";
import { RedisLoad } from "./redis-load.js";

/** A Redis primary with one replica on loopback, both syncing their file before they answer. */
export interface RedisPair {
  readonly port: number;
  stop(): void;
}

/** @returns undefined where no `redis-server` is installed */
export async function startRedis(directory: string): Promise<RedisPair | undefined> {
  if (spawnSync("redis-server", ["--version"]).status !== 0) return undefined;
  const [port, replica] = [await freePort(), await freePort()];
  const start = (own: number, more: readonly string[]) => {
    const folder = path.join(directory, String(own));
    mkdirSync(folder, { recursive: true });
    const options = [
      ["--port", String(own)],
      ["--bind", "127.0.0.1"],
      ["--dir", folder],
      ["--appendonly", "yes"],
      ["--appendfsync", "always"],
      ["--save", ""],
      ["--repl-diskless-sync-delay", "0"],
    ].flat();
    return spawn("redis-server", [...options, ...more], { stdio: "ignore" });
  };
  const children = [start(port, []), start(replica, ["--replicaof", `127.0.0.1 ${port}`])];
  const stop = () => {
    for (const child of children) child.kill("SIGKILL");
  };
  try {
    await waitFor("a replica of redis", async () => {
      const load = await RedisLoad.open(port);
      return load
        .setAndWait("first", "value")
        .then(() => true)
        .finally(() => load.close());
    });
    return { port, stop };
  } catch (error) {
    stop();
    throw error;
  }
}
