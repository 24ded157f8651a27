import type { RegionId } from "../../../pkg/base/index.js";
import { ReplicationError } from "../../../pkg/replication/errors.js";
import {
  createRegionCore,
  type RegionCore,
  type RegionCoreOptions,
  type RegionEffect,
  type RegionInput,
  type RegionState,
  type StreamRules,
} from "../../../pkg/replication/multi-region/core/index.js";
import type { ApplyResult, Entry } from "../../../pkg/replication/ports/index.js";
import type { Region } from "../../../pkg/storage/regions/region-record.js";
import type { RegionRules } from "../../../pkg/storage/regions/rules.js";
import { MemoryRegion } from "./memory-region.js";

export type Carried = Exclude<RegionEffect, { readonly kind: "load" | "note" }>;

/** One node of a region: its core and its state machine. */
export class StreamNode {
  readonly name: string;
  readonly region: RegionId;
  readonly machine: MemoryRegion;
  readonly notes = new Map<string, number>();
  /** To which node of each other region it sends. */
  readonly targets = new Map<RegionId, number>();
  readonly #core: RegionCore;
  readonly #out: (effect: Carried) => void;
  readonly #inbox: RegionInput[] = [];
  #busy = false;
  state: RegionState;

  constructor(
    place: { readonly name: string; readonly region: RegionId },
    options: RegionCoreOptions,
    rules: { readonly machine: RegionRules; readonly stream: StreamRules },
    out: (effect: Carried) => void,
  ) {
    this.name = place.name;
    this.region = place.region;
    this.machine = new MemoryRegion(rules.machine);
    this.#core = createRegionCore(options, rules.stream);
    this.state = this.#core.initial;
    this.#out = out;
  }

  /** The process starts again: what is applied is there, what the core had in mind is gone. */
  restart(): void {
    this.state = this.#core.initial;
    this.#inbox.length = 0;
    this.#see();
  }

  apply(entries: readonly Entry[]): readonly ApplyResult[] {
    const results = this.machine.apply(entries);
    this.#see();
    return results;
  }

  #see(): void {
    const { meta, floor } = this.machine.region as Region;
    const { have, known, lost } = meta;
    this.input({ kind: "applied", view: { have, known, lost, floor } });
  }

  input(input: RegionInput): void {
    this.#inbox.push(input);
    if (this.#busy) return;
    this.#busy = true;
    for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) {
      const { state, effects } = this.#core.step(this.state, next);
      this.#core.assertInvariants(state);
      this.state = state;
      for (const effect of effects) this.#carryOut(effect);
    }
    this.#busy = false;
  }

  #carryOut(effect: RegionEffect): void {
    if (effect.kind === "note") {
      this.notes.set(effect.event, (this.notes.get(effect.event) ?? 0) + 1);
    } else if (effect.kind === "load") this.#load(effect);
    else this.#out(effect);
  }

  #load({
    region,
    ticket,
    origin,
    after,
    countMax,
  }: RegionEffect & { readonly kind: "load" }): void {
    try {
      const texts = this.machine.changesOf(origin, after, countMax);
      const run = { origin, firstSeq: after + 1, texts };
      this.#inbox.push({ kind: "loaded", region, ticket, run });
    } catch (error) {
      if (!(error instanceof ReplicationError)) throw error;
      this.#inbox.push({ kind: "not_kept", region, ticket });
    }
  }
}
