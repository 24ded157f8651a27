import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EtcdProcess } from "../../process/support/etcd-process.js";
import { etcdProgram } from "../../process/support/etcd-program.js";
import { WitnessProcess } from "../../process/support/witness-process.js";
import { LabArbiter } from "./lab-arbiter.js";
import type { NetworkLab } from "./network-lab.js";
import { freePorts, type NodeHealth, RaftCluster, RaftNode } from "./raft-cluster.js";

export type ArbiterKind = "peer" | "witness" | "etcd";
export type SyncMode = "async" | "semi_sync" | "sync";

export interface HaPairOptions {
  readonly arbiter: ArbiterKind;
  readonly syncMode: SyncMode;
  readonly environment?: Readonly<Record<string, string>>;
  /** Where the standby keeps its data, instead of a temporary folder. */
  readonly standbyDir?: string;
  /** Three networks of their own, whose links can be cut: of n1, of n2, and of the arbiter. */
  readonly lab?: NetworkLab;
}

/** Timings under which a lost primary is replaced in a fraction of a second. */
export const FAST_PAIR: Readonly<Record<string, string>> = {
  NORNICDB_CLUSTER_HA_HEARTBEAT_MS: "100",
  NORNICDB_CLUSTER_HA_FAILOVER_TIMEOUT: "1s",
  NORNICDB_CLUSTER_HA_LEASE_TTL: "1s",
  NORNICDB_CLUSTER_HA_RECONNECT_INTERVAL: "20ms",
  NORNICDB_CLUSTER_HA_MAX_RECONNECT_BACKOFF: "100ms",
};

const SECRET = "a secret of one pair";
const CONNECTIONS = 64;
const CLUSTER_PORT = 7688;
const POLL_MS = 20;
/** After so long somebody else may lead. */
const WHOLE_LOOK_MS = 2_000;
const STREAMS_MS_MAX = 60_000;

/** False after a line that says why: etcd is not here and cannot be had. */
export const canArbitrate = (kind: ArbiterKind) => kind !== "etcd" || etcdProgram() !== undefined;

/** Who decides which node is primary: a process that comes and goes, with a disk that stays. */
export interface ArbiterProcess {
  readonly addresses: readonly string[];
  start(): Promise<void>;
  kill(): Promise<void>;
  close(): Promise<void>;
}

/** A primary and its standby, each a process of its own, and maybe an arbiter. */
export class HaPair extends RaftCluster {
  readonly arbiter: ArbiterProcess | undefined;

  private constructor(
    nodes: readonly RaftNode[],
    directory: string,
    arbiter: ArbiterProcess | undefined,
  ) {
    super(nodes, directory);
    this.arbiter = arbiter;
  }

  /** Starts `n1` as primary and `n2` as standby, and waits until `n2` is in sync. */
  static async open(options: HaPairOptions): Promise<HaPair> {
    const directory = mkdtempSync(path.join(tmpdir(), "nornic-pair-"));
    const arbiter = await startArbiter(options);
    const homes = await homesOf(options.lab);
    const environment = {
      NORNICDB_CLUSTER_MODE: "ha_standby",
      NORNICDB_CLUSTER_SECRET: SECRET,
      NORNICDB_CLUSTER_HA_PEERS: `n1:${homes[0].clusterAddress},n2:${homes[1].clusterAddress}`,
      NORNICDB_CLUSTER_HA_SYNC_MODE: options.syncMode,
      NORNICDB_CLUSTER_HA_ARBITER: options.arbiter,
      NORNICDB_LOG_LEVEL: "info",
      NORNICDB_LOG_FORMAT: "json",
      ...(arbiter === undefined
        ? {}
        : { NORNICDB_CLUSTER_HA_ARBITER_ADDR: arbiter.addresses.join(",") }),
      ...options.environment,
    };
    const nodes = ["primary", "standby"].map((role, index) => {
      const isElsewhere = role === "standby" && options.standbyDir !== undefined;
      return new RaftNode({
        index,
        dataDir: isElsewhere ? options.standbyDir : path.join(directory, `n${index + 1}`),
        ...(homes[index] as Home),
        connections: CONNECTIONS,
        environment: () => ({ ...environment, NORNICDB_CLUSTER_HA_ROLE: role }),
      });
    });
    const pair = new HaPair(nodes, directory, arbiter);
    try {
      await Promise.all(nodes.map((node) => node.start()));
      await pair.streams(pair.node("n2"));
    } catch (error) {
      await pair[Symbol.asyncDispose]();
      throw error;
    }
    return pair;
  }

  other(node: RaftNode): RaftNode {
    return this.nodes.find((one) => one !== node) as RaftNode;
  }

  /** Waits until this node holds what its primary has and is counted on; milliseconds it took. */
  async streams(node: RaftNode, timeoutMs = STREAMS_MS_MAX): Promise<number> {
    const startMs = performance.now();
    let seen: NodeHealth | undefined;
    while (performance.now() - startMs < timeoutMs) {
      seen = await node.health(2_000);
      if (seen?.stage === "streaming" && seen.in_sync === true) return performance.now() - startMs;
      await sleep(POLL_MS);
    }
    const log = node.log().split("\n").slice(-20).join("\n");
    throw new Error(
      `${node.id} is not in sync within ${timeoutMs} ms: ${JSON.stringify(seen)}\n${log}`,
    );
  }

  /** Waits until one leads and the other is counted on; a promotion may still be under way. */
  async whole(timeoutMs = STREAMS_MS_MAX): Promise<RaftNode> {
    const untilMs = performance.now() + timeoutMs;
    for (;;) {
      const led = await this.leader();
      const found = await this.streams(this.other(led), WHOLE_LOOK_MS).catch((error: unknown) => {
        if (performance.now() >= untilMs) throw error;
      });
      if (found !== undefined) return led;
    }
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    await this.arbiter?.close();
  }
}

interface Home {
  readonly clusterAddress: string;
  readonly httpAddress: string;
  readonly socketPath?: string;
  readonly wrapper?: readonly string[];
}

async function homesOf(lab: NetworkLab | undefined): Promise<readonly [Home, Home]> {
  if (lab !== undefined) {
    return lab.places.slice(0, 2).map(({ address, socketPath, wrapper }) => ({
      clusterAddress: `${address}:${CLUSTER_PORT}`,
      httpAddress: lab.httpAddress,
      socketPath,
      wrapper,
    })) as [Home, Home];
  }
  const ports = await freePorts(4);
  const address = (at: number) => `127.0.0.1:${ports[at]}`;
  return [
    { clusterAddress: address(0), httpAddress: address(2) },
    { clusterAddress: address(1), httpAddress: address(3) },
  ];
}

async function startArbiter({
  arbiter: kind,
  lab,
}: HaPairOptions): Promise<ArbiterProcess | undefined> {
  if (kind === "peer") return undefined;
  if (lab !== undefined) return LabArbiter.start(kind, lab, SECRET);
  if (kind === "witness") {
    const witness = await WitnessProcess.start({ NORNICDB_CLUSTER_SECRET: SECRET });
    return {
      addresses: [witness.address],
      start: () => witness.start(),
      kill: () => witness.kill(),
      close: () => witness.close(),
    };
  }
  const etcd = await EtcdProcess.start(etcdProgram() ?? "etcd");
  return {
    addresses: etcd.addresses,
    start: () => etcd.startAll(),
    kill: () => etcd.killAll(),
    close: () => etcd.close(),
  };
}
