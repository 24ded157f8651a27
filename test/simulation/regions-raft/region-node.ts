import type { RegionId, RequestId } from "../../../pkg/base/index.js";
import { ReplicationError } from "../../../pkg/replication/errors.js";
import {
  type ChangesAnswer,
  createRegionCore,
  type Proposed,
  type RegionCore,
  type RegionEffect,
  type RegionInput,
  type RegionState,
} from "../../../pkg/replication/multi-region/core/index.js";
import { toProposed } from "../../../pkg/replication/multi-region/to-proposed.js";
import { encodeOperations, type Operation } from "../../../pkg/storage/index.js";
import type { Conflict } from "../../../pkg/storage/regions/conflict.js";
import { encodeRegionOperation } from "../../../pkg/storage/regions/region-commands.js";
import type { Region } from "../../../pkg/storage/regions/region-record.js";
import type { VersionVector } from "../../../pkg/storage/regions/version-vector.js";
import type { SimNode } from "../raft-core/sim-node.js";
import type { MemoryRegion } from "../regions/memory-region.js";
import type { SimRules } from "./binding.js";
import type { RegionCluster } from "./region-cluster.js";

type Of<Kind extends RegionEffect["kind"]> = Extract<RegionEffect, { readonly kind: Kind }>;

const SETTLE_TICKS = 10;

/** One process of a region: its state machine, and the region's core as the mode runs it. */
export class RegionNode {
  machine: MemoryRegion;
  state: RegionState;
  /** To which node of each other region it sends. */
  readonly targets = new Map<RegionId, number>();
  readonly #core: RegionCore;
  readonly #inbox: RegionInput[] = [];
  readonly #calls = new Map<number, (answer: ChangesAnswer) => void>();
  readonly #waits = new Map<RequestId, (reached: boolean) => void>();
  #busy = false;
  #asking = false;
  #seenAt = -1;
  /** Applied when raft made it leader; null: it does not lead. */
  #leadsFrom: number | null = null;
  #leader: string | null = null;
  /** What was contained after the last command of another region, by this leader's own count. */
  #remembered: VersionVector = new Map();
  #settleAt = 0;
  #last = 0;

  constructor(
    readonly node: SimNode,
    readonly cluster: RegionCluster,
    readonly rules: SimRules,
    machine: MemoryRegion,
  ) {
    this.machine = machine;
    this.#core = createRegionCore({ ...cluster.link.swarm.core, self: cluster.id }, rules.stream);
    this.state = this.#core.initial;
  }

  get region(): Region | undefined {
    return this.machine.region;
  }

  conflicts(): readonly Conflict[] {
    return this.region === undefined ? [] : this.machine.conflicts();
  }

  /** The process starts: what is applied is there, what the core had in mind is gone. */
  boot(machine: MemoryRegion): void {
    this.machine = machine;
    this.state = this.#core.initial;
    this.#inbox.length = 0;
    this.#calls.clear();
    this.#waits.clear();
    this.#asking = false;
    this.#seenAt = -1;
    this.#leadsFrom = null;
    this.#leader = null;
    this.look();
  }

