import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type Answer, ask } from "./ask.js";
import { type Ended, runNode } from "./ended.js";
import { NORNICCTL, type Nornicd, startNornicd } from "./nornicd.js";
import { freePorts, until } from "./raft-cluster.js";
import { RegionDoor } from "./region-door.js";

const SKEWED_CLOCK = new URL("skewed-clock.mjs", import.meta.url);
const PAGE = 1_000;

/** As fast as a busy machine of few cores allows. */
const TIMING = {
  NORNICDB_CLUSTER_RAFT_ELECTION_TIMEOUT: "400ms",
  NORNICDB_CLUSTER_RAFT_HEARTBEAT_TIMEOUT: "60ms",
  NORNICDB_CLUSTER_RAFT_LEADER_LEASE_TIMEOUT: "200ms",
  NORNICDB_CLUSTER_CROSS_REGION_BATCH_TIMEOUT: "20ms",
};

type Environment = Readonly<Record<string, string>>;

export interface RegionsOptions {
  /** How many nodes each region has. */
  readonly nodes: Readonly<Record<string, number>>;
  readonly environment?: Environment;
  /** Nodes whose wall clock `skew` can set. */
  readonly skewed?: readonly string[];
}

// biome-ignore lint/suspicious/noExplicitAny: what a server answers is looked at field by field
export type Json = any;

/** Regions of one or more nodes, each its own process; node `eu2` is the second of region `eu`. */
export class RegionsCluster {
  readonly #folder: string;
  readonly #options: RegionsOptions;
  readonly #ports = new Map<string, number>();
  readonly #doors = new Map<string, RegionDoor>();
  readonly #nodes = new Map<string, Nornicd>();

