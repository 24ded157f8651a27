import {
  InvariantViolation,
  type LogIndex,
  type NodeId,
  type Position,
} from "../../../pkg/base/index.js";
import type { HaEffect, HaInput, Rules } from "../../../pkg/replication/ha-standby/core/index.js";
import type { HaMessage } from "../../../pkg/replication/ha-standby/messages.js";
import { EventQueue } from "../../support/event-queue.js";
import { type SeededRandom, seededRandom } from "../../support/index.js";
import { SimArbiter } from "./arbiter.js";
import { Checker, isLossAccepted, Violation } from "./checker.js";
import { DRIVER_STALL, digestAfter, SimNode, TICK } from "./sim-node.js";
import type { Swarm } from "./swarm.js";

export const FAILOVER_TICKS = 12;
const TTL_TICKS = 10;
type Of<Kind extends HaEffect["kind"]> = Extract<HaEffect, { kind: Kind }>;

const copyOf = ({ index, term }: Position) => `${index}@${term}`;

/** Nodes, their disks, the arbiter and the network between them, in virtual time, from one seed. */
export class World {
  readonly random: SeededRandom;
  readonly checker: Checker;
  readonly nodes = new Map<NodeId, SimNode>();
  readonly ids: readonly NodeId[];
  readonly arbiter: SimArbiter;
  readonly #events = new EventQueue();
  readonly cuts = new Set<string>();
  /** Nodes that do not reach the arbiter. */
  readonly cutOff = new Set<NodeId>();
  readonly notes = new Map<string, number>();
  now = 0;
  steps = 0;
  calm = false;
  calmSince = 0;
  /** Nobody starts a process before then: an operator vouched for it. */
  noBootUntil = 0;
  #order = 0;
  trace = 0;

  constructor(
    readonly swarm: Swarm,
    rules: Rules,
  ) {
    this.random = seededRandom(`ha-world-${swarm.seed}`);
    this.ids = Array.from({ length: swarm.nodes }, (_, at) => `n${at + 1}` as NodeId);
    const slow = this.random.between(-swarm.driftPercent, swarm.driftPercent);
    this.arbiter = new SimArbiter(() => this.now, TTL_TICKS * (TICK + slow));
    this.checker = new Checker(swarm, this.nodes, this.arbiter);
    for (const id of this.ids) this.nodes.set(id, this.#create(id, rules));
    for (const node of this.nodes.values()) {
      this.after(this.random.below(500), () => this.boot(node));
    }
  }

  #create(id: NodeId, rules: Rules): SimNode {
    const { swarm, random } = this;
    const drift = random.between(-swarm.driftPercent, swarm.driftPercent);
    const peers = this.ids.filter((other) => other !== id);
    const optionsOf = (disk: string) => ({
      id,
      disk,
      peers,
      startsAsPrimary: random.chance(...swarm.misconfigured) ? random.chance(1, 2) : id === "n1",
      arbiter: swarm.arbiter,
      policy: swarm.policy,
      syncMode: swarm.syncMode,
      autoFailover: swarm.autoFailover,
      ticks: {
        heartbeatTicks: 2,
        contactTicks: 5,
        lostTicks: 8,
        failoverTicks: FAILOVER_TICKS,
        ttlTicks: TTL_TICKS,
        renewTicks: 3,
        driftTicks: 2,
        fenceTicks: 4,
        requestTicks: 5,
        switchoverTicks: 20,
        dampingTicks: 60,
        fallbackTicks: swarm.fallbackTicks,
      },
      limits: {
        inflightMessagesMax: swarm.inflightMessagesMax,
        inflightBytesMax: 4096,
        appendBytesMax: swarm.appendBytesMax,
        batchEntriesMax: 20,
        earlyBatchesMax: 4,
        readsMax: 50,
        heldMessagesMax: 64,
        inSyncLagMax: swarm.inSyncLagMax,
        tableRunsMax: 8,
      },
    });
    return new SimNode(id, optionsOf, rules, TICK + drift, () => this.now);
  }

