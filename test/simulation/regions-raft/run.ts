import { parseRegionId, type RegionId } from "../../../pkg/base/index.js";
import { canonicalText } from "../../../pkg/storage/canonical.js";
import { type SeededRandom, seededRandom } from "../../support/index.js";
import { Violation } from "../raft-core/checker.js";
import { TICK } from "../raft-core/sim-node.js";
import { World } from "../raft-core/world.js";
import { Timeline } from "../support/timeline.js";
import { SIM_RULES, type SimRules } from "./binding.js";
import { Clients, COUNTER } from "./clients.js";
import { findProblems } from "./judge.js";
import { RegionCluster } from "./region-cluster.js";
import { RegionLink } from "./region-link.js";
import { type RegionSwarm, raftSwarmOf, swarmOf, TROUBLES, type Trouble } from "./swarm.js";

export interface Report {
  readonly seed: number;
  readonly trace: number;
  readonly writes: number;
  readonly acknowledged: number;
  readonly counts: ReadonlyMap<string, number>;
}

const NAMES = ["eu", "us", "ap"];
const HOUR_MS = 3_600_000;
const SETTLE_MS = 60_000;
const QUIET_MS = 6_000;

/** First safe, then live and the same everywhere: faults for a while, then none until all is well. */
export function runSeed(seed: number, rules: SimRules = SIM_RULES): Report {
  const run = new Run(swarmOf(seed), rules);
  run.chaos();
  run.calm();
  run.judge();
  return run.report();
}

/** A broken promise of the raft below, of a core, or of all regions together. */
export function violationOf(error: unknown): Error | undefined {
  return World.isViolation(error) ? error : undefined;
}

class Run {
  readonly #time = new Timeline();
  readonly #random: SeededRandom;
  readonly #link: RegionLink;
  readonly #clusters: readonly RegionCluster[];
  readonly #clients: Clients;
  readonly #weights: readonly Trouble[];
  #isCalm = false;

