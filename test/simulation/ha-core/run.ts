import type { NodeId } from "../../../pkg/base/index.js";
import { RULES, type Rules } from "../../../pkg/replication/ha-standby/core/index.js";
import { Violation } from "./checker.js";
import { type SimNode, TICK } from "./sim-node.js";
import { FAULTS, type Fault, type Swarm, swarmOf } from "./swarm.js";
import { FAILOVER_TICKS, World } from "./world.js";

export interface Report {
  readonly seed: number;
  readonly steps: number;
  readonly trace: number;
  readonly answers: number;
  readonly reads: number;
  readonly promotions: number;
  readonly lostByMode: number;
  readonly notes: ReadonlyMap<string, number>;
}

/** First safe, then live: faults for `steps` steps of the core, then none until all is well. */
export function runSeed(seed: number, steps: number, rules: Rules = RULES): Report {
  const run = new Run(swarmOf(seed), rules);
  run.chaos(steps);
  run.calm();
  const { world } = run;
  const { answers, reads, promotions, lostByMode } = world.checker;
  const { trace, notes } = world;
  return { seed, steps: world.steps, trace, answers, reads, promotions, lostByMode, notes };
}

const FAILOVER = FAILOVER_TICKS * TICK;
const UNITS_PER_ENTRY = 60;

class Run {
  readonly world: World;
  #ticket = 0;
  #write = 0;
  readonly #weights: readonly Fault[];

  constructor(swarm: Swarm, rules: Rules) {
    this.world = new World(swarm, rules);
    this.#weights = FAULTS.flatMap((fault) => new Array<Fault>(swarm.faults[fault]).fill(fault));
  }

  chaos(steps: number): void {
    const { world } = this;
    let live = true;
    const client = () => {
      if (!live) return;
      this.#client();
      world.after(world.random.between(5, world.swarm.clientGapMax), client);
    };
    const trouble = () => {
      if (!live) return;
      if (this.#weights.length > 0) this.#trouble(world.random.pick(this.#weights));
      world.after(world.random.between(50, 800), trouble);
    };
    const watch = () => {
      if (live) world.after(300, watch);
      world.watch();
    };
    client();
    watch();
    world.after(3 * FAILOVER, trouble);
    while (world.steps < steps && world.turn()) {}
    live = false;
  }

  /** A node to talk to: mostly a primary, often another. */
  #someone(): SimNode | undefined {
    const { world } = this;
    const up = [...world.nodes.values()].filter((node) => node.up);
    const primaries = up.filter((node) => node.state.lead !== null);
    if (primaries.length > 0 && world.random.chance(3, 4)) return world.random.pick(primaries);
    return up.length === 0 ? undefined : world.random.pick(up);
  }

