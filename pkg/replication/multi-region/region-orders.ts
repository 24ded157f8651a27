import { type JsonValue, parseRegionId, type RegionId } from "../../base/index.js";
import type { Order } from "../driver/mode.js";
import { ReplicationError } from "../errors.js";
import type { RegionFacts, Vector } from "../ports/index.js";
import type { RegionHealth } from "../replicator.js";
import type { RegionOperation, RegionSettings } from "./operations.js";
import type { OperationOutcome } from "./region-proposals.js";

export interface RegionOrdersParts {
  readonly settings: RegionSettings;
  leads(): boolean;
  propose(operation: RegionOperation, done: (outcome: OperationOutcome) => void): void;
  facts(): RegionFacts | undefined;
  regions(): readonly RegionHealth[];
  /** How many changes a region said it had made itself. */
  heard(region: RegionId): number | undefined;
  /** Why this region is not open. */
  obstacle(): ReplicationError | undefined;
  /** What another region's state contains, by its own word. */
  ask(region: RegionId): Promise<Vector>;
  lookAgain(): void;
}

type Work = (args: Order["args"]) => Promise<JsonValue>;

/** Orders of operators about regions, carried out by the region's leader. */
export class RegionOrders {
  readonly #parts: RegionOrdersParts;
  readonly #works: Readonly<Record<string, Work>>;

  constructor(parts: RegionOrdersParts) {
    this.#parts = parts;
    this.#works = {
      "region status": async () => this.#status(),
      "promote region": (args) => this.#promote(args),
      "give up region": (args) => this.#giveUp(args),
      "readmit region": (args) => this.#readmit(args),
      "adopt region": () => this.#adopt(),
    };
  }

  /** @returns undefined for an action that is none of these */
  work({ action, args }: Order): (() => Promise<JsonValue>) | undefined {
    const work = Object.hasOwn(this.#works, action) ? this.#works[action] : undefined;
    if (work === undefined) return undefined;
    return async () => {
      if (this.#parts.leads()) return work(args);
      throw new ReplicationError("NO_LEADER", "nobody leads this region now", {
        retryAfterMs: 1_000,
      });
    };
  }

  #status(): JsonValue {
    const { settings, regions, heard, obstacle } = this.#parts;
    const facts = this.#parts.facts();
    const have: Vector = facts?.have ?? new Map();
    return {
      region: settings.self,
      data_of: facts?.self ?? null,
      strategy: facts?.strategy ?? settings.strategy,
      promoted: facts?.promotion?.region ?? null,
      promotion: facts?.promotion?.epoch ?? 0,
      clock_ms: facts?.clockMs ?? null,
      obstacle: obstacle()?.message ?? null,
      contains: Object.fromEntries(have),
      regions: regions().map((region): JsonValue => {
        const id = region.region as RegionId;
        const known = facts?.known.get(id);
        return {
          region: id,
          state: region.state,
          reason: region.reason,
          address: region.address,
          lag_entries: region.lagEntries,
          lag_bytes: region.lagBytes,
          lag_ms: region.lagMs,
          clock_ahead_ms: region.clockAheadMs,
          contains: known === undefined ? null : Object.fromEntries(known),
          ...(facts === undefined ? {} : toldOf(id, facts, heard(id))),
        };
      }),
    };
  }

  /** What the others had told that is not here is shown, and no reason to refuse: it may be lost. */
  async #promote(args: Order["args"]): Promise<JsonValue> {
    const { settings, heard, obstacle } = this.#parts;
    const { self } = settings;
    const facts = this.#parts.facts();
    const stopped = obstacle();
    if (stopped !== undefined) throw stopped;
    if (facts === undefined) throw new ReplicationError("NO_LEADER", "the region is being founded");
    if (args.region !== undefined && toRegion(args.region) !== self) {
      throw new ReplicationError("CONFLICT", `this node is of region "${self}"`, {
        hint: `ask a node of region "${String(args.region)}"`,
      });
    }
    const epoch = (facts.promotion?.epoch ?? 0) + 1;
    await this.#write({ op: "promote", region: self, epoch });
    return {
      promoted: self,
      epoch,
      was: facts.promotion?.region ?? null,
      missing: facts.others.flatMap((region): JsonValue[] => {
        const told = toldOf(region, facts, heard(region));
        return told.missing > 0 ? [{ region, ...told }] : [];
      }),
    };
  }

  async #giveUp(args: Order["args"]): Promise<JsonValue> {
    const region = toRegion(args.region);
    await this.#write({ op: "give_up", region });
    return { region, given_up: true };
  }

  /** The region itself says what it contains: whether that is enough the state decides. */
  async #readmit(args: Order["args"]): Promise<JsonValue> {
    const region = toRegion(args.region);
    const { facts, ask } = this.#parts;
    if (facts()?.lost.has(region) !== true) {
      throw new ReplicationError("CONFLICT", `region "${region}" was not given up`);
    }
    let contains: Vector;
    try {
      contains = await ask(region);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const text = `region "${region}" did not say what it contains: ${reason}`;
      throw new ReplicationError("CONFLICT", text, {
        hint: "start it, and see that it can be reached from here; then try again",
      });
    }
    await this.#write({ op: "readmit", region, contains });
    return { region, contains: Object.fromEntries(contains) };
  }

  async #adopt(): Promise<JsonValue> {
    const { settings, facts } = this.#parts;
    const before = facts()?.self;
    if (before === undefined || before === settings.self) {
      const what = before === undefined ? "of no region" : `of region "${before}" already`;
      throw new ReplicationError("CONFLICT", `the data of this node is ${what}`);
    }
    await this.#write({ op: "adopt", settings });
    return { region: settings.self, was: before };
  }

  async #write(operation: RegionOperation): Promise<void> {
    const outcome = await new Promise<OperationOutcome>((done) => {
      this.#parts.propose(operation, done);
    });
    this.#parts.lookAgain();
    if (!outcome.ok) throw outcome.error;
  }
}

/**
 * What of that region is here, and how much anybody is known to have of it: where that is more,
 * it is on its way, or will never come if the region is lost and nobody passes it on.
 */
function toldOf(
  region: RegionId,
  { have, known }: RegionFacts,
  heard: number | undefined,
): { readonly received: number; readonly told: number; readonly missing: number } {
  const received = have.get(region) ?? 0;
  const counts = [...known.values()].map((vector) => vector.get(region) ?? 0);
  const told = Math.max(received, heard ?? 0, ...counts);
  return { received, told, missing: told - received };
}

function toRegion(value: JsonValue | undefined): RegionId {
  const region = typeof value === "string" ? parseRegionId(value) : undefined;
  if (region !== undefined) return region;
  throw new ReplicationError("INVALID", "region must be a region's name", { field: "region" });
}
