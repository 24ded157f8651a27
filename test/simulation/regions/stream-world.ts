import { parseRegionId, type RegionId, type RequestId } from "../../../pkg/base/index.js";
import {
  type ChangesAnswer,
  type ChangesMessage,
  type Proposed,
  STREAM_RULES,
  type StreamRules,
} from "../../../pkg/replication/multi-region/core/index.js";
import {
  readAnswerFrame,
  readChangesFrame,
  toAnswerFrame,
  toChangesFrame,
} from "../../../pkg/replication/multi-region/wire/index.js";
import type { ApplyResult } from "../../../pkg/replication/ports/index.js";
import { encodeOperations } from "../../../pkg/storage/index.js";
import { closedName } from "../../../pkg/storage/regions/closed-conflicts.js";
import { encodeRegionOperation } from "../../../pkg/storage/regions/region-commands.js";
import { REGION_RULES, type RegionRules } from "../../../pkg/storage/regions/rules.js";
import { type SeededRandom, seededRandom } from "../../support/index.js";
import { pureOutcome, type RegionOutcome } from "./pure-outcome.js";
import { randomOperations } from "./random-operations.js";
import { Cluster, type Pending } from "./stream-cluster.js";
import { type Carried, StreamNode } from "./stream-node.js";

export interface StreamOptions {
  readonly seed: string;
  readonly regions: number;
  readonly strategy: "last_write_wins" | "first_write_wins" | "manual";
  readonly machine?: Partial<RegionRules> | undefined;
  readonly stream?: Partial<StreamRules> | undefined;
}

const NAMES = ["eu", "us", "ap"];
const START_MS = 1_700_000_000_000;
const CHAOS_TICKS = 260;
const SETTLE_TICKS = 3_000;
const QUIET_TICKS = 60;
const OPTIONS = {
  batchTicks: 1,
  batchChanges: 3,
  messageChangesMax: 6,
  messageCharsMax: 100_000,
  windowMax: 3,
  proposalsMax: 2,
  backoffTicks: 2,
  backoffTicksMax: 16,
  relayTicks: 12,
  tellTicks: 4,
  waitsMax: 10,
  keptChangesMax: 0,
};

