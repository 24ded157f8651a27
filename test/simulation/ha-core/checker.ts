import type { NodeId } from "../../../pkg/base/index.js";
import type { HaEffect, HaInput, HaState } from "../../../pkg/replication/ha-standby/core/index.js";
import type { HaMessage } from "../../../pkg/replication/ha-standby/messages.js";
import type { Entry } from "../../../pkg/replication/ports/index.js";
import type { SimArbiter } from "./arbiter.js";
import type { Persist, SimNode } from "./sim-node.js";
import type { Swarm } from "./swarm.js";

/** A promise of the mode was broken. */
export class Violation extends Error {
  override readonly name = "Violation";
}

interface Acked {
  readonly entry: Entry;
  readonly by: NodeId;
  /** Every standby that had only received it lost power, or an operator accepted the loss. */
  excused: boolean;
}

interface Ticket {
  readonly kind: "write" | "read" | "order";
  readonly node: NodeId;
  readonly payload: Uint8Array | null;
  /** The newest acknowledged write when a read began. */
  readonly floor: Entry | null;
}

/** Looks at every step from outside and knows what no node knows. */
export class Checker {
  /** Every acknowledged write, in the order of the answers. */
  readonly acked: Acked[] = [];
  readonly salvaged = new Set<Uint8Array>();
  readonly #primaries = new Map<number, string>();
  readonly #chain = new Map<number, { entry: Entry; prevTerm: number }>();
  readonly #tickets = new Map<number, Ticket>();
  readonly #held = new Map<number, Entry>();
  readonly #refused = new Set<Uint8Array>();
  readonly #hard = new Map<string, { term: number; votedFor: NodeId | null }>();
  #newest = { epoch: 0, id: "" };
  #wasPrimary = false;
  /** An operator vouched for a node that did not know of one he had vouched for before. */
  #forked = false;
  /** Entries that a crash took from a node that had received them. */
  readonly #forgotten = new Set<Entry>();
  answers = 0;
  reads = 0;
  promotions = 0;
  lostByMode = 0;

  constructor(
    readonly swarm: Swarm,
    readonly nodes: ReadonlyMap<NodeId, SimNode>,
    readonly arbiter: SimArbiter,
  ) {}

  /** Two nodes that acknowledge at once are a violation. */
  get isExclusive(): boolean {
    return this.swarm.arbiter === "lease" || this.swarm.policy === "consistency";
  }

  open(ticket: number, one: Omit<Ticket, "floor">): void {
    const last = this.acked.findLast(({ excused }) => !excused);
    this.#tickets.set(ticket, { ...one, floor: last?.entry ?? null });
  }

  /** The process died: its callers know nothing. */
  forget(node: NodeId): void {
    for (const [ticket, one] of this.#tickets) if (one.node === node) this.#tickets.delete(ticket);
  }

  openTickets(): number {
    return this.#tickets.size;
  }

  onStep(node: SimNode, before: HaState, input: HaInput): void {
    const after = node.state;
    if (input.kind === "message" && input.body.epoch < before.hard.term) {
      const isObeyed = after.follow !== before.follow || after.log.last > before.log.last;
      const { kind } = input.body;
      if (isObeyed && (kind === "heartbeat" || kind === "wal_batch")) {
        throw new Violation(`${node.id} obeys epoch ${input.body.epoch} of ${input.from}`);
      }
    }
    // A step may answer the last write and then hand over.
    this.#wasPrimary = before.lead !== null || after.lead !== null;
    this.#checkHard(node, after);
    if (after.lost && !before.lost)
      throw new Violation(`${node.id} lost its log; the disk is honest`);
    if (after.lead !== null && (before.lead === null || after.hard.term > before.hard.term)) {
      this.#onPrimary(node, before, after);
    }
  }

  #checkHard(node: SimNode, after: HaState): void {
    const { term, votedFor } = after.hard;
    const known = this.#hard.get(node.disk);
    if (known !== undefined) {
      if (term < known.term) throw new Violation(`${node.id}: the epoch fell to ${term}`);
      const changed = known.votedFor !== null && votedFor !== known.votedFor;
      if (term === known.term && changed)
        throw new Violation(`${node.id}: epoch ${term} given twice`);
    }
    if (known?.term !== term || known.votedFor !== votedFor) {
      this.#hard.set(node.disk, { term, votedFor });
    }
  }

