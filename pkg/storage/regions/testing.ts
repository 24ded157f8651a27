import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import {
  type JsonValue,
  NO_POSITION,
  parseRegionId,
  type RegionId,
  toLogIndex,
  toTerm,
} from "../../base/index.js";
import type { ApplyResult } from "../../replication/ports/index.js";
import type { Timers } from "../../runtime/index.js";
import { encodeOperations } from "../commands.js";
import type { Operation } from "../graph.js";
import { openRegionStorage, type SingleThreadRegion } from "./open-region-storage.js";
import { encodeRegionOperation } from "./region-commands.js";
import type { RegionSettings, StrategyName } from "./region-settings.js";

export const [EU, US, AP] = ["eu", "us", "ap"].map((name) => parseRegionId(name) as RegionId) as [
  RegionId,
  RegionId,
  RegionId,
];
export const MANY = { countMax: 1_000, charsMax: 1_000_000 };
const opened: { readonly storage: SingleThreadRegion; readonly folder: string }[] = [];

/** Closes and removes what a test has opened. */
export async function closeAll(): Promise<void> {
  for (const { storage, folder } of opened.splice(0)) {
    await storage.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

export function settingsOf(
  self: RegionId,
  all: readonly RegionId[] = [EU, US],
  strategy: StrategyName = "last_write_wins",
): RegionSettings {
  return { self, others: all.filter((other) => other !== self), strategy, driftMsMax: 1_000 };
}

/** One node of a region, with the log that drives it. */
export class Node {
  #index = 0;
  storage: SingleThreadRegion;
  readonly folder: string;

  constructor(storage: SingleThreadRegion, folder: string) {
    this.storage = storage;
    this.folder = folder;
    opened.push(this);
  }

  /** @param timers - without them every batch is committed at once */
  static async open(timers?: Timers): Promise<Node> {
    const folder = mkdtempSync(join(tmpdir(), "region-"));
    return new Node(await openRegionStorage({ path: join(folder, "graph.db"), timers }), folder);
  }

  static async founded(settings: RegionSettings, timers?: Timers): Promise<Node> {
    const node = await Node.open(timers);
    await node.run(encodeRegionOperation({ op: "settle", settings }));
    return node;
  }

  async reopen(): Promise<void> {
    await this.storage.close();
    this.storage = await openRegionStorage({ path: join(this.folder, "graph.db") });
  }

  async run(
    command: { readonly type: number; readonly data: Uint8Array },
    Timestamp = "2026-01-02T03:04:05Z",
  ): Promise<ApplyResult> {
    this.#index += 1;
    const payload = Buffer.from(
      JSON.stringify({
        Type: command.type,
        Data: Buffer.from(command.data).toString("base64"),
        Timestamp,
      }),
    );
    const index = toLogIndex(this.#index);
    const entry = { index, term: toTerm(1), kind: "command", payload } as const;
    const [result] = await this.storage.applyBatch([entry]);
    return result as ApplyResult;
  }

  async write(operations: readonly Operation[], at?: string): Promise<ApplyResult> {
    return this.run(encodeOperations(operations), at);
  }

  /** All that `from` has and this one has not. */
  async hear(from: Node): Promise<JsonValue> {
    const there = from.storage.region();
    const here = this.storage.region();
    if (there === undefined || here === undefined) throw new Error("not founded");
    const { self } = there.settings;
    const have = here.meta.have.get(self) ?? 0;
    const { texts } = from.storage.regions.changes(self, have, MANY);
    const contains = there.meta.have;
    const upTo = contains.get(self) ?? 0;
    const operation = { op: "receive", from: self, upTo, contains, texts } as const;
    return resultOf(await this.run(encodeRegionOperation(operation)));
  }

  /** What readers see, without the versions, which count entries of this region's log. */
  async seen(ids: readonly string[]): Promise<JsonValue> {
    const nodes = await Promise.all(ids.map((id) => this.storage.getNode(id, NO_POSITION)));
    const edges = await Promise.all(ids.map((id) => this.storage.getEdge(id, NO_POSITION)));
    const strip = (thing: object | undefined) => (thing ? { ...thing, version: 0 } : null);
    return [...nodes, ...edges].map(strip) as unknown as JsonValue;
  }

  async isConsistent(): Promise<void> {
    const [kept, counted] = [await this.storage.digest(), await this.storage.recomputeDigest()];
    expect(counted.shards).toEqual(kept.shards);
  }
}

function resultOf(result: ApplyResult): JsonValue {
  if (!result.ok) throw new Error(`${result.code}: ${result.message}`);
  return result.value;
}

export const put = (id: string, properties = {}, labels: readonly string[] = []): Operation => ({
  op: "put_node",
  id,
  labels,
  properties,
});
export const link = (id: string, from: string, to: string): Operation => ({
  op: "put_edge",
  id,
  from,
  to,
  type: "KNOWS",
});

export async function pair(strategy?: StrategyName): Promise<readonly [Node, Node]> {
  return [
    await Node.founded(settingsOf(EU, [EU, US], strategy)),
    await Node.founded(settingsOf(US, [EU, US], strategy)),
  ];
}

export async function exchange(a: Node, b: Node): Promise<void> {
  for (let round = 0; round < 2; round += 1) {
    await a.hear(b);
    await b.hear(a);
  }
}
