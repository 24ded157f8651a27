import type { LogIndex, NodeId, Position, Term } from "../../../pkg/base/index.js";
import { InvariantViolation } from "../../../pkg/base/index.js";
import type {
  ConfigEntry,
  RaftEffect,
  RaftInput,
  RaftMessage,
  Rules,
} from "../../../pkg/replication/raft/index.js";
import { type SeededRandom, seededRandom } from "../../support/index.js";
import { Timeline } from "../support/timeline.js";
import type { Application } from "./application.js";
import { Checker, Violation } from "./checker.js";
import { DRIVER_STALL, firstDiskOf, SimNode, TICK } from "./sim-node.js";
import type { Swarm } from "./swarm.js";

export const ELECTION_TICKS = 10;
type Of<Kind extends RaftEffect["kind"]> = Extract<RaftEffect, { kind: Kind }>;

/** Nodes, their disks and the network between them, in virtual time, from one seed. */
export class World {
  readonly random: SeededRandom;
  readonly checker = new Checker();
  readonly nodes = new Map<NodeId, SimNode>();
  readonly ids: readonly NodeId[];
  readonly time: Timeline;
  readonly #app: Application | undefined;
  readonly cuts = new Set<string>();
  readonly notes = new Map<string, number>();
  steps = 0;
  calm = false;
  calmSince = 0;
  trace = 0;

  constructor(
    readonly swarm: Swarm,
    rules: Rules,
    shared: { readonly time?: Timeline; readonly app?: Application } = {},
  ) {
    this.time = shared.time ?? new Timeline();
    this.#app = shared.app;
    this.random = seededRandom(`world-${swarm.seed}`);
    const count = swarm.voters + swarm.spares;
    this.ids = Array.from({ length: count }, (_, at) => `n${at + 1}` as NodeId);
    const founders = this.ids.slice(0, swarm.voters).map((id) => ({ id, address: `${id}:7688` }));
    this.ids.forEach((id, at) => {
      const drift = this.random.between(-swarm.driftPercent, swarm.driftPercent);
      const bootstrap = at < swarm.voters && (at === 0 || !swarm.oneFounder);
      const optionsOf = (disk: string, life: number) => ({
        id,
        disk,
        seed: swarm.seed * 1000 + at * 50 + life,
        // A founder alone has nobody to ask whether it has been here before: as operators are told,
        // it returns from a lost disk without `bootstrap`.
        bootstrap: bootstrap && (swarm.voters > 1 || disk === firstDiskOf(id)),
        founders,
        ticks: {
          heartbeatTicks: 2,
          electionTicks: ELECTION_TICKS,
          leaseTicks: 6,
          driftTicks: 2,
          diskStallTicks: 20,
          transferTicks: 10,
        },
        limits: {
          inflightMessagesMax: swarm.inflightMessagesMax,
          inflightBytesMax: 4096,
          appendBytesMax: swarm.appendBytesMax,
          readsMax: 50,
          heldMessagesMax: 64,
          promoteLagEntries: swarm.promoteLagEntries,
        },
      });
      this.nodes.set(id, new SimNode(id, optionsOf, rules, TICK + drift, () => this.now));
    });
    for (const node of this.nodes.values())
      this.after(this.random.below(500), () => this.boot(node));
  }

  get now(): number {
    return this.time.now;
  }

  after(delay: number, run: () => void): void {
    this.time.after(delay, run);
  }

  /** Runs the next event. */
  turn(): boolean {
    return this.time.turn();
  }

  node(id: NodeId): SimNode {
    return this.nodes.get(id) as SimNode;
  }