  private constructor(folder: string, options: RegionsOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  static async make(folder: string, options: RegionsOptions): Promise<RegionsCluster> {
    const cluster = new RegionsCluster(folder, options);
    const ids = cluster.regions().flatMap((region) => cluster.members(region));
    const ports = await freePorts(ids.length);
    for (const [at, id] of ids.entries()) {
      cluster.#ports.set(id, ports[at] as number);
      cluster.#doors.set(id, await RegionDoor.start(ports[at] as number));
    }
    for (const id of options.skewed ?? []) cluster.skew(id, 0);
    return cluster;
  }

  regions(): readonly string[] {
    return Object.keys(this.#options.nodes);
  }

  members(region: string): readonly string[] {
    const count = this.#options.nodes[region] ?? 0;
    return Array.from({ length: count }, (_, at) => `${region}${at + 1}`);
  }

  running(): readonly string[] {
    return [...this.#nodes.keys()];
  }

  node(id: string): Nornicd {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new Error(`${id} does not run`);
    return node;
  }

  /** Where the nodes of its own region reach it. */
  address(id: string): string {
    return `127.0.0.1:${this.#ports.get(id)}`;
  }

  folder(id: string): string {
    return path.join(this.#folder, id);
  }

  /** @param others - the regions it is told of; all of them unless given */
  environment(id: string, others?: readonly string[]): Record<string, string> {
    const region = id.replace(/\d+$/, "");
    const list = (ids: readonly string[], entry: (id: string) => string) => ids.map(entry).join();
    const remote = (others ?? this.regions())
      .filter((other) => other !== region)
      .map((other) => list(this.members(other), (at) => `${other}:${this.#doorOf(at).address}`));
    return {
      NORNICDB_CLUSTER_MODE: "multi_region",
      NORNICDB_CLUSTER_NODE_ID: id,
      NORNICDB_CLUSTER_BIND_ADDR: this.address(id),
      NORNICDB_CLUSTER_RAFT_PEERS: list(
        this.members(region),
        (peer) => `${peer}:${this.address(peer)}`,
      ),
      NORNICDB_CLUSTER_RAFT_BOOTSTRAP: "true",
      NORNICDB_CLUSTER_REGION_ID: region,
      ...(remote.length === 0 ? {} : { NORNICDB_CLUSTER_REMOTE_REGIONS: remote.join() }),
      NORNICDB_DATA_DIR: this.folder(id),
      NORNICDB_CLUSTER_DATA_DIR: path.join(this.folder(id), "replication"),
      ...TIMING,
      ...this.#skewOf(id),
      ...this.#options.environment,
    };
  }

  async start(id: string, others?: readonly string[], more: Environment = {}): Promise<Nornicd> {
    const environment = { ...this.environment(id, others), ...more };
    const node = await startNornicd({ dataDir: this.folder(id), environment });
    this.#nodes.set(id, node);
    return node;
  }

  /** Starts regions, all unless named; resolves when each has a leader that is in touch. */
  async startAll(regions: readonly string[] = this.regions()): Promise<void> {
    const ids = regions.flatMap((region) => this.members(region));
    await Promise.all(ids.map((id) => this.start(id)));
    for (const region of regions) await this.streams(region);
  }

  async kill(id: string, signal: NodeJS.Signals = "SIGKILL"): Promise<number | null> {
    const { code } = await this.node(id).kill(signal);
    this.#nodes.delete(id);
    return code;
  }

  wipe(id: string): void {
    rmSync(this.folder(id), { recursive: true });
  }

  /** From now on the node's wall clock is that much ahead. */
  skew(id: string, ms: number): void {
    writeFileSync(this.#skewFile(id), String(ms));
  }

  /** Nothing passes between regions any more, either way. */
  cut(): void {
    for (const door of this.#doors.values()) door.shut();
  }

  heal(): void {
    for (const door of this.#doors.values()) door.open();
  }

  /** Of everything between regions, each way. */
  delay(ms: number): void {
    for (const door of this.#doors.values()) door.delayMs = ms;
  }

  /** What has passed between the regions. */
  bytesBetween(): number {
    return [...this.#doors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  ask(
    id: string,
    route: string,
    method = "GET",
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    return ask(`${this.node(id).url}${route}`, method, body, headers);
  }

  ctl(id: string, ...args: string[]): Promise<Ended> {
    return runNode([NORNICCTL, "--endpoint", this.node(id).url, ...args]);
  }

  /** The running node of the region that takes writes. */
  leader(region: string): Promise<string> {
    return until(`a node of ${region} leads`, async () => {
      for (const id of this.members(region)) {
        if (!this.#nodes.has(id)) continue;
        if ((await this.ask(id, "/leader")).status === 200) return id;
      }
      return undefined;
    });
  }

  /** @returns the node's version */
  async put(id: string, thing: string, properties: Json = {}, query = ""): Promise<Answer> {
    return this.ask(id, `/nodes/${thing}${query}`, "PUT", { labels: ["X"], properties });
  }

  async properties(id: string, thing: string): Promise<Json> {
    const { status, body } = await this.ask(id, `/nodes/${thing}?consistency=ONE`);
    return status === 200 ? body.properties : undefined;
  }

  sees(id: string, thing: string, properties: Json): Promise<boolean> {
    const wanted = JSON.stringify(properties);
    return until(`${id} shows ${thing} as ${wanted}`, async () => {
      return JSON.stringify(await this.properties(id, thing)) === wanted;
    });
  }

  async health(id: string): Promise<Json> {
    return (await this.ask(id, "/health")).body.replication;
  }

  /** What a node's health says of another region. */
  async regionOf(id: string, region: string): Promise<Json> {
    const { regions } = await this.health(id);
    return regions.find((one: { readonly region: string }) => one.region === region);
  }

  /** The region's leader is in touch with all others. */
  async streams(region: string): Promise<void> {
    await until(`${region} streams`, async () => {
      const { regions } = await this.health(await this.leader(region));
      return regions.every(({ state }: Json) => state === "streaming");
    });
  }

  async conflicts(id: string): Promise<readonly Json[]> {
    const { status, text, body } = await this.ask(id, `/admin/conflicts?limit=${PAGE}`);
    if (status !== 200) throw new Error(`${id}: ${text}`);
    return body.conflicts;
  }

  conflict(id: string, thing: string): Promise<Json> {
    return until(`${id} lists a conflict of ${thing}`, async () =>
      (await this.conflicts(id)).find(({ key }) => key === `n:${thing}`),
    );
  }

  /** All that a node shows, but for versions, which are positions in its region's log. */
  async content(id: string): Promise<string> {
    const nodes: Json[] = [];
    let cursor: string | undefined;
    do {
      const after = cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const { body } = await this.ask(id, `/nodes?consistency=ONE&limit=${PAGE}${after}`);
      for (const { version: _version, ...node } of body.items) nodes.push(node);
      cursor = body.cursor;
    } while (cursor !== undefined);
    const { edges } = (await this.ask(id, "/counts?consistency=ONE")).body;
    return JSON.stringify({ nodes, edges, conflicts: await this.conflicts(id) });
  }

  /** All running nodes come to show the same, and list the same conflicts. */
  async converged(): Promise<void> {
    await until("all regions are equal", async () => {
      const contents = await Promise.all(this.running().map((id) => this.content(id)));
      return new Set(contents).size === 1;
    });
  }

  async close(): Promise<void> {
    for (const door of this.#doors.values()) door.close();
    await Promise.all([...this.#nodes.keys()].map((id) => this.kill(id)));
  }

  #doorOf(id: string): RegionDoor {
    return this.#doors.get(id) as RegionDoor;
  }

  #skewFile(id: string): string {
    return path.join(this.#folder, `${id}.skew`);
  }

  #skewOf(id: string): Environment {
    if (this.#options.skewed?.includes(id) !== true) return {};
    const script = `--import ${fileURLToPath(SKEWED_CLOCK)}`;
    return { NODE_OPTIONS: script, CLOCK_SKEW_FILE: this.#skewFile(id) };
  }
}
