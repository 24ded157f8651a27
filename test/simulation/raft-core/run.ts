import type { NodeId } from "../../../pkg/base/index.js";
import { type MemberChange, RULES, type Rules } from "../../../pkg/replication/raft/index.js";
import { Violation } from "./checker.js";
import { type SimNode, TICK } from "./sim-node.js";
import { FAULTS, type Fault, type Swarm, swarmOf } from "./swarm.js";
import { ELECTION_TICKS, World } from "./world.js";

export interface Report {
  readonly seed: number;
  readonly steps: number;
  readonly trace: number;
  readonly answers: number;
  readonly reads: number;
  readonly notes: ReadonlyMap<string, number>;
}

/** First safe, then live: faults for `steps` steps of the core, then none until all is well. */
export function runSeed(seed: number, steps: number, rules: Rules = RULES): Report {
  const run = new Run(swarmOf(seed), rules);
  run.chaos(steps);
  run.calm();
  const { world } = run;
  const { answers, reads } = world.checker;
  return { seed, steps: world.steps, trace: world.trace, answers, reads, notes: world.notes };
}

const ELECTION = ELECTION_TICKS * TICK;
const UNITS_PER_ENTRY = 20;

class Run {
  readonly world: World;
  #ticket = 0;
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
    client();
    world.after(5 * ELECTION, trouble);
    while (world.steps < steps && world.turn()) {}
    live = false;
  }

  /** A node to talk to: mostly the leader, often another, also one that only thinks it leads. */
  #someone(): SimNode | undefined {
    const { world } = this;
    const up = [...world.nodes.values()].filter((node) => node.up);
    const leaders = up.filter((node) => node.state.role === "leader");
    if (leaders.length > 0 && world.random.chance(3, 4)) return world.random.pick(leaders);
    return up.length === 0 ? undefined : world.random.pick(up);
  }

  #client(): void {
    const { world } = this;
    const node = this.#someone();
    if (node === undefined || node.state.phase === "starting") return;
    if (world.random.chance(...world.swarm.writes)) this.#write(node);
    else this.#read(node);
  }

  /** A client's request reaches the process at once or when it wakes. */
  #ask(node: SimNode, kind: "write" | "read" | "change", payload: Uint8Array | null): number {
    this.#ticket += 1;
    this.world.checker.open(this.#ticket, { kind, node: node.id, payload });
    return this.#ticket;
  }

  #write(node: SimNode): void {
    const { world } = this;
    const proposals = Array.from({ length: world.random.between(1, 3) }, () => {
      const payload = new Uint8Array(world.random.between(1, 12));
      return { ticket: this.#ask(node, "write", payload), payload };
    });
    world.external(node, { kind: "propose", proposals });
  }

  #read(node: SimNode): void {
    const level = this.world.random.chance(1, 2) ? "LEADER" : "QUORUM";
    const ticket = this.#ask(node, "read", null);
    this.world.external(node, { kind: "read", ticket, level });
  }

  #trouble(fault: Fault): void {
    const { world } = this;
    const { random } = world;
    const nodes = [...world.nodes.values()];
    const node = random.pick(nodes);
    const end = world.now + random.between(100, 4 * ELECTION);
    if (fault === "crash") world.crash(random.chance(1, 2) ? (this.#someone() ?? node) : node);
    else if (fault === "restart") for (const one of nodes) world.boot(one);
    else if (fault === "cut") this.#cut();
    else if (fault === "heal") world.cuts.clear();
    else if (fault === "pause") (this.#someone() ?? node).pausedUntil = end;
    else if (fault === "slow_disk") node.slowUntil = end;
    else if (fault === "compact") world.compact(node);
    else if (fault === "flush")
      node.appliedDurable = random.between(node.appliedDurable, node.applied);
    else if (fault === "duel") this.#duel();
    else if (fault === "members") this.#change();
    else if (fault === "wipe") this.#wipe(node);
    else if (fault === "log_full") this.#full(node, "logFull");
    else if (fault === "storage_full") this.#full(node, "storageFull");
    else this.#handOver(fault === "transfer", this.#someone());
  }

  #handOver(transfer: boolean, leader: SimNode | undefined): void {
    const { world } = this;
    if (leader === undefined || leader.state.phase !== "ready") return;
    const ticket = this.#ask(leader, "change", null);
    const target = world.random.chance(1, 2) ? null : world.random.pick(world.ids);
    if (transfer) world.external(leader, { kind: "transfer", ticket, target });
    else world.external(leader, { kind: "step_down", ticket });
  }

  /**
   * Everything that makes a second leader likely while the first still thinks it leads: it is cut
   * off or stands still, hands over just before, or followers restart and forget whom they heard.
   */
  #duel(): void {
    const { world } = this;
    const { random } = world;
    const leader = world.leader();
    if (leader === undefined) return;
    if (random.chance(1, 2)) this.#handOver(true, leader);
    world.after(random.below(150), () => {
      if (world.calm) return;
      const shape = random.below(6);
      const rival = random.pick(world.ids);
      if (shape === 5) leader.pausedUntil = world.now + random.between(ELECTION, 4 * ELECTION);
      for (const other of world.ids) {
        // Shapes 3 and 4: one rival is out of touch with the leader, the others hear both.
        if (other === leader.id || shape === 5 || (shape >= 3 && other !== rival)) continue;
        if (shape !== 1) world.cuts.add(`${other}>${leader.id}`);
        if (shape !== 2) world.cuts.add(`${leader.id}>${other}`);
      }
      if (random.chance(3, 4)) this.#bounce(leader.id, rival, 10);
    });
  }

  /** A bystander restarts a few times. */
  #bounce(leader: NodeId, rival: NodeId, times: number): void {
    const { world } = this;
    const { random } = world;
    const others = world.ids.filter((id) => id !== leader && id !== rival);
    if (world.calm || others.length === 0 || times === 0) return;
    const node = world.node(random.pick(others));
    world.crash(node);
    world.after(random.between(5, 250), () => world.boot(node));
    world.after(random.between(300, 2 * ELECTION), () => this.#bounce(leader, rival, times - 1));
  }

  #cut(): void {
    const { world } = this;
    const { random, ids } = world;
    const one = random.pick(ids);
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

  #change(): void {
    const { world } = this;
    const leader = this.#someone();
    if (leader === undefined || leader.state.phase !== "ready" || this.#isHealing()) return;
    const id: NodeId = world.random.pick(world.ids);
    const kind = world.random.pick([
      "add",
      "add",
      "remove",
      "promote",
      "demote",
      "address",
    ] as const);
    const address = `${id}:${world.random.between(1, 9)}`;
    const changes: Record<MemberChange["kind"], MemberChange> = {
      add: { kind: "add", id, address, voter: world.random.chance(3, 4) },
      remove: { kind: "remove", id },
      promote: { kind: "promote", id },
      demote: { kind: "demote", id },
      address: { kind: "address", id, address },
    };
    const ticket = this.#ask(leader, "change", null);
    world.external(leader, { kind: "change_members", ticket, change: changes[kind] });
  }

  /** One disk at a time: with a majority of disks gone there is nothing to promise. */
  #wipe(node: SimNode): void {
    const { world } = this;
    const membership = world.leader()?.state.configs.at(-1)?.membership;
    if (membership !== undefined && membership.voters.length >= 3 && this.#isSettled()) {
      world.wipe(node);
    }
  }

  /** A wiped voter has not been replaced yet: a second loss would be one too many. */
  #isHealing(): boolean {
    const { world } = this;
    const membership = world.leader()?.state.configs.at(-1)?.membership;
    return (membership?.voters ?? []).some(
      ({ id, disk }) => disk !== null && world.nodes.get(id)?.disk !== disk,
    );
  }

  /** No change under way anywhere, and every voter on the disk that the membership names. */
  #isSettled(): boolean {
    const { world } = this;
    return [...world.nodes.values()].every(({ state, pausedUntil }) => {
      if (pausedUntil > world.now) return false;
      const config = state.configs.at(-1);
      if (config === undefined) return true;
      const { voters, outgoing } = config.membership;
      if (config.index > world.checker.committed.length || outgoing.length > 0) return false;
      return voters.every((member) => world.nodes.get(member.id)?.disk === member.disk);
    });
  }

  #full(node: SimNode, which: "logFull" | "storageFull"): void {
    const { world } = this;
    node[which] = true;
    world.after(world.random.between(100, 2 * ELECTION), () => this.#empty(node));
  }

  #empty(node: SimNode): void {
    node.logFull = false;
    node.storageFull = false;
    if (!node.up) return;
    this.world.external(node, { kind: "disk", low: false });
    this.world.external(node, { kind: "apply_retry" });
  }

  /** No more faults: a leader, an answered write, equal logs and no open question, in time. */
  calm(): void {
    const { world } = this;
    world.calm = true;
    world.calmSince = world.now;
    world.cuts.clear();
    for (const node of world.nodes.values()) {
      node.pausedUntil = Math.min(node.pausedUntil, world.now);
      node.slowUntil = 0;
      world.boot(node);
      this.#empty(node);
    }
    // Messages and pauses of before may still be under way. A leader serves once its term's first
    // entry is committed, which may wait for all that a majority lacks.
    const time = () => 10 * ELECTION + this.#furthestBehind() * UNITS_PER_ENTRY;
    this.#until("a leader that serves", time(), () => this.#serving() !== undefined);
    const answers = world.checker.answers;
    const client = () => {
      const leader = this.#serving();
      if (leader !== undefined) this.#write(leader);
      if (world.checker.answers === answers) world.after(3 * TICK, client);
    };
    client();
    this.#until("an answered write", 10 * ELECTION, () => world.checker.answers > answers);
    this.#until("equal logs and no open question", time(), () => this.#isEven());
  }

  /** Entries that the slowest node lacks: catching up takes as long as the windows allow. */
  #furthestBehind(): number {
    const lasts = [...this.world.nodes.values()].map(({ state }) => state.log.last);
    return Math.max(...lasts) - Math.min(...lasts);
  }

  #serving(): SimNode | undefined {
    const leader = this.world.leader();
    return leader?.core.view(leader.state).isLeader === true ? leader : undefined;
  }

  #isEven(): boolean {
    const { world } = this;
    const leader = this.#serving();
    if (leader === undefined) return false;
    const { membership, commitIndex, lastIndex } = leader.core.view(leader.state);
    if (world.checker.openTickets(membership) > 0) return false;
    if (commitIndex !== lastIndex || membership.outgoing.length > 0) return false;
    return [...membership.voters, ...membership.learners].every(({ id }) => {
      const { log, durable, applied, leader: known } = world.node(id).state;
      return (
        known === leader.id &&
        applied === lastIndex &&
        durable === lastIndex &&
        log.last === lastIndex
      );
    });
  }

  #until(what: string, limit: number, holds: () => boolean): void {
    const { world } = this;
    const end = world.now + limit;
    while (!holds()) {
      if (world.now > end || !world.turn())
        throw new Violation(`no ${what} after the faults ended`);
    }
  }
}