  after(delay: number, run: () => void): void {
    this.#order += 1;
    this.#events.push({ atUs: this.now + delay, order: this.#order, run, cancelled: false });
  }

  /** Runs the next event. */
  turn(): boolean {
    const event = this.#events.shift();
    if (event === undefined) return false;
    this.now = event.atUs;
    event.run();
    return true;
  }

  node(id: NodeId): SimNode {
    return this.nodes.get(id) as SimNode;
  }

  /** Later, unless the process has died by then; a paused process gets it when it wakes. */
  #later(node: SimNode, delay: number, run: () => void): void {
    const { life } = node;
    this.after(delay, () => this.#whenAwake(node, life, run));
  }

  #whenAwake(node: SimNode, life: number, run: () => void): void {
    if (node.life !== life || !node.up) return;
    if (node.pausedUntil <= this.now) {
      this.#noticeGap(node);
      run();
    } else this.after(node.pausedUntil - this.now, () => this.#whenAwake(node, life, run));
  }

  boot(node: SimNode): void {
    if (node.up || this.now < this.noBootUntil) return;
    const recovered = node.boot();
    this.checker.onBoot(node);
    node.lastTickAt = this.now;
    node.pausedUntil = 0;
    this.input(node, recovered);
    this.#later(node, this.random.between(1, TICK), () => this.#tick(node));
  }

