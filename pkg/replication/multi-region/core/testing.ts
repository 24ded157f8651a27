import { parseRegionId, type RegionId } from "../../../base/index.js";
import type { RegionEffect, RegionInput } from "./effects.js";
import type { ChangesMessage, ChangesRun, Vector } from "./messages.js";
import type { RegionCoreOptions } from "./options.js";
import type { RegionState, RegionView } from "./state.js";
import { createRegionCore } from "./step.js";

export const [EU, US, AP] = ["eu", "us", "ap"].map((name) => parseRegionId(name) as RegionId) as [
  RegionId,
  RegionId,
  RegionId,
];

export const OPTIONS: RegionCoreOptions = {
  self: EU,
  batchTicks: 2,
  batchChanges: 3,
  messageChangesMax: 4,
  messageCharsMax: 1_000,
  windowMax: 2,
  proposalsMax: 2,
  backoffTicks: 2,
  backoffTicksMax: 8,
  relayTicks: 5,
  tellTicks: 3,
  waitsMax: 2,
  keptChangesMax: 0,
};

export const vector = (values: Readonly<Record<string, number>>): Vector =>
  new Map(Object.entries(values) as [RegionId, number][]);

export function runOf(origin: RegionId, firstSeq: number, lastSeq: number): ChangesRun {
  const texts = Array.from(
    { length: lastSeq - firstSeq + 1 },
    (_, at) => `${origin}${firstSeq + at}`,
  );
  return { origin, firstSeq, texts };
}

/** A core with what it asked for, step by step. */
export class Driven {
  readonly #core;
  state: RegionState;
  effects: readonly RegionEffect[] = [];
  #view: RegionView;

  constructor(options: Partial<RegionCoreOptions> = {}, others: readonly RegionId[] = [US]) {
    this.#core = createRegionCore({ ...OPTIONS, ...options });
    this.state = this.#core.initial;
    const known = new Map(others.map((other) => [other, vector({})]));
    this.#view = { have: vector({}), floor: vector({}), known, lost: new Set() };
    this.see({});
  }

  /** A leader whose other region has said that it contains `have`. */
  static streaming(
    have: Readonly<Record<string, number>> = {},
    options: Partial<RegionCoreOptions> = {},
    others?: readonly RegionId[],
  ): Driven {
    const driven = new Driven(options, others);
    driven.see({ have: vector(have) });
    driven.lead();
    driven.taken(have);
    return driven;
  }

  input(input: RegionInput): readonly RegionEffect[] {
    const { state, effects } = this.#core.step(this.state, input);
    this.#core.assertInvariants(state);
    this.state = state;
    this.effects = effects;
    return effects;
  }

  see(change: Partial<RegionView>): readonly RegionEffect[] {
    this.#view = { ...this.#view, ...change };
    return this.input({ kind: "applied", view: this.#view });
  }

  lead(leading = true): readonly RegionEffect[] {
    return this.input({ kind: "role", leading, leader: leading ? "here" : "there" });
  }

  ticks(count: number): readonly RegionEffect[] {
    const all: RegionEffect[] = [];
    for (let tick = 0; tick < count; tick += 1) all.push(...this.input({ kind: "tick" }));
    return all;
  }

  /** What was asked for last is there, up to the last change. */
  loaded(region: RegionId = US): readonly RegionEffect[] {
    const load = this.effects.find((effect) => effect.kind === "load");
    if (load?.kind !== "load") throw new Error("nothing was asked for");
    const have = this.#view.have.get(load.origin) ?? 0;
    const last = Math.min(have, load.after + load.countMax);
    const run = runOf(load.origin, load.after + 1, last);
    return this.input({ kind: "loaded", region, ticket: load.ticket, run });
  }

  /** The oldest message is taken. */
  taken(have: Readonly<Record<string, number>>, learned = true): readonly RegionEffect[] {
    return this.reply({ kind: "taken", have: vector(have), learned });
  }

  reply(answer: (RegionInput & { readonly kind: "reply" })["answer"], region = US) {
    const ticket = this.state.senders.get(region)?.inFlight[0]?.ticket ?? 0;
    return this.input({ kind: "reply", region, ticket, answer });
  }

  request(message: Partial<ChangesMessage>, call = 1): readonly RegionEffect[] {
    const whole = { from: US, contains: vector({}), runs: [], ...message };
    return this.input({ kind: "request", call, message: whole });
  }

  lag(region: RegionId = US) {
    return this.#core.lag(this.state).get(region);
  }
}

export function sent(effects: readonly RegionEffect[]): readonly ChangesMessage[] {
  return effects.flatMap((effect) => (effect.kind === "send" ? [effect.message] : []));
}

export function kinds(effects: readonly RegionEffect[]): readonly string[] {
  return effects.map((effect) => (effect.kind === "note" ? effect.event : effect.kind));
}