  #client(): void {
    const { world } = this;
    const node = this.#someone();
    if (node === undefined || node.state.phase === "starting") return;
    if (world.random.chance(3, 4)) this.#writeTo(node);
    else {
      const ticket = this.#ask(node, "read", null);
      world.external(node, { kind: "read", ticket });
    }
  }

  #ask(node: SimNode, kind: "write" | "read" | "order", payload: Uint8Array | null): number {
    this.#ticket += 1;
    this.world.checker.open(this.#ticket, { kind, node: node.id, payload });
    return this.#ticket;
  }

  #writeTo(node: SimNode): void {
    const { world } = this;
    const proposals = Array.from({ length: world.random.between(1, 3) }, () => {
      this.#write += 1;
      const payload = new Uint8Array(world.random.between(3, 12));
      new DataView(payload.buffer).setUint16(0, this.#write % 65_536);
      payload[2] = this.#write >>> 16;
      const wants = world.random.chance(...world.swarm.wants);
      return {
        ticket: this.#ask(node, "write", payload),
        payload,
        ...(wants ? { durability: world.random.pick(["received", "persisted"] as const) } : {}),
      };
    });
    world.external(node, { kind: "propose", proposals });
  }

  #trouble(fault: Fault): void {
    const { world } = this;
    const { random } = world;
    const nodes = [...world.nodes.values()];
    const node = random.pick(nodes);
    const end = world.now + random.between(100, 4 * FAILOVER);
    if (fault === "crash") world.crash(random.chance(1, 2) ? (this.#someone() ?? node) : node);
    else if (fault === "restart") for (const one of nodes) world.boot(one);
    else if (fault === "cut") this.#cut();
    else if (fault === "heal") this.#heal();
    else if (fault === "pause") (this.#someone() ?? node).pausedUntil = end;
    else if (fault === "slow_disk") node.slowUntil = end;
    else if (fault === "compact") world.compact(node);
    else if (fault === "flush")
      node.appliedDurable = random.between(node.appliedDurable, node.applied);
    else if (fault === "arbiter_cut") this.#cutArbiter();
    else if (fault === "arbiter_restart") world.arbiter.restart();
    else if (fault === "promote") this.#promote(node, random.chance(1, 4), false);
    else if (fault === "switchover") this.#switchover();
    else if (fault === "stopped_promote") this.#promoteLast();
    else if (fault === "wipe") this.#wipe(node);
    else if (fault === "log_full") this.#full(node, "logFull");
    else if (fault === "storage_full") this.#full(node, "storageFull");
    else if (fault === "stop") this.#stop(node);
    else this.#duel();
  }

  #heal(): void {
    this.world.cuts.clear();
    this.world.cutOff.clear();
  }

  #cutArbiter(): void {
    const { world } = this;
    const all = world.random.chance(1, 3);
    for (const id of world.ids) if (all || world.random.chance(1, 2)) world.cutOff.add(id);
  }

  #promote(node: SimNode, force: boolean, othersStopped: boolean): void {
    if (!node.up || node.state.phase !== "ready") return;
    const ticket = this.#ask(node, "order", null);
    this.world.external(node, { kind: "promote", ticket, force, othersStopped });
  }

  #switchover(): void {
    const { world } = this;
    const primary = this.#someone();
    if (primary === undefined || primary.state.phase !== "ready") return;
    const target = world.random.chance(1, 2) ? null : world.random.pick(world.ids);
    if (target === primary.id) return;
    const ticket = this.#ask(primary, "order", null);
    world.external(primary, { kind: "switchover", ticket, target });
  }

  /** An operator stops all others first, and starts none before the order is carried out. */
  #promoteLast(): void {
    const { world } = this;
    const node = world.random.pick([...world.nodes.values()]);
    if (!node.up || node.pausedUntil > world.now || node.state.phase !== "ready") return;
    for (const other of world.nodes.values()) if (other !== node) world.crash(other);
    world.noBootUntil = world.now + 40 * TICK;
    const { life } = node;
    this.#promote(node, true, true);
    world.after(40 * TICK - 1, () => {
      if (node.life === life && node.state.claim?.othersStopped === true) world.crash(node);
      if (world.calm) world.boot(node);
    });
  }

  #wipe(node: SimNode): void {
    const { world } = this;
    const whole = [...world.nodes.values()].every(
      (other) => other === node || (other.up && other.state.log.last > 0),
    );
    if (whole) world.wipe(node);
  }

  #stop(node: SimNode): void {
    const { world } = this;
    if (!node.up) return;
    const { life } = node;
    world.external(node, { kind: "stop" });
    world.after(world.random.between(100, 2500), () => {
      if (node.life === life) world.crash(node);
      if (world.calm) world.boot(node);
    });
  }

  #full(node: SimNode, which: "logFull" | "storageFull"): void {
    const { world } = this;
    node[which] = true;
    world.after(world.random.between(100, 2 * FAILOVER), () => this.#empty(node));
  }

  #empty(node: SimNode): void {
    node.logFull = false;
    node.storageFull = false;
    if (!node.up) return;
    this.world.external(node, { kind: "disk", low: false });
    this.world.external(node, { kind: "apply_retry" });
  }

  /** What makes a second primary likely while the first still thinks it is one. */
  #duel(): void {
    const { world } = this;
    const { random } = world;
    const primary = world.primary();
    if (primary === undefined) return;
    const shape = random.below(8);
    if (shape >= 5) primary.pausedUntil = world.now + random.between(FAILOVER / 2, 3 * FAILOVER);
    if (shape === 4 || shape === 6) world.cutOff.add(primary.id);
    if (shape === 7) for (const id of world.ids) if (random.chance(1, 2)) world.cutOff.add(id);
    const rival = random.pick(world.ids);
    for (const other of world.ids) {
      if (other === primary.id || shape === 5) continue;
      if (shape >= 3 && other !== rival) continue;
      if (shape !== 1) world.cuts.add(`${other}>${primary.id}`);
      if (shape !== 2) world.cuts.add(`${primary.id}>${other}`);
    }
    if (random.chance(1, 2)) {
      world.after(random.between(FAILOVER / 2, 3 * FAILOVER), () => {
        if (!world.calm) this.#heal();
      });
    }
  }

  #cut(): void {
    const { world } = this;
    const { random, ids } = world;
    const one: NodeId = random.pick(ids);
    const shape = random.below(5);
    const halves = new Map(ids.map((id) => [id, random.chance(1, 2)]));
    for (const from of ids) {
      for (const to of ids) {
        if (from === to) continue;
        const isolated = from === one || to === one;
        const cut =
          (shape === 0 && isolated) ||
          (shape === 1 && from === one) ||
          (shape === 2 && to === one) ||
          (shape === 3 && halves.get(from) !== halves.get(to)) ||
          (shape === 4 && isolated && random.chance(1, 2));
        if (cut) world.cuts.add(`${from}>${to}`);
      }
    }
  }

  /** No more faults: one primary, an answered write, all standbys streaming, equal states. */
  calm(): void {
    const { world } = this;
    world.calm = true;
    world.calmSince = world.now;
    world.noBootUntil = 0;
    this.#heal();
    for (const node of world.nodes.values()) {
      node.pausedUntil = Math.min(node.pausedUntil, world.now);
      node.slowUntil = 0;
      if (node.state.phase === "stopping") world.crash(node);
      world.boot(node);
      this.#empty(node);
    }
    this.#operate();
    this.#until("a primary that serves", 60 * FAILOVER, () => this.#serving() !== undefined);
    const answers = world.checker.answers;
    const client = () => {
      const primary = this.#serving();
      if (primary !== undefined) this.#writeTo(primary);
      if (world.checker.answers === answers) world.after(3 * TICK, client);
    };
    client();
    const time = 20 * FAILOVER + this.#entries() * UNITS_PER_ENTRY;
    this.#until("an answered write", time, () => world.checker.answers > answers);
    this.#until("equal nodes and no open question", time, () => this.#isEven());
    world.checker.checkEnd(world.primary() as SimNode);
  }

  /** The first epoch may need an operator, and all do where promotion is by hand; none needs force. */
  #operate(): void {
    const { world } = this;
    const hasBegun = [...world.nodes.values()].some(({ durable }) => durable.last.index > 0);
    if (world.swarm.autoFailover && hasBegun) return;
    let round = 0;
    const look = () => {
      if (this.#serving() === undefined) {
        const best = [...world.nodes.values()].sort((a, b) => compare(b, a))[0] as SimNode;
        if (world.primary() === undefined && round > 0) this.#promote(best, false, false);
        round += 1;
      }
      world.after(4 * FAILOVER, look);
    };
    world.after(8 * FAILOVER, look);
  }

  #entries(): number {
    return Math.max(...[...this.world.nodes.values()].map(({ state }) => state.log.last));
  }

  #serving(): SimNode | undefined {
    const primary = this.world.primary();
    return primary?.isServing() === true ? primary : undefined;
  }

  #isEven(): boolean {
    const { world } = this;
    const primary = this.#serving();
    if (primary === undefined || world.checker.openTickets() > 0) return false;
    const { last } = primary.state.log;
    if (primary.applied !== last) return false;
    const digest = primary.digests.get(last);
    return [...world.nodes.values()].every((node) => {
      const { log, durable, applied } = node.state;
      if (log.last !== last || durable !== last || applied !== last) return false;
      if (node !== primary && node.core.view(node.state).stage !== "streaming") return false;
      if (node.digests.get(last) !== digest) throw new Violation(`${node.id} differs at ${last}`);
      return true;
    });
  }

  #until(what: string, limit: number, holds: () => boolean): void {
    const { world } = this;
    const end = world.now + limit;
    while (!holds()) {
      if (world.now > end || !world.turn()) {
        throw new Violation(`no ${what} after the faults ended`);
      }
    }
  }
}

function compare(a: SimNode, b: SimNode): number {
  const [left, right] = [a.durable.last, b.durable.last];
  return left.term - right.term || left.index - right.index;
}
