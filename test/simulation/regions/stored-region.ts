import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type JsonValue, NO_POSITION, type RegionId } from "../../../pkg/base/index.js";
import type { ApplyResult, Entry } from "../../../pkg/replication/ports/index.js";
import { encodeOperations, type Operation } from "../../../pkg/storage/index.js";
import {
  openRegionStorage,
  type SingleThreadRegion,
} from "../../../pkg/storage/regions/open-region-storage.js";
import { encodeRegionOperation } from "../../../pkg/storage/regions/region-commands.js";
import type { Region } from "../../../pkg/storage/regions/region-record.js";
import type { RegionSettings } from "../../../pkg/storage/regions/region-settings.js";
import { Entries } from "../../contract/index.js";
import type { SeededRandom } from "../../support/index.js";

type Sent = Parameters<typeof encodeRegionOperation>[0];

/** One region as two nodes over one log, which apply it each in their own way. */
export class StoredRegion {
  readonly #random: SeededRandom;
  readonly #folder = mkdtempSync(join(tmpdir(), "regions-"));
  readonly #entries = new Entries();
  readonly #waiting: Entry[] = [];
  first: SingleThreadRegion;
  /** Applies several entries at once, starts again, and is made anew from copies of the first. */
  second: SingleThreadRegion;
  skewMs = 0;
  restarts = 0;

  private constructor(random: SeededRandom, open: (name: string) => Promise<SingleThreadRegion>) {
    this.#random = random;
    this.#open = open;
    this.first = undefined as never;
    this.second = undefined as never;
  }

  readonly #open: (name: string) => Promise<SingleThreadRegion>;

  static async found(random: SeededRandom, settings: RegionSettings): Promise<StoredRegion> {
    const region: StoredRegion = new StoredRegion(random, (name) =>
      openRegionStorage({ path: join(region.#folder, name) }),
    );
    region.first = await region.#open("first.db");
    region.second = await region.#open("second.db");
    await region.run({ op: "settle", settings }, 0);
    return region;
  }

  get state(): Region {
    return this.first.region() as Region;
  }

  get self(): RegionId {
    return this.state.settings.self;
  }

  run(operation: Sent, wallMs: number): Promise<ApplyResult> {
    return this.#log(encodeRegionOperation(operation), wallMs);
  }

  write(operations: readonly Operation[], wallMs: number): Promise<ApplyResult> {
    return this.#log(encodeOperations(operations), wallMs);
  }

  async #log(
    command: { readonly type: number; readonly data: Uint8Array },
    wallMs: number,
  ): Promise<ApplyResult> {
    const Timestamp = new Date(wallMs + this.skewMs).toISOString();
    const entry = this.#entries.plain(command, { Timestamp });
    this.#waiting.push(entry);
    const [result] = await this.first.applyBatch([entry]);
    if (this.#random.chance(1, 5)) await this.catchUp();
    return result as ApplyResult;
  }

  async catchUp(): Promise<void> {
    const kind = this.#random.below(12);
    if (kind === 0) {
      this.restarts += 1;
      await this.second.close();
      this.second = await this.#open("second.db");
    } else if (kind === 1) {
      this.restarts += 1;
      const snapshot = await this.first.snapshot();
      await this.second.restore(snapshot.chunks());
      await snapshot.close();
      this.#waiting.length = 0;
      return;
    }
    const batch = this.#waiting.splice(0);
    if (batch.length > 0) await this.second.applyBatch(batch);
  }

  /** What is wrong with either node by itself, or between them. */
  async problems(): Promise<readonly string[]> {
    await this.catchUp();
    const found: string[] = [];
    const [one, two] = [await this.first.digest(), await this.second.digest()];
    if (JSON.stringify(one) !== JSON.stringify(two)) found.push(`nodes of ${this.self} differ`);
    for (const storage of [this.first, this.second]) {
      const counted = await storage.recomputeDigest();
      const kept = await storage.digest();
      if (JSON.stringify(counted.shards) !== JSON.stringify(kept.shards)) {
        found.push(`the digest of ${this.self} is not that of what is stored`);
      }
    }
    const told = await this.#replayed();
    const shown = await this.#shown();
    if (JSON.stringify(told) !== JSON.stringify(shown)) {
      found.push(`the change stream of ${this.self} tells something else`);
    }
    return found;
  }

  /** What readers see, by key and without versions. */
  async graph(): Promise<ReadonlyMap<string, JsonValue>> {
    return new Map(
      [...(await this.#shown())].map(([key, thing]) => {
        return [key, { ...(thing as object), version: 0 }];
      }),
    );
  }

  async #shown(): Promise<readonly (readonly [string, JsonValue])[]> {
    const { items } = await this.first.findNodes({ limit: 1_000 }, NO_POSITION);
    const things = new Map<string, JsonValue>();
    for (const node of items) things.set(`n:${node.id}`, node as unknown as JsonValue);
    for (const { id } of items) {
      const query = { nodeId: id, direction: "both", limit: 1_000 } as const;
      for (const edge of (await this.first.findEdges(query, NO_POSITION)).items) {
        things.set(`e:${edge.id}`, edge as unknown as JsonValue);
      }
    }
    return [...things].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  async #replayed(): Promise<readonly (readonly [string, JsonValue])[]> {
    const things = new Map<string, JsonValue>();
    for (const { effects } of await this.second.changes(NO_POSITION.index, 10_000)) {
      for (const effect of effects) {
        if (effect.kind === "node_put") things.set(`n:${effect.node.id}`, effect.node as never);
        if (effect.kind === "edge_put") things.set(`e:${effect.edge.id}`, effect.edge as never);
        if (effect.kind === "node_deleted") things.delete(`n:${effect.id}`);
        if (effect.kind === "edge_deleted") things.delete(`e:${effect.id}`);
      }
    }
    return [...things].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  async close(): Promise<void> {
    await this.first.close();
    await this.second.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