/** Regions that stream to each other over bad links, while their leaders change. */
export class StreamWorld {
  readonly #options: StreamOptions;
  readonly #random: SeededRandom;
  readonly clusters: readonly Cluster[];
  readonly #due: { readonly at: number; readonly run: () => void }[] = [];
  readonly #cuts = new Map<string, number>();
  readonly #waits = new Map<RequestId, { readonly cluster: Cluster; readonly seq: number }>();
  readonly found: string[] = [];
  readonly counts = new Map<string, number>();
  #now = 0;
  #calm = false;
  #calls = 0;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    const ids = NAMES.slice(0, options.regions).map((name) => parseRegionId(name) as RegionId);
    this.clusters = ids.map((id) => new Cluster(id));
    const rules = {
      machine: { ...REGION_RULES, ...options.machine },
      stream: { ...STREAM_RULES, ...options.stream },
    };
    for (const cluster of this.clusters) {
      for (const at of [0, 1]) {
        const place = { name: `${cluster.id}-${at}`, region: cluster.id };
        const node: StreamNode = new StreamNode(
          place,
          { self: cluster.id, ...OPTIONS },
          rules,
          (effect) => this.#carryOut(cluster, node, effect),
        );
        cluster.nodes.push(node);
      }
      const others = ids.filter((other) => other !== cluster.id).sort();
      const settings = { self: cluster.id, others, strategy: options.strategy, driftMsMax: 10_000 };
      this.#commit(cluster, encodeRegionOperation({ op: "settle", settings }));
      for (const node of cluster.nodes) this.#catchUp(cluster, node);
    }
    for (const { first } of this.clusters) {
      first.input({ kind: "role", leading: true, leader: first.name });
    }
  }

  /** @returns what is wrong; empty: nothing */
  run(): readonly string[] {
    for (let tick = 0; tick < CHAOS_TICKS && this.found.length === 0; tick += 1) {
      this.#disturb();
      this.#tick();
    }
    this.#calm = true;
    this.#cuts.clear();
    let tick = 0;
    while (tick < SETTLE_TICKS && !this.#isSettled() && this.found.length === 0) {
      this.#tick();
      tick += 1;
    }
    if (this.found.length > 0) return this.found;
    if (!this.#isSettled()) return [`not settled: ${this.#positions()}`];
    for (let last = 0; last < QUIET_TICKS; last += 1) this.#tick();
    const before = this.#traffic();
    for (let quiet = 0; quiet < QUIET_TICKS; quiet += 1) this.#tick();
    if (this.#traffic() !== before) this.found.push("it is never quiet");
    return [...this.found, ...this.#differences()];
  }

  #tick(): void {
    this.#now += 1;
    for (const cluster of this.clusters) {
      for (const node of cluster.nodes) node.input({ kind: "tick" });
      this.#advance(cluster);
    }
    for (let at = this.#due.findIndex((due) => due.at <= this.#now); at >= 0; ) {
      this.#due.splice(at, 1)[0]?.run();
      at = this.#due.findIndex((due) => due.at <= this.#now);
    }
  }

  #disturb(): void {
    const random = this.#random;
    const cluster = random.pick(this.clusters);
    const kind = random.below(24);
    if (kind < 10) this.#write(cluster);
    else if (kind < 11) this.#changeLeader(cluster);
    else if (kind < 12) this.#cut();
    else if (kind < 13) cluster.skewMs = random.pick([0, 700, -3_600_000, 3_600_000]);
    else if (kind < 14) this.#forget(cluster);
    else if (kind < 15) {
      cluster.nodes[1 - cluster.leader]?.restart();
    }
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  #write(cluster: Cluster): void {
    const command = encodeOperations(randomOperations(this.#random));
    const request = `${cluster.id}-${this.#now}` as RequestId;
    const node = cluster.first;
    const isWaiting = this.#random.chance(1, 3);
    this.#propose(cluster, node, command, (result) => {
      if (result?.ok !== true || !isWaiting) return;
      const seq = cluster.told.length;
      if (seq === 0) return;
      this.#waits.set(request, { cluster, seq });
      node.input({ kind: "wait", request, seq });
    });
  }

  #forget(cluster: Cluster): void {
    const beforeMs = START_MS + this.#now * 100 + 1e9;
    const command = encodeRegionOperation({ op: "forget", beforeMs, after: "" });
    this.#propose(cluster, cluster.first, command, (result) => {
      if (result?.ok !== true) return;
      const { forgotten } = result.value as { readonly forgotten: number };
      if (forgotten > 0) this.#count("forgotten");
    });
  }

  #cut(): void {
    const [from, to] = [this.#random.pick(this.clusters), this.#random.pick(this.clusters)];
    this.#cuts.set(`${from.id}>${to.id}`, this.#now + this.#random.pick([5, 30, 120]));
  }

  /** What was under way commits or does not; the old leader hears of neither, and of its fall late. */
  #changeLeader(cluster: Cluster): void {
    const old = cluster.first;
    const keep = this.#random.below(cluster.pending.length + 1);
    for (const { command } of cluster.pending.slice(0, keep)) this.#commit(cluster, command);
    for (const { done } of cluster.pending.splice(0)) this.#later(6, () => done(undefined));
    cluster.leader = 1 - cluster.leader;
    const next = cluster.first;
    this.#catchUp(cluster, next);
    next.input({ kind: "role", leading: true, leader: next.name });
    const isOver = () => cluster.first === next;
    this.#later(8, () => {
      if (isOver()) old.input({ kind: "role", leading: false, leader: next.name });
    });
    this.#count("leader");
  }

  #propose(
    cluster: Cluster,
    node: StreamNode,
    command: Pending["command"],
    done: Pending["done"],
  ): void {
    if (node !== cluster.first) {
      this.#later(3, () => done(undefined));
      return;
    }
    cluster.pending.push({ command, node, done, at: this.#now + this.#random.below(3) });
  }

  #advance(cluster: Cluster): void {
    while (cluster.pending.length > 0 && (cluster.pending[0] as Pending).at <= this.#now) {
      const { command, node, done } = cluster.pending.shift() as Pending;
      const results = this.#commit(cluster, command);
      if (node === cluster.first) done(results.at(-1));
    }
    const other = cluster.nodes[1 - cluster.leader] as StreamNode;
    if (this.#calm || this.#random.chance(1, 4)) this.#catchUp(cluster, other);
  }

  #commit(cluster: Cluster, command: Pending["command"]): readonly ApplyResult[] {
    const wallMs = Math.max(0, START_MS + this.#now * 100 + cluster.skewMs);
    const Timestamp = new Date(wallMs).toISOString();
    cluster.log.push(cluster.entries.plain(command, { Timestamp }));
    const results = this.#catchUp(cluster, cluster.first);
    const { machine } = cluster.first;
    if (machine.region !== undefined) {
      cluster.told.push(...machine.changesOf(cluster.id, cluster.told.length, 10));
    }
    return results;
  }

  #catchUp(cluster: Cluster, node: StreamNode): readonly ApplyResult[] {
    const missing = cluster.log.slice(node.machine.applied);
    return missing.length === 0 ? [] : node.apply(missing);
  }

  #later(ticksMax: number, run: () => void): void {
    this.#due.push({ at: this.#now + 1 + this.#random.below(ticksMax), run });
  }

  #carryOut(cluster: Cluster, node: StreamNode, effect: Carried): void {
    switch (effect.kind) {
      case "send":
        this.#send(node, effect.region, effect.ticket, effect.message);
        return;
      case "retarget": {
        const before = node.targets.get(effect.region) ?? 0;
        const named = effect.leader === null ? 1 - before : Number(effect.leader.slice(-1));
        node.targets.set(effect.region, named);
        return;
      }
      case "propose":
        this.#count("proposed");
        this.#propose(cluster, node, encodeRegionOperation(effect.operation), (result) =>
          node.input({ kind: "proposed", ticket: effect.ticket, outcome: outcomeOf(result) }),
        );
        return;
      case "answer":
        this.#answers.get(effect.call)?.(effect.answer);
        this.#answers.delete(effect.call);
        return;
      case "release":
        this.#checkRelease(effect.request, effect.reached);
        return;
    }
  }

  readonly #answers = new Map<number, (body: ChangesAnswer) => void>();

  #send(node: StreamNode, region: RegionId, ticket: number, message: ChangesMessage): void {
    this.#count("sent");
    const to = this.clusters.find(({ id }) => id === region) as Cluster;
    const target = to.nodes[node.targets.get(region) ?? 0] as StreamNode;
    let isOver = false;
    const lose = () => {
      if (!isOver) node.input({ kind: "unreachable", region, ticket });
      isOver = true;
    };
    this.#due.push({ at: this.#now + 25, run: lose });
    if (this.#isLost(node.region, region)) return;
    const copies = !this.#calm && this.#random.chance(1, 10) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      this.#later(8, () => {
        this.#calls += 1;
        this.#answers.set(this.#calls, (body) => {
          const payload = JSON.stringify(toAnswerFrame(body).payload);
          const answer = readAnswerFrame(JSON.parse(payload));
          if (this.#isLost(region, node.region)) return;
          this.#later(8, () => {
            if (!isOver) node.input({ kind: "reply", region, ticket, answer });
            isOver = true;
          });
        });
        const frame = JSON.stringify(toChangesFrame(message).payload);
        const call = this.#calls;
        target.input({ kind: "request", call, message: readChangesFrame(JSON.parse(frame)) });
      });
    }
  }

  #isLost(from: RegionId, to: RegionId): boolean {
    if (this.#calm) return false;
    return (this.#cuts.get(`${from}>${to}`) ?? 0) > this.#now || this.#random.chance(1, 20);
  }

  #checkRelease(request: RequestId, reached: boolean): void {
    const wait = this.#waits.get(request);
    if (wait === undefined) return;
    this.#count(reached ? "reached" : "not reached");
    const others = this.clusters.filter((cluster) => cluster !== wait.cluster);
    const isThere = others.some(
      ({ region }) => (region.meta.have.get(wait.cluster.id) ?? 0) >= wait.seq,
    );
    if (reached && !isThere) this.found.push(`${request} was said to be in another region`);
  }

  #traffic(): number {
    return (this.counts.get("sent") ?? 0) + (this.counts.get("proposed") ?? 0);
  }

  /** Everybody has everything, and everybody knows that; nothing is kept any more. */
  #isSettled(): boolean {
    return this.clusters.every(({ region, nodes, pending, log }) => {
      const isEven = nodes.every(({ machine }) => machine.applied === log.length);
      return (
        isEven &&
        pending.length === 0 &&
        this.clusters.every(
          ({ id, told }) =>
            (region.meta.have.get(id) ?? 0) === told.length &&
            (region.floor.get(id) ?? 0) === told.length,
        )
      );
    });
  }

  #positions(): string {
    return this.clusters
      .map(({ id, region, told }) => {
        const vectors = [region.meta.have, region.floor].map((vector) =>
          JSON.stringify([...vector]),
        );
        return `${id} told ${told.length}, has ${vectors.join(", dropped ")}`;
      })
      .join("; ");
  }

  #differences(): readonly string[] {
    const found: string[] = [];
    const told = new Map(this.clusters.map((cluster) => [cluster.id, cluster.told] as const));
    for (const { id, region, nodes, first } of this.clusters) {
      const digests = nodes.map(({ machine }) => JSON.stringify(machine.digest()));
      if (new Set(digests).size > 1) found.push(`nodes of ${id} differ`);
      const expected = JSON.stringify(pureOutcome(told, region.meta.have, this.#options.strategy));
      const outcome: RegionOutcome = {
        graph: first.machine.graph(),
        conflicts: first.machine
          .conflicts()
          .map((conflict) => JSON.stringify(conflict))
          .sort(),
        closed: region.meta.closed.map(closedName),
      };
      const is = JSON.stringify(outcome);
      if (is !== expected) found.push(`${id} is\n${is}\nand should be\n${expected}`);
    }
    return found;
  }
}

function outcomeOf(result: ApplyResult | undefined): Proposed {
  if (result?.ok !== true) return { ok: false };
  const value = result.value as unknown as {
    readonly have?: readonly (readonly [RegionId, number])[];
    readonly stopped?: {
      outcome: string;
      missing: readonly (readonly [RegionId, number])[];
    } | null;
    readonly clockAheadMs?: number;
  };
  const { stopped } = value;
  return {
    ok: true,
    have: new Map(value.have),
    stopped: stopped ? { outcome: stopped.outcome, missing: new Map(stopped.missing) } : null,
    clockAheadMs: value.clockAheadMs ?? 0,
  };
}
