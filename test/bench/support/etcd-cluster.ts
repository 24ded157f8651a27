import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import path from "node:path";
import { freePort, waitFor } from "./processes.js";

/** Three etcd members on loopback with default timings, to stand beside ours in the same run. */
export interface EtcdCluster {
  readonly leaderUrl: string;
  stop(): void;
}

interface EtcdStatus {
  readonly leader?: string;
  readonly header: { readonly member_id: string };
}

/** @returns undefined where no `etcd` is installed */
export async function startEtcd(directory: string): Promise<EtcdCluster | undefined> {
  if (spawnSync("etcd", ["--version"]).status !== 0) return undefined;
  const members = await Promise.all(
    ["e1", "e2", "e3"].map(async (name) => ({
      name,
      client: `http://127.0.0.1:${await freePort()}`,
      peer: `http://127.0.0.1:${await freePort()}`,
    })),
  );
  const initial = members.map(({ name, peer }) => `${name}=${peer}`).join(",");
  const children: ChildProcess[] = members.map(({ name, client, peer }) =>
    spawn(
      "etcd",
      [
        ["--name", name],
        ["--data-dir", path.join(directory, name)],
        ["--listen-client-urls", client],
        ["--advertise-client-urls", client],
        ["--listen-peer-urls", peer],
        ["--initial-advertise-peer-urls", peer],
        ["--initial-cluster", initial],
        ["--quota-backend-bytes", "8589934592"],
        ["--logger", "zap"],
        ["--log-level", "error"],
      ].flat(),
      { stdio: "ignore" },
    ),
  );
  const stop = () => {
    for (const child of children) child.kill("SIGKILL");
  };
  try {
    const leaderUrl = await waitFor("a leader of etcd", async () => {
      for (const { client } of members) {
        const answer = await fetch(`${client}/v3/maintenance/status`, {
          method: "POST",
          body: "{}",
        });
        const status = (await answer.json()) as EtcdStatus;
        if (status.leader === status.header.member_id) return client;
      }
      return undefined;
    });
    return { leaderUrl, stop };
  } catch (error) {
    stop();
    throw error;
  }
}