  /** What the disk survived with is the new truth about that disk. */
  onBoot(node: SimNode): void {
    const { term, votedFor } = node.live.hard;
    this.#hard.set(node.disk, { term, votedFor });
  }

  /** What a crash took from a disk that had only received it, and no other standby has. */
  onCrash(node: SimNode): void {
    for (const entry of node.live.entries) {
      if (!node.durable.holds(entry)) this.#forgotten.add(entry);
    }
    if (this.swarm.syncMode === "sync") return;
    for (const one of this.acked.slice(-200)) {
      const { entry } = one;
      if (!node.live.holds(entry) || node.durable.holds(entry)) continue;
      const others = [...this.nodes.values()].filter((other) => other !== node);
      const has = (other: SimNode) => (other.up ? other.live : other.durable).holds(entry);
      if (!others.some((other) => other.id !== one.by && has(other))) one.excused = true;
    }
  }

  #onPrimary(node: SimNode, before: HaState, after: HaState): void {
    const epoch = after.hard.term;
    const known = this.#primaries.get(epoch);
    const key = `${node.id}/${node.life}`;
    if (known !== undefined && known !== key)
      throw new Violation(`${known} and ${key} both lead ${epoch}`);
    this.#primaries.set(epoch, key);
    this.promotions += 1;
    const grounds = before.claim?.grounds ?? null;
    const forced = isLossAccepted(before.claim) || this.arbiter.ordered;
    this.arbiter.ordered = false;
    if (before.claim?.othersStopped === true && epoch < this.#newest.epoch) this.#forked = true;
    if (grounds === "follow" && !node.contact) {
      throw new Violation(`${node.id} is promoted and never heard a primary since it started`);
    }
    if (grounds === "follow") this.#checkHeard(node, before.claim);
    if (grounds === "own" && this.isExclusive && this.#newest.epoch > 0) {
      const id = this.arbiter.before ?? this.#newest.id;
      if (id !== node.id) throw new Violation(`${node.id} takes back what ${id} leads`);
    }
    if (epoch > this.#newest.epoch) this.#newest = { epoch, id: node.id };
    this.#checkLoss(node, forced, grounds === "own");
  }

  /** In semi_sync any other of the set may be the only one that has what was acknowledged. */
  #checkHeard(node: SimNode, claim: HaState["claim"]): void {
    if (this.swarm.arbiter !== "lease" || this.swarm.syncMode !== "semi_sync") return;
    const { holder, inSync } = claim?.record ?? { holder: node.id, inSync: [] };
    const needed = inSync.filter((id) => id !== node.id && id !== holder);
    const missing = needed.filter((id) => claim?.fenced.has(id) !== true);
    if (holder !== node.id && missing.length > 0) {
      throw new Violation(`${node.id} is promoted and did not hear ${missing.join()}`);
    }
  }