  tick(): void {
    this.input({ kind: "tick" });
    this.#settleAt -= 1;
    const isFounder = this.#leadsFrom !== null && this.machine.applied > 0;
    if (!isFounder || this.region !== undefined || this.#settleAt > 0) return;
    this.#settleAt = SETTLE_TICKS;
    const { settings } = this.cluster;
    this.cluster.propose(this, encodeRegionOperation({ op: "settle", settings }), "", () => {});
  }

  /** Raft took a step. */
  watch(): void {
    const { node, rules } = this;
    const leads = node.state.role === "leader" && node.core.view(node.state).isLeader;
    const now = rules.binding.leads(leads, this.#leadsFrom !== null);
    if (now && this.#leadsFrom === null) {
      this.#leadsFrom = this.machine.applied;
      this.#remembered = new Map();
      this.#seenAt = -1;
      this.look();
    } else if (!now) this.#leadsFrom = null;
    const leader = node.state.leader;
    if (this.#leadsFrom !== null || (!this.state.leading && leader === this.#leader)) return;
    this.#leader = leader;
    this.input({ kind: "role", leading: false, leader });
  }

  /** Asks the state machine for its facts, once at a time; they come a little later. */
  look(): void {
    if (this.#asking || this.machine.applied === this.#seenAt) return;
    this.#asking = true;
    const at = this.machine.applied;
    const { region } = this;
    this.cluster.soon(this, () => {
      this.#asking = false;
      this.#seenAt = at;
      if (region !== undefined) {
        const { known, lost } = region.meta;
        const have = this.#contains(region);
        this.input({ kind: "applied", view: { have, known, lost, floor: region.floor } });
        const isUpToDate = this.#leadsFrom !== null && at >= this.#leadsFrom;
        if (isUpToDate && !this.state.leading) {
          this.#leader = this.node.id;
          this.input({ kind: "role", leading: true, leader: this.node.id });
        }
      }
      this.look();
    });
  }

  input(input: RegionInput): void {
    this.#inbox.push(input);
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) {
        const { state, effects } = this.#core.step(this.state, next);
        this.#core.assertInvariants(state);
        this.state = state;
        for (const effect of effects) this.#carryOut(effect);
      }
    } finally {
      this.#busy = false;
    }
  }

  /** Another region's message; `answer` is called once, or never. */
  request(
    message: Extract<RegionInput, { kind: "request" }>["message"],
    answer: (answer: ChangesAnswer) => void,
  ): void {
    this.#last += 1;
    this.#calls.set(this.#last, answer);
    this.input({ kind: "request", call: this.#last, message });
  }

  /** A write of a client is applied here: `done` says whether another region has it. */
  wait(done: (reached: boolean) => void): RequestId {
    this.#last += 1;
    const request = `wait-${this.#last}` as RequestId;
    this.#waits.set(request, done);
    const seq = this.region?.meta.have.get(this.cluster.id) ?? 0;
    this.input({ kind: "wait", request, seq });
    return request;
  }

  forsake(request: RequestId): void {
    this.#waits.delete(request);
    this.input({ kind: "forsake", request });
  }

  #carryOut(effect: RegionEffect): void {
    const { cluster } = this;
    switch (effect.kind) {
      case "load":
        cluster.soon(this, () => this.#load(effect));
        return;
      case "send":
        cluster.link.send(this, effect);
        return;
      case "retarget": {
        const before = this.targets.get(effect.region) ?? 0;
        const named = effect.leader === null ? before + 1 : Number(effect.leader.slice(1)) - 1;
        this.targets.set(effect.region, named);
        return;
      }
      case "propose":
        this.#propose(effect);
        return;
      case "answer": {
        const answer = this.#calls.get(effect.call);
        this.#calls.delete(effect.call);
        answer?.(effect.answer);
        return;
      }
      case "release": {
        const done = this.#waits.get(effect.request);
        this.#waits.delete(effect.request);
        done?.(this.rules.binding.isReached(effect.reached));
        return;
      }
      default:
        cluster.link.count(effect.event);
    }
  }

  #contains({ meta: { have } }: Region): VersionVector {
    if (this.rules.binding.contains === "state") return have;
    const own = have.get(this.cluster.id) ?? 0;
    return new Map([...this.#remembered, [this.cluster.id, own]]);
  }

  #echo(): Operation {
    return { op: "patch_node", id: "counter", properties: { echo: this.machine.applied } };
  }

  #load({ region, ticket, origin, after, countMax }: Of<"load">): void {
    try {
      const texts = this.machine.changesOf(origin, after, countMax);
      this.input({ kind: "loaded", region, ticket, run: { origin, firstSeq: after + 1, texts } });
    } catch (error) {
      if (!(error instanceof ReplicationError)) throw error;
      this.input({ kind: "not_kept", region, ticket });
    }
  }

  #propose({ ticket, operation }: Of<"propose">): void {
    const { binding } = this.rules;
    this.cluster.link.count("proposed");
    const report = (outcome: Proposed) => this.input({ kind: "proposed", ticket, outcome });
    if (binding.reports === "proposed" && operation.op === "receive") {
      const have = new Map(this.region?.meta.have);
      have.set(operation.from, operation.upTo);
      report({ ok: true, have, stopped: null, clockAheadMs: 0 });
    }
    this.cluster.propose(this, encodeRegionOperation(operation), "", (result) => {
      const outcome = toProposed(result ?? { ok: false });
      if (binding.reports === "applied") report(outcome);
      if (outcome.ok) this.#remembered = outcome.have;
      if (binding.echoes && operation.op === "receive" && operation.texts.length > 0) {
        this.cluster.propose(this, encodeOperations([this.#echo()]), "", () => {});
      }
    });
  }
}
