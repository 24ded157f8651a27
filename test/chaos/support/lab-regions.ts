import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { NetworkLab } from "./network-lab.js";
import { RaftCluster, RaftNode } from "./raft-cluster.js";

const NAMES = ["eu", "us"] as const;
const NODES = 3;
const CLUSTER_PORT = 7688;
const CONNECTIONS = 64;
/** Not often: who answers has as little time as who converges, on the same processor. */
const POLL_MS = 100;
const PAGE = 1_000;

/** What a node's health says of another region, as far as it is looked at here. */
export interface RemoteHealth {
  readonly region: string;
  readonly state: string;
  readonly lag_entries: number;
  readonly lag_ms: number;
}

interface ConflictSide {
  readonly origin: string;
  readonly value?: unknown;
}

export interface ListedConflict {
  readonly id: string;
  readonly key: string;
  readonly winner: ConflictSide;
  readonly losers: readonly ConflictSide[];
}

export interface ShownNode {
  readonly id: string;
  readonly labels: readonly string[];
  readonly properties: Readonly<Record<string, unknown>>;
}

/** The nodes of one region: a raft cluster whose links to the other one can be cut. */
export class LabRegion extends RaftCluster {
  readonly name: string;

  constructor(name: string, nodes: readonly RaftNode[], directory: string) {
    super(nodes, directory);
    this.name = name;
  }

  /** How the region's leader sees the others. */
  async remotes(): Promise<readonly RemoteHealth[]> {
    const leader = await this.leader();
    const { replication } = (await leader.get("/health")) as {
      readonly replication: { readonly regions: readonly RemoteHealth[] };
    };
    return replication.regions;
  }
}

/** Two regions of three nodes, each node in a network of its own. */
export class LabRegions implements AsyncDisposable {
  readonly regions: readonly LabRegion[];
  readonly #lab: NetworkLab;

  private constructor(lab: NetworkLab, regions: readonly LabRegion[]) {
    this.#lab = lab;
    this.regions = regions;
  }

  static async open(environment: Readonly<Record<string, string>> = {}): Promise<LabRegions> {
    const lab = await NetworkLab.create(NAMES.length * NODES);
    const at = (index: number) => `${lab.places[index]?.address}:${CLUSTER_PORT}`;
    const indexes = (region: number) => Array.from({ length: NODES }, (_, n) => region * NODES + n);
    const regions = NAMES.map((name, own) => {
      const directory = mkdtempSync(path.join(tmpdir(), `nornic-region-${name}-`));
      const peers = indexes(own).map((index) => `n${index + 1}:${at(index)}`);
      const others = NAMES.flatMap((other, remote) =>
        remote === own ? [] : indexes(remote).map((index) => `${other}:${at(index)}`),
      );
      const common = {
        NORNICDB_CLUSTER_MODE: "multi_region",
        NORNICDB_CLUSTER_SECRET: "a secret of the chaos lane",
        NORNICDB_CLUSTER_REGION_ID: name,
        NORNICDB_CLUSTER_REMOTE_REGIONS: others.join(","),
        NORNICDB_CLUSTER_RAFT_PEERS: peers.join(","),
        NORNICDB_CLUSTER_RAFT_BOOTSTRAP: "true",
        NORNICDB_LOG_LEVEL: "info",
        NORNICDB_LOG_FORMAT: "json",
        ...environment,
      };
      const nodes = indexes(own).map((index) => {
        const { socketPath, wrapper } = lab.places[index] as NetworkLab["places"][number];
        return new RaftNode({
          index,
          dataDir: path.join(directory, `n${index + 1}`),
          clusterAddress: at(index),
          httpAddress: lab.httpAddress,
          socketPath,
          wrapper,
          connections: CONNECTIONS,
          environment: () => common,
        });
      });
      return new LabRegion(name, nodes, directory);
    });
    const both = new LabRegions(lab, regions);
    try {
      await Promise.all(both.nodes().map((node) => node.start()));
      await both.even();
    } catch (error) {
      await both[Symbol.asyncDispose]();
      throw error;
    }
    return both;
  }

  nodes(): readonly RaftNode[] {
    return this.regions.flatMap(({ nodes }) => nodes);
  }

  /** Nothing passes between the regions. */
  cut(): void {
    this.#lab.split(...this.regions.map(({ nodes }) => nodes.map(({ index }) => index)));
  }

  heal(): void {
    this.#lab.healAll();
  }

  /** What the regions have not told each other, as their leaders know it. */
  async backlog(): Promise<number> {
    const all = await Promise.all(this.regions.map((region) => region.remotes()));
    return all.flat().reduce((sum, { lag_entries }) => sum + lag_entries, 0);
  }

  /** Waits until every node of each region has applied what all regions have; milliseconds it took. */
  async even(timeoutMs = 60_000): Promise<number> {
    const startMs = performance.now();
    for (;;) {
      const seen = await Promise.all(this.regions.map((region) => region.remotes()));
      const isEven = seen.flat().every((one) => one.state === "streaming" && one.lag_entries === 0);
      if (isEven) {
        for (const region of this.regions) await region.converged();
        return performance.now() - startMs;
      }
      if (performance.now() - startMs > timeoutMs) {
        throw new Error(`not even within ${timeoutMs} ms: ${JSON.stringify(seen)}`);
      }
      await sleep(POLL_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const region of this.regions) await region[Symbol.asyncDispose]();
    await this.#lab[Symbol.asyncDispose]();
  }
}

/** All nodes that a server shows, without their versions: those are positions in its region's log. */
export function shownNodes(node: RaftNode): Promise<readonly ShownNode[]> {
  return paged(node, "/nodes?consistency=ONE", "items", "cursor", ({ id, labels, properties }) => ({
    id,
    labels,
    properties,
  }));
}

export function listedConflicts(node: RaftNode): Promise<readonly ListedConflict[]> {
  return paged(node, "/admin/conflicts?", "conflicts", "after", (conflict) => conflict);
}

async function paged<T>(
  node: RaftNode,
  route: string,
  list: string,
  next: string,
  // biome-ignore lint/suspicious/noExplicitAny: what a server answers is looked at field by field
  pick: (item: any) => T,
): Promise<readonly T[]> {
  const items: T[] = [];
  let at: string | undefined;
  do {
    const after = at === undefined ? "" : `&${next}=${encodeURIComponent(at)}`;
    const page = (await node.get(`${route}&limit=${PAGE}${after}`, 30_000)) as Readonly<
      Record<string, unknown>
    >;
    const found = page[list];
    if (!Array.isArray(found)) throw new Error(`${route}: ${JSON.stringify(page)}`);
    items.push(...found.map(pick));
    at = (page[next] ?? undefined) as string | undefined;
  } while (at !== undefined);
  return items;
}