  #tick(node: SimNode): void {
    node.lastTickAt = this.now;
    this.input(node, { kind: "tick" });
    this.#later(node, node.tickUnits, () => this.#tick(node));
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
    this.checker.onCrash(node);
    this.checker.forget(node.id);
  }

  wipe(node: SimNode): void {
    this.crash(node);
    this.checker.onWipe(node);
    node.wipe();
  }

  /** Something from outside reaches a process. */
  external(node: SimNode, input: HaInput): void {
    const { life } = node;
    this.#whenAwake(node, life, () => this.input(node, input));
  }

  input(node: SimNode, input: HaInput): void {
    if (input.kind === "persist_refused" || input.kind === "sent") node.queue.unshift(input);
    else node.queue.push(input);
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

  #step(node: SimNode, input: HaInput): void {
    const before = node.state;
    if (input.kind === "message" && input.body.kind === "heartbeat") node.contact = true;
    const step = node.core.step(before, input);
    node.state = step.state;
    this.steps += 1;
    for (const effect of step.effects) {
      if (effect.kind === "persist") this.#persist(node, effect);
    }
    node.core.assertInvariants(step.state);
    this.checker.onStep(node, before, input);
    for (const effect of step.effects) this.#carryOut(node, effect);
    this.trace = (Math.imul(this.trace, 31) + step.effects.length + node.state.log.last) | 0;
  }

  #carryOut(node: SimNode, effect: HaEffect): void {
    switch (effect.kind) {
      case "persist":
        return;
      case "send":
        this.checker.onSend(node, effect.body);
        this.#send(node, effect.to, effect.body);
        return;
      case "send_entries":
        this.#sendEntries(node, effect);
        return;
      case "echo":
        this.input(node, { kind: "echoed", seq: effect.seq });
        return;
      case "ask_arbiter":
        this.#ask(node, effect);
        return;
      case "salvage":
        this.#salvage(node, effect);
        return;
      case "full_sync":
        this.#fullSync(node, effect);
        return;
      case "install":
        this.#later(node, this.random.between(20, 300), () => this.#install(node, effect.position));
        return;
      case "apply":
        this.checker.onApply(node, effect.upTo);
        this.#later(node, this.random.between(1, 30), () => this.#apply(node, effect.upTo));
        return;
      case "note":
        this.notes.set(effect.event, (this.notes.get(effect.event) ?? 0) + 1);
        return;
      case "discard_copy":
        return;
      default:
        this.checker.onAnswer(node, effect);
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
    if (refused) {
      node.queue.unshift({ kind: "persist_refused", seq: effect.seq, from: first.index });
    }
    this.#sync(node);
  }

  /** One sync at a time; what gathers meanwhile shares the next. */
  #sync(node: SimNode): void {
    const seq = node.issuedSeq;
    if (node.syncing || seq === node.reportedSeq) return;
    node.syncing = true;
    const slow = node.slowUntil > this.now ? node.slowUntil - this.now : 0;
    this.#later(node, slow + this.random.between(1, this.swarm.syncMax), () => {
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
    for (let index = node.applied + 1; index <= part; index += 1) {
      const entry = node.live.at(index);
      if (entry === undefined) throw new Violation(`${node.id} applies entry ${index} it lacks`);
      node.digests.set(index, digestAfter(node.digests.get(index - 1) ?? 0, entry));
    }
    node.applied = Math.max(node.applied, part);
    this.input(node, { kind: "applied", upTo: this.#position(node) });
    if (part < upTo) this.#later(node, 5, () => this.#apply(node, upTo));
  }

  #position(node: SimNode): Position {
    const entry = node.live.at(node.applied);
    return { index: node.applied as LogIndex, term: entry?.term ?? node.live.base.term };
  }

  #send(node: SimNode, to: NodeId, body: HaMessage): void {
    const { swarm, random } = this;
    const from = node.id;
    const copies = !this.calm && random.chance(...swarm.duplicate) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      if (!this.calm && random.chance(...swarm.loss)) continue;
      const spike = !this.calm && random.chance(...swarm.spike) ? random.below(swarm.spikeMax) : 0;
      this.after(random.between(2, swarm.delayMax) + spike, () => {
        // Links were made anew when the faults ended: what was stuck in the old ones is gone.
        const stuck = this.calm && spike > 0 && this.now > this.calmSince + 10 * TICK;
        if (stuck || this.cuts.has(`${from}>${to}`)) return;
        const target = this.node(to);
        if (target.up) this.external(target, { kind: "message", from, body });
        else if (!this.cuts.has(`${to}>${from}`) && random.chance(1, 2)) {
          if (node.up) this.external(node, { kind: "gone", peer: to });
        }
      });
    }
  }

  #sendEntries(node: SimNode, effect: Of<"send_entries">): void {
    const { to, epoch, prev, from, commit } = effect;
    const entries = [];
    let bytes = 0;
    const compacted = from <= node.live.base.index && from <= effect.upTo;
    for (let index: number = from; !compacted && index <= effect.upTo; index += 1) {
      const entry = node.live.at(index);
      const size = entry?.payload.length ?? 0;
      if (entry === undefined || entries.length >= effect.entriesMax) break;
      if (bytes > 0 && bytes + size > effect.bytesMax) break;
      bytes += size;
      entries.push(entry);
    }
    const upTo = (from + entries.length - 1) as LogIndex;
    if (!compacted) this.#send(node, to, { kind: "wal_batch", epoch, prev, entries, commit });
    this.input(node, { kind: "sent", to, epoch, upTo, bytes, compacted });
  }

  #ask(node: SimNode, { id, request }: Of<"ask_arbiter">): void {
    const { random, swarm } = this;
    const lost = () =>
      this.cutOff.has(node.id) || (!this.calm && random.chance(...swarm.arbiterLoss));
    const delay = () => {
      const spike = !this.calm && random.chance(...swarm.arbiterSpike) ? random.below(3000) : 0;
      return random.between(2, swarm.delayMax) + spike;
    };
    const answer = (outcome: Extract<HaInput, { kind: "arbiter" }>["answer"]) => {
      this.external(node, { kind: "arbiter", id, answer: outcome });
    };
    const { life } = node;
    const [often] = swarm.recordStray;
    if (request.op === "record" && often > 0 && !this.calm && random.chance(...swarm.recordStray)) {
      this.after(random.below(40 * TICK), () => void this.arbiter.handle(node.id, request));
      return;
    }
    const ordered = request.op === "acquire" && isLossAccepted(node.state.claim);
    this.after(delay(), () => {
      const arrived = !lost();
      const outcome = arrived ? this.arbiter.handle(node.id, request) : null;
      if (ordered && outcome?.ok === true) this.arbiter.ordered = true;
      const back = arrived && !lost() ? outcome : null;
      this.after(delay(), () => {
        if (node.life === life) answer(back);
      });
    });
  }

  /** A watch tells nodes what it sees, now and then. */
  watch(): void {
    if (this.swarm.arbiter !== "lease") return;
    for (const node of this.nodes.values()) {
      if (!node.up || this.cutOff.has(node.id) || !this.random.chance(1, 2)) continue;
      const record = this.arbiter.record();
      this.after(this.random.between(1, 200), () => {
        if (node.up) this.external(node, { kind: "lease_seen", record });
      });
    }
  }

  #salvage(node: SimNode, effect: Of<"salvage">): void {
    const entries = node.live.entries.filter(
      ({ index }) => index >= effect.from && index <= effect.upTo,
    );
    this.#later(node, this.random.between(5, 200), () => {
      for (const entry of entries) this.checker.salvaged.add(entry.payload);
      if (effect.state) this.checker.onStateKept(node);
      this.input(node, { kind: "salvaged", id: effect.id });
    });
  }

  #fullSync(node: SimNode, { from, epoch }: Of<"full_sync">): void {
    const { life } = node;
    this.after(this.random.between(50, 600), () => {
      const source = this.node(from);
      const cut = this.cuts.has(`${from}>${node.id}`) || this.cuts.has(`${node.id}>${from}`);
      const leads = source.up && source.state.lead !== null && source.state.hard.term === epoch;
      const fails = cut || !leads || (!this.calm && this.random.chance(1, 5));
      if (node.life !== life) return;
      if (fails) {
        this.external(node, { kind: "copy_failed", from, epoch });
        return;
      }
      const position = this.#position(source);
      const digest = source.digests.get(source.applied) ?? 0;
      node.copies.set(copyOf(position), { digest, past: source.live.upTo(source.applied) });
      this.external(node, { kind: "copy_received", from, epoch, position });
    });
  }

  #install(node: SimNode, position: Position): void {
    const copy = node.copies.get(copyOf(position));
    if (copy === undefined) {
      throw new Violation(`${node.id} installs a copy it does not have`);
    }
    this.flushPending(node, Number.POSITIVE_INFINITY);
    node.live.restore(position, copy.past);
    node.durable.restore(position, copy.past);
    node.applied = position.index;
    node.appliedDurable = position.index;
    node.digests = new Map([[position.index, copy.digest]]);
    this.input(node, { kind: "installed", position });
  }

  compact(node: SimNode): void {
    if (!node.up) return;
    const { retainFrom } = node.core.view(node.state);
    const upTo = Math.min(node.appliedDurable, retainFrom, node.durable.last.index);
    if (upTo <= node.live.base.index || node.state.rejoin !== null) return;
    this.flushPending(node, Number.POSITIVE_INFINITY);
    node.live.compact(upTo);
    node.durable.compact(upTo);
    this.input(node, { kind: "compacted", base: node.live.base });
  }

  primary(): SimNode | undefined {
    let best: SimNode | undefined;
    for (const node of this.nodes.values()) {
      if (!node.up || node.state.lead === null) continue;
      if (best === undefined || node.state.hard.term > best.state.hard.term) best = node;
    }
    return best;
  }

  /** A broken rule of the core itself is a violation like any other. */
  static isViolation(error: unknown): error is Error {
    return error instanceof Violation || error instanceof InvariantViolation;
  }
}