  /** Later, unless the process has died by then; a paused process gets it when it wakes. */
  later(node: SimNode, delay: number, run: () => void): void {
    const { life } = node;
    this.after(delay, () => this.#whenAwake(node, life, run));
  }

  #whenAwake(node: SimNode, life: number, run: () => void): void {
    if (node.life !== life || !node.up) return;
    if (node.pausedUntil <= this.now) run();
    else this.after(node.pausedUntil - this.now, () => this.#whenAwake(node, life, run));
  }

  boot(node: SimNode): void {
    if (node.up) return;
    const recovered = node.boot();
    this.checker.onBoot(node);
    node.lastTickAt = this.now;
    node.pausedUntil = 0;
    this.#app?.booted(node);
    this.input(node, recovered);
    this.later(node, this.random.between(1, TICK), () => this.#tick(node));
  }

  #tick(node: SimNode): void {
    this.#noticeGap(node);
    node.lastTickAt = this.now;
    this.input(node, { kind: "tick" });
    this.#app?.ticked(node);
    this.later(node, node.tickUnits, () => this.#tick(node));
  }

  /** The driver compares clocks before it hands anything to the core. */
  #noticeGap(node: SimNode): void {
    if (this.now - node.lastTickAt <= DRIVER_STALL) return;
    node.lastTickAt = this.now;
    this.input(node, { kind: "stalled" });
  }

  crash(node: SimNode): void {
    if (!node.up) return;
    node.crash(this.random);
    this.checker.forget(node.id);
    this.#app?.crashed(node);
  }

  wipe(node: SimNode): void {
    this.crash(node);
    this.checker.graveyard.set(node.disk, node.durable);
    node.wipe();
  }

  /** Something from outside reaches a process. */
  external(node: SimNode, input: RaftInput): void {
    const { life } = node;
    this.#whenAwake(node, life, () => {
      this.#noticeGap(node);
      this.input(node, input);
    });
  }

  input(node: SimNode, input: RaftInput): void {
    node.queue.push(input);
    if (node.running) return;
    node.running = true;
    try {
      for (let next = node.queue.shift(); next !== undefined; next = node.queue.shift()) {
        this.#step(node, next);
      }
    } finally {
      node.running = false;
    }
  }

  #step(node: SimNode, input: RaftInput): void {
    const before = node.state;
    const step = node.core.step(before, input);
    node.state = step.state;
    this.steps += 1;
    for (const effect of step.effects) {
      if (effect.kind === "persist") this.#persist(node, effect);
    }
    node.core.assertInvariants(step.state);
    this.checker.onStep(node, before, this.nodes);
    for (const effect of step.effects) this.#carryOut(node, effect);
    this.#app?.stepped(node);
    this.trace = (Math.imul(this.trace, 31) + step.effects.length + node.state.log.last) | 0;
  }

  #carryOut(node: SimNode, effect: RaftEffect): void {
    switch (effect.kind) {
      case "persist":
        return;
      case "send":
        this.checker.onSend(node, effect.to, effect.body);
        this.#send(node.id, effect.to, effect.body);
        return;
      case "send_entries":
        this.#sendEntries(node, effect);
        return;
      case "send_snapshot":
        this.#sendSnapshot(node, effect);
        return;
      case "install":
        this.later(node, this.random.between(20, 400), () => this.#install(node, effect));
        return;
      case "apply":
        this.checker.onApply(node, effect.upTo);
        this.later(node, this.random.between(1, 30), () => this.#apply(node, effect.upTo));
        return;
      case "note":
        this.notes.set(effect.event, (this.notes.get(effect.event) ?? 0) + 1);
        return;
      case "discard_snapshot":
        return;
      default:
        this.checker.onAnswer(node, effect);
        this.#app?.answered(node, effect);
    }
  }

  #persist(node: SimNode, effect: Of<"persist">): void {
    const first = effect.entries[0];
    const refused = first !== undefined && node.logFull && this.random.chance(1, 2);
    const taken = refused ? { ...effect, entries: [] } : effect;
    this.checker.onPersist(node, taken);
    node.live.take(taken);
    node.pending.push(taken);
    node.issuedSeq = effect.seq;
    if (refused)
      node.queue.unshift({ kind: "persist_refused", seq: effect.seq, from: first.index });
    this.#sync(node);
  }

  /** One sync at a time; what gathers meanwhile shares the next. */
  #sync(node: SimNode): void {
    const seq = node.issuedSeq;
    if (node.syncing || seq === node.reportedSeq) return;
    node.syncing = true;
    const slow = node.slowUntil > this.now ? node.slowUntil - this.now : 0;
    this.later(node, slow + this.random.between(1, this.swarm.syncMax), () => {
      node.syncing = false;
      node.reportedSeq = seq;
      this.flushPending(node, seq);
      this.input(node, { kind: "persisted", seq, upTo: node.durable.last.index });
      this.#sync(node);
    });
  }

  flushPending(node: SimNode, seq: number): void {
    while (node.pending.length > 0 && (node.pending[0]?.seq ?? 0) <= seq) {
      const op = node.pending.shift();
      if (op !== undefined) node.durable.take(op);
    }
  }

  #apply(node: SimNode, upTo: number): void {
    if (node.storageFull && this.random.chance(1, 3)) {
      node.applied = this.random.between(node.appliedDurable, node.applied);
      this.input(node, { kind: "apply_refused", position: this.#position(node) });
      return;
    }
    const part = this.random.chance(1, 4) ? this.random.between(node.applied, upTo) : upTo;
    node.applied = Math.max(node.applied, part);
    this.#app?.applied(node);
    this.input(node, { kind: "applied", upTo: this.#position(node) });
    if (part < upTo) this.later(node, 5, () => this.#apply(node, upTo));
  }

  #position(node: SimNode): Position {
    const entry = node.live.at(node.applied);
    return { index: node.applied as LogIndex, term: entry?.term ?? node.live.base.term };
  }

  #send(from: NodeId, to: NodeId, body: RaftMessage): void {
    const { swarm, random } = this;
    if (!this.nodes.has(to)) return;
    const copies = !this.calm && random.chance(...swarm.duplicate) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      if (!this.calm && random.chance(...swarm.loss)) continue;
      const spike = !this.calm && random.chance(...swarm.spike) ? random.below(swarm.spikeMax) : 0;
      this.after(random.between(2, swarm.delayMax) + spike, () => {
        // Links were made anew when the faults ended: what was stuck in the old ones is gone.
        const stuck = this.calm && spike > 0 && this.now > this.calmSince + ELECTION_TICKS * TICK;
        if (stuck || this.cuts.has(`${from}>${to}`)) return;
        const node = this.node(to);
        if (node.up) this.external(node, { kind: "message", from, body });
      });
    }
  }

  #sendEntries(node: SimNode, effect: Of<"send_entries">): void {
    const { to, term, prevIndex, prevTerm, from, commit } = effect;
    const entries = [];
    let bytes = 0;
    const compacted = from <= node.live.base.index && from <= effect.upTo;
    for (let index: number = from; !compacted && index <= effect.upTo; index += 1) {
      const entry = node.live.at(index);
      const size = entry?.payload.length ?? 0;
      if (entry === undefined || (bytes > 0 && bytes + size > effect.bytesMax)) break;
      bytes += size;
      entries.push(entry);
    }
    const upTo = (from + entries.length - 1) as LogIndex;
    if (!compacted) {
      this.#send(node.id, to, { kind: "append", term, prevIndex, prevTerm, entries, commit });
    }
    node.queue.push({ kind: "sent", to, term, upTo, bytes, compacted });
  }

  #sendSnapshot(node: SimNode, effect: Of<"send_snapshot">): void {
    const { to, term } = effect;
    const position = this.#position(node);
    const config = node.live.configs(node.applied).at(-1);
    this.#app?.copied(node);
    const delay = this.random.between(50, 600);
    const fails = config === undefined || (!this.calm && this.random.chance(1, 5));
    const from = node.id;
    this.after(delay, () => {
      const target = this.nodes.get(to);
      if (target?.up !== true || fails || this.cuts.has(`${from}>${to}`)) return;
      this.#deliverSnapshot(target, from, { position, config, term });
      if (this.calm || !this.random.chance(1, 2)) return;
      this.after(this.random.below(3000), () => {
        if (target.up) this.#deliverSnapshot(target, from, { position, config, term });
      });
    });
    this.later(node, delay + 50, () => {
      const done = fails || this.cuts.has(`${to}>${from}`) ? null : position;
      this.input(node, { kind: "snapshot_sent", to, term, position: done });
    });
  }

  #deliverSnapshot(
    target: SimNode,
    from: NodeId,
    snapshot: { position: Position; config: ConfigEntry; term: Term },
  ): void {
    this.external(target, { kind: "snapshot_received", from, ...snapshot });
  }

  #install(node: SimNode, effect: Of<"install">): void {
    const { position, config, keepTail } = effect;
    if (position.index < node.applied) throw new Violation("a snapshot takes the state back");
    this.flushPending(node, Number.POSITIVE_INFINITY);
    for (const image of [node.live, node.durable]) {
      if (keepTail) image.compact(position.index);
      else image.restore(position, config);
    }
    node.applied = position.index;
    node.appliedDurable = position.index;
    this.#app?.installed(node);
    const known = this.checker.committed[position.index - 1];
    if (known?.entry.term !== position.term) throw new Violation("a snapshot of another history");
    this.input(node, { kind: "installed", position });
  }

  compact(node: SimNode): void {
    const upTo = Math.min(node.appliedDurable, node.live.last.index, node.durable.last.index);
    if (!node.up || upTo <= node.live.base.index || node.state.installing !== null) return;
    this.flushPending(node, Number.POSITIVE_INFINITY);
    node.live.compact(upTo);
    node.durable.compact(upTo);
    this.input(node, { kind: "compacted", base: node.live.base });
  }

  leader(): SimNode | undefined {
    let best: SimNode | undefined;
    for (const node of this.nodes.values()) {
      if (!node.up || node.state.role !== "leader") continue;
      if (best === undefined || node.state.hard.term > best.state.hard.term) best = node;
    }
    return best;
  }

  /** A broken rule of the core itself is a violation like any other. */
  static isViolation(error: unknown): error is Error {
    return error instanceof Violation || error instanceof InvariantViolation;
  }
}