  /** What a new primary lacks of what was acknowledged. */
  #checkLoss(node: SimNode, forced: boolean, isOwn: boolean): void {
    for (const one of this.acked) {
      const { index, term } = one.entry;
      if (one.excused || node.live.holds(one.entry)) continue;
      const isDisk = isOwn && one.by === node.id && !this.burnt.has(one.entry.payload);
      if (!isDisk && this.#mayLose(one, forced)) {
        one.excused = true;
        this.lostByMode += 1;
        continue;
      }
      throw new Violation(`${node.id} leads without acknowledged write ${index} of epoch ${term}`);
    }
  }

  /** An operator's word, the mode, the disks that were thrown away, or the policy. */
  #mayLose({ entry }: Acked, forced: boolean): boolean {
    const { syncMode, arbiter, policy, fallbackTicks } = this.swarm;
    if (forced || this.#forked || syncMode === "async") return true;
    const isKept = [...this.nodes.values()].some(({ durable }) => durable.holds(entry));
    if (!isKept && this.burnt.has(entry.payload)) return true;
    if (arbiter === "lease" || policy === "consistency") return false;
    return syncMode === "semi_sync" || fallbackTicks !== null;
  }

  /** The same index and epoch mean the same entry and the same entry before it, everywhere. */
  onPersist(node: SimNode, persist: Persist): void {
    const { truncateFrom } = persist;
    if (truncateFrom !== undefined) {
      if (node.state.lead !== null) throw new Violation(`primary ${node.id} cuts its own log`);
      if (truncateFrom <= node.applied) throw new Violation(`${node.id} cuts what it applied`);
      this.#onDropped(node, truncateFrom);
    }
    let prevTerm: number | undefined;
    for (const entry of persist.entries) {
      const before = node.live.at(entry.index - 1)?.term;
      prevTerm ??= entry.index - 1 === node.live.base.index ? node.live.base.term : before;
      const key = entry.index * 2 ** 20 + entry.term;
      const known = this.#chain.get(key);
      if (known === undefined) this.#chain.set(key, { entry, prevTerm: prevTerm ?? 0 });
      else if (known.entry.payload !== entry.payload || known.prevTerm !== prevTerm) {
        throw new Violation(`entry ${entry.index} of epoch ${entry.term} differs on ${node.id}`);
      }
      prevTerm = entry.term;
    }
  }

  /** Nothing that a client may have written leaves a log before it is in a salvage file. */
  #onDropped(node: SimNode, from: number): void {
    for (const entry of node.live.entries) {
      if (entry.index < from || entry.kind === "noop") continue;
      if (!this.salvaged.has(entry.payload)) {
        throw new Violation(`${node.id} drops entry ${entry.index} that is in no salvage file`);
      }
    }
  }

  onSend(node: SimNode, body: HaMessage): void {
    const { hard, last } = node.durable;
    if (body.kind === "fence_response" && body.fenced && hard.term < body.forEpoch) {
      throw new Violation(`${node.id} answers a fence before the epoch is durable`);
    }
    if (
      body.kind === "heartbeat_response" ||
      body.kind === "wal_ack" ||
      body.kind === "heartbeat"
    ) {
      if (hard.term < body.epoch) throw new Violation(`${node.id} speaks for an epoch not durable`);
    }
    if (body.kind === "wal_ack" || body.kind === "heartbeat_response") {
      if (body.durable > last.index) {
        throw new Violation(`${node.id} acknowledges ${body.durable} before it is durable`);
      }
      if (body.received > node.live.last.index) throw new Violation(`${node.id} received too much`);
    }
  }

  onApply(node: SimNode, upTo: number): void {
    if (upTo > node.durable.last.index)
      throw new Violation(`${node.id} applies what is not durable`);
  }

  onAnswer(node: SimNode, effect: HaEffect): void {
    if (effect.kind === "refuse") {
      for (const ticket of effect.tickets) this.#onRefused(ticket, effect.code);
    } else if (effect.kind === "answer") this.#onWritten(node, effect.ticket, effect.index);
    else if (effect.kind === "hold") this.#hold(node, effect.ticket, effect.index);
    else if (effect.kind === "settle") this.#onSettled(node, effect.ticket);
    else if (effect.kind === "read_ready") this.#onRead(node, effect.ticket, effect.index);
    else if (effect.kind === "done") this.#tickets.delete(effect.ticket);
  }

  #onRefused(ticket: number, code: string): void {
    const one = this.#tickets.get(ticket);
    this.#tickets.delete(ticket);
    this.#held.delete(ticket);
    if (one?.kind === "write" && one.payload !== null && code !== "COMMIT_UNKNOWN") {
      this.#refused.add(one.payload);
    }
  }

  #written(node: SimNode, ticket: number, index: number): Entry | undefined {
    const one = this.#tickets.get(ticket);
    if (one === undefined) throw new Violation(`ticket ${ticket} is answered twice`);
    const entry = node.live.at(index);
    if (entry === undefined || entry.payload !== one.payload) {
      throw new Violation(`ticket ${ticket} is answered with entry ${index}, which is another`);
    }
    if (this.#refused.has(entry.payload)) throw new Violation("a refused write was answered");
    return entry;
  }

  #hold(node: SimNode, ticket: number, index: number): void {
    const entry = this.#written(node, ticket, index);
    if (entry !== undefined) this.#held.set(ticket, entry);
  }

  #onWritten(node: SimNode, ticket: number, index: number): void {
    const entry = this.#written(node, ticket, index);
    if (entry !== undefined) this.#acknowledge(node, ticket, entry);
  }

  #onSettled(node: SimNode, ticket: number): void {
    const entry = this.#held.get(ticket);
    if (entry === undefined) throw new Violation(`ticket ${ticket} is settled and was not held`);
    this.#acknowledge(node, ticket, entry);
  }

  #acknowledge(node: SimNode, ticket: number, entry: Entry): void {
    this.#tickets.delete(ticket);
    this.#held.delete(ticket);
    if (!this.#wasPrimary) throw new Violation(`${node.id} acknowledges as a standby`);
    if (!node.durable.holds(entry)) {
      throw new Violation(`${node.id} acknowledges ${entry.index} before it is durable`);
    }
    this.#checkAlone(node);
    this.#checkSet(node, entry);
    this.acked.push({ entry, by: node.id, excused: false });
    this.answers += 1;
  }

  /** What the mode says of those whom the arbiter would let be promoted at this very moment. */
  #checkSet(node: SimNode, entry: Entry): void {
    const { syncMode, arbiter } = this.swarm;
    const { holder, epoch, inSync } = this.arbiter;
    const isHolder = holder === node.id && epoch === node.state.hard.term;
    if (arbiter !== "lease" || syncMode === "async" || !isHolder) return;
    const others = [...this.nodes.values()].filter(
      (other) => other !== node && inSync.includes(other.id),
    );
    const isBurnt = this.burnt.has(entry.payload);
    const durable = (other: SimNode) => other.durable.holds(entry) || isBurnt;
    const received = (other: SimNode) =>
      durable(other) || other.live.holds(entry) || this.#forgotten.has(entry);
    const holds = syncMode === "sync" ? others.every(durable) : others.some(received);
    if (others.length > 0 && !holds) {
      throw new Violation(`${node.id} acknowledges ${entry.index} that the set has not`);
    }
  }

  /** At no instant do two nodes acknowledge. */
  #checkAlone(node: SimNode): void {
    if (!this.isExclusive) return;
    for (const other of this.nodes.values()) {
      if (other === node || !other.up || !other.isOnTime()) continue;
      if (other.isServing()) throw new Violation(`${node.id} and ${other.id} acknowledge at once`);
    }
  }

  #onRead(node: SimNode, ticket: number, index: number): void {
    const one = this.#tickets.get(ticket);
    this.#tickets.delete(ticket);
    if (one === undefined) throw new Violation(`read ${ticket} is answered twice`);
    if (node.applied < index) throw new Violation("a read is answered before its index is applied");
    this.#checkAlone(node);
    this.reads += 1;
    const { floor } = one;
    const seen = floor === null || (floor.index <= node.applied && node.live.holds(floor));
    const lost = this.acked.some(({ entry, excused }) => entry === floor && excused);
    if (!seen && !lost && this.isExclusive) {
      throw new Violation(`a read on ${node.id} misses acknowledged write ${floor?.index}`);
    }
  }

  /** Every acknowledged write is in the one log there is, or in a salvage file. */
  checkEnd(primary: SimNode): void {
    for (const { entry } of this.acked) {
      if (primary.live.holds(entry) || this.salvaged.has(entry.payload)) continue;
      if (this.burnt.has(entry.payload)) continue;
      throw new Violation(`acknowledged write ${entry.index} of epoch ${entry.term} is nowhere`);
    }
  }

  /** A copy of the state machine holds all that was applied. */
  onStateKept(node: SimNode): void {
    for (const { entry } of this.acked) {
      if (node.live.past.includes(entry)) this.salvaged.add(entry.payload);
    }
  }

  /** What was on disks that were thrown away. */
  readonly burnt = new Set<Uint8Array>();

  onWipe(node: SimNode): void {
    for (const [epoch, key] of this.#primaries) {
      if (key.startsWith(`${node.id}/`)) this.#primaries.delete(epoch);
    }
    if (this.#newest.id === node.id) this.#newest = { epoch: 0, id: "" };
    const { past, entries } = node.durable;
    for (const entry of [...past, ...entries]) this.burnt.add(entry.payload);
    // Nobody is left who knows that its newest epoch was ever taken.
    const others = [...this.nodes.values()].filter((other) => other !== node);
    for (const [key, { entry }] of this.#chain) {
      const isKept = others.some(({ live, durable }) => live.holds(entry) || durable.holds(entry));
      if (!isKept) this.#chain.delete(key);
    }
  }
}

/** Only where nothing milder would do does an operator's force accept a loss. */
export function isLossAccepted(claim: HaState["claim"]): boolean {
  return claim?.force === true && (claim.grounds === "order" || claim.grounds === "founding");
}