  constructor(
    private readonly swarm: RegionSwarm,
    rules: SimRules,
  ) {
    this.#random = seededRandom(`run-${swarm.seed}`);
    this.#link = new RegionLink(swarm, this.#random.fork("link"), this.#time, rules.binding);
    const ids = NAMES.slice(0, swarm.regions).map((name) => parseRegionId(name) as RegionId);
    this.#clusters = ids.map((self, at) => {
      const others = ids.filter((other) => other !== self).sort();
      const settings = { self, others, strategy: swarm.strategy, driftMsMax: 10_000 };
      const shared = { time: this.#time, link: this.#link };
      return new RegionCluster(settings, raftSwarmOf(swarm, at), rules, shared);
    });
    this.#link.clusters.push(...this.#clusters);
    const random = this.#random.fork("clients");
    this.#clients = new Clients(swarm, this.#link, random, rules.binding);
    this.#weights = TROUBLES.flatMap((one) => new Array<Trouble>(swarm.troubles[one]).fill(one));
  }

  get #left(): readonly RegionCluster[] {
    return this.#clusters.filter(({ isGone }) => !isGone);
  }

  chaos(): void {
    const { clientGapMsMax, spanMs, troubleGapMsMax, linkGapMsMax } = this.swarm;
    const [first] = this.#clusters;
    if (first !== undefined) this.#clients.found(first);
    for (const cluster of this.#clusters) {
      this.#every(20, clientGapMsMax, () => this.#clients.act(cluster));
      this.#every(troubleGapMsMax / 10, troubleGapMsMax, () => this.#trouble(cluster));
    }
    this.#every(linkGapMsMax / 10, linkGapMsMax, () => this.#cutRegions());
    if (this.swarm.fate !== "lives") {
      this.#time.after(this.#random.between(spanMs / 4, spanMs), () => this.#doom());
    }
    this.#until(spanMs);
  }

  #every(least: number, most: number, act: () => void): void {
    this.#time.after(this.#random.between(Math.round(least), most), () => {
      if (this.#isCalm) return;
      act();
      this.#every(least, most, act);
    });
  }

  #until(ms: number): void {
    const end = this.#time.now + ms;
    while (this.#time.now < end) this.#time.turn();
  }

  /** For seconds or minutes, one way or both. */
  #cutRegions(): void {
    const random = this.#random;
    const [from, to] = [random.pick(this.#clusters), random.pick(this.#clusters)];
    const until = this.#time.now + random.pick([1_000, 5_000, 30_000, 120_000]);
    this.#link.cuts.set(`${from.id}>${to.id}`, until);
    if (random.chance(2, 3)) this.#link.cuts.set(`${to.id}>${from.id}`, until);
    this.#link.count("cut");
  }

  #trouble(cluster: RegionCluster): void {
    if (this.#weights.length === 0 || cluster.isGone) return;
    const random = this.#random;
    const { world } = cluster;
    const { node } = random.chance(1, 2)
      ? (cluster.leader() ?? random.pick(cluster.nodes))
      : random.pick(cluster.nodes);
    const trouble = random.pick(this.#weights);
    this.#link.count(trouble);
    const end = world.now + random.between(100, 4_000);
    if (trouble === "crash") world.crash(node);
    else if (trouble === "restart") for (const one of cluster.nodes) world.boot(one.node);
    else if (trouble === "cut") this.#isolate(cluster);
    else if (trouble === "heal") world.cuts.clear();
    else if (trouble === "pause") node.pausedUntil = end;
    else if (trouble === "slow_disk") node.slowUntil = end;
    else if (trouble === "compact") world.compact(node);
    else if (trouble === "clock") cluster.skewMs.set(node.id, this.#skewMs());
    else if (trouble === "transfer") this.#transfer(cluster);
    else {
      for (const one of cluster.nodes) {
        one.node.appliedDurable = random.between(one.node.appliedDurable, one.node.applied);
      }
    }
  }

  #skewMs(): number {
    return this.#random.pick([0, 0, 0, 700, -4_000, HOUR_MS, -HOUR_MS]);
  }

  #isolate({ world, leader: _, nodes }: RegionCluster): void {
    const random = this.#random;
    const one = random.pick(nodes).node.id;
    const shape = random.below(3);
    for (const other of world.ids) {
      if (other === one) continue;
      if (shape !== 1) world.cuts.add(`${one}>${other}`);
      if (shape !== 2) world.cuts.add(`${other}>${one}`);
    }
  }

  #transfer(cluster: RegionCluster): void {
    const leader = cluster.leader();
    if (leader === undefined) return;
    cluster.handOver(leader);
  }

  /** The last region is out of reach of the others, for good or until they have given it up. */
  #doom(): void {
    const doomed = this.#clusters.at(-1) as RegionCluster;
    const others = this.#clusters.filter((other) => other !== doomed);
    this.#link.count(this.swarm.fate);
    if (this.swarm.fate === "lost") {
      doomed.isGone = true;
      for (const { node } of doomed.nodes) doomed.world.crash(node);
    }
    for (const other of others) {
      for (const [from, to] of [
        [doomed.id, other.id],
        [other.id, doomed.id],
      ] as const) {
        this.#link.cuts.set(
          `${from}>${to}`,
          this.#time.now + this.#random.below(this.swarm.spanMs),
        );
      }
      this.#time.after(this.#random.below(10_000), () => {
        this.#clients.order(other, { op: "give_up", region: doomed.id }, () => {});
      });
    }
  }

  /** What was given up comes back if it lacks nothing that is not kept; otherwise it is lost. */
  #readmit(): void {
    const doomed = this.#clusters.at(-1) as RegionCluster;
    const others = this.#left.filter((other) => other !== doomed);
    const operation = { op: "readmit", region: doomed.id, contains: doomed.have } as const;
    let open = others.length;
    let isRefused = false;
    for (const other of others) {
      this.#clients.order(other, operation, (value) => {
        this.#link.count(value === null ? "not readmitted" : "readmitted");
        open -= 1;
        isRefused ||= value === null;
        // Not before all have answered: a readmission that is applied after it would undo it.
        if (open > 0 || !isRefused) return;
        doomed.isGone = true;
        for (const { node } of doomed.nodes) doomed.world.crash(node);
        for (const one of this.#left) {
          this.#clients.order(one, { op: "give_up", region: doomed.id }, () => {});
        }
      });
    }
  }

  calm(): void {
    this.#isCalm = true;
    this.#link.calm = true;
    for (const cluster of this.#left) {
      const { world, nodes } = cluster;
      world.calm = true;
      world.calmSince = world.now;
      world.cuts.clear();
      cluster.skewMs.clear();
      for (const { node } of nodes) {
        node.pausedUntil = Math.min(node.pausedUntil, world.now);
        node.slowUntil = 0;
        world.boot(node);
      }
    }
    // What clients and operators asked for before may still be under way.
    this.#until(20_000);
    if (this.swarm.fate === "given_up") {
      this.#readmit();
      this.#until(20_000);
    }
    this.#untilSettled();
    for (const cluster of this.#left) this.#clients.forget(cluster);
    this.#until(QUIET_MS);
    const before = this.#link.traffic;
    this.#until(QUIET_MS);
    if (this.#link.traffic !== before) throw new Violation("it is never quiet between regions");
    this.#untilSettled();
  }

  #untilSettled(): void {
    const end = this.#time.now + SETTLE_MS;
    while (!this.#isSettled()) {
      this.#until(TICK);
      if (this.#time.now > end) throw new Violation(`not settled: ${this.#positions()}`);
    }
  }

  /** Everybody has everything, everybody knows that, and nothing is kept any more. */
  #isSettled(): boolean {
    const left = this.#left;
    const known = (id: RegionId) => Math.max(...left.map(({ have }) => have.get(id) ?? 0));
    return left.every(
      (cluster) =>
        cluster.isEven() &&
        this.#clusters.every(({ id, told, isGone }) => {
          const last = isGone ? known(id) : told.length;
          const region = cluster.nodes[0]?.region;
          const isThere = (cluster.have.get(id) ?? 0) === last;
          return isThere && (region?.floor.get(id) ?? 0) === last;
        }),
    );
  }

  #positions(): string {
    return this.#left
      .map((cluster) => {
        const region = cluster.nodes[0]?.region;
        const vectors = [cluster.have, region?.floor ?? []].map((it) => JSON.stringify([...it]));
        return `${cluster.id} told ${cluster.told.length}, has ${vectors.join(", dropped ")}, ${
          cluster.isEven() ? "even" : "uneven"
        }`;
      })
      .join("; ");
  }

  judge(): void {
    const left = this.#left;
    for (const [region, seq] of this.#clients.reached) {
      const there = Math.min(...left.map(({ have }) => have.get(region) ?? 0));
      if (there < seq) {
        throw new Violation(`change ${seq} of ${region} was acknowledged as being elsewhere`);
      }
    }
    this.#judgeCounter();
    const found = findProblems(this.swarm, this.#clusters);
    if (found.length > 0) throw new Violation(found.join("\n"));
  }

  /** Every increment counts once; of those that nobody answered for, some. */
  #judgeCounter(): void {
    const hits = this.#left[0]?.nodes[0]?.machine.image(`n:${COUNTER}`)?.properties.hits ?? 0;
    const { acknowledged, asked } = this.#clients.counted;
    const isWhole = this.#left.length === this.#clusters.length;
    const isEnough = !isWhole || Number(hits) >= acknowledged;
    if (typeof hits === "number" && hits <= asked && isEnough) return;
    throw new Violation(
      `the counter is ${canonicalText(hits)}, of ${asked} asked and ${acknowledged} acknowledged`,
    );
  }

  report(): Report {
    const { writes, acknowledged } = this.#clients;
    const trace = this.#clusters.reduce((sum, { world }) => (sum * 31 + world.trace) | 0, 0);
    return { seed: this.swarm.seed, trace, writes, acknowledged, counts: this.#link.counts };
  }
}
