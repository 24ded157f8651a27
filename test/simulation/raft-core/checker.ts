import type { NodeId } from "../../../pkg/base/index.js";
import type { Entry } from "../../../pkg/replication/ports/index.js";
import { hasQuorum } from "../../../pkg/replication/quorum/index.js";
import {
  decodeMembership,
  type Membership,
  type RaftEffect,
  type RaftMessage,
  type RaftState,
} from "../../../pkg/replication/raft/index.js";
import type { LogImage, Persist, SimNode } from "./sim-node.js";

/** A promise of the algorithm was broken. */
export class Violation extends Error {
  override readonly name = "Violation";
}

interface Committed {
  readonly entry: Entry;
  /** Term of the node that knew it first. */
  readonly term: number;
}

interface Ticket {
  readonly kind: "write" | "read" | "change";
  readonly node: NodeId;
  readonly payload: Uint8Array | null;
  /** The highest acknowledged write when a strong read began. */
  readonly floor: number;
}

/** Looks at every step from outside and knows what no node knows. */
export class Checker {
  readonly committed: Committed[] = [];
  readonly #leaders = new Map<number, string>();
  readonly #chain = new Map<number, { entry: Entry; prevTerm: number }>();
  readonly #votes = new Map<string, NodeId>();
  readonly #tickets = new Map<number, Ticket>();
  readonly #refused = new Set<Uint8Array>();
  readonly #hard = new Map<string, { term: number; commit: number; votedFor: NodeId | null }>();
  /** Disks that were thrown away still bear witness to what was durable when it was committed. */
  readonly graveyard = new Map<string, LogImage>();
  ackedMax = 0;
  answers = 0;
  reads = 0;

  open(ticket: number, one: Omit<Ticket, "floor">): void {
    this.#tickets.set(ticket, { ...one, floor: this.ackedMax });
  }

  /** The process died: its callers know nothing. */
  forget(node: NodeId): void {
    for (const [ticket, one] of this.#tickets) if (one.node === node) this.#tickets.delete(ticket);
  }

  /** Callers at members that still wait. */
  openTickets({ voters, learners }: Membership): number {
    const ids = new Set([...voters, ...learners].map((member) => member.id));
    return [...this.#tickets.values()].filter((ticket) => ids.has(ticket.node)).length;
  }

  onStep(node: SimNode, before: RaftState, nodes: ReadonlyMap<NodeId, SimNode>): void {
    const after = node.state;
    this.#checkHard(node, after);
    if (after.lost) throw new Violation(`${node.id} says its log was lost; the disk is honest`);
    if (after.role === "leader" && before.role !== "leader") {
      this.#checkElection(node, before, nodes);
      this.#onLeader(node, after);
    }
    if (after.hard.commit > before.hard.commit) this.#onCommit(node, nodes, before, after);
  }

  #checkHard(node: SimNode, after: RaftState): void {
    const { term, commit, votedFor } = after.hard;
    const known = this.#hard.get(node.disk);
    if (known !== undefined) {
      if (term < known.term) throw new Violation(`${node.id}: the term fell to ${term}`);
      const changed = known.votedFor !== null && votedFor !== known.votedFor;
      if (term === known.term && changed) throw new Violation(`${node.id}: the vote changed`);
      if (known.commit > commit) throw new Violation(`${node.id}: the commit fell to ${commit}`);
    }
    if (
      known === undefined ||
      known.term !== term ||
      known.commit !== commit ||
      known.votedFor !== votedFor
    ) {
      this.#hard.set(node.disk, { term, commit, votedFor });
    }
  }

  /** What the disk survived with is the new truth about that disk. */
  onBoot(node: SimNode): void {
    const { term, commit, votedFor } = node.live.hard;
    this.#hard.set(node.disk, { term, commit, votedFor });
  }

  /** A quorum gave its votes, and nobody else holds a lease at this very moment. */
  #checkElection(node: SimNode, before: RaftState, nodes: ReadonlyMap<NodeId, SimNode>): void {
    const { term } = node.state.hard;
    const membership = before.configs.at(-1)?.membership;
    const elected =
      membership !== undefined &&
      hasQuorum(membership, (member) => {
        if (member.id === node.id) return node.durable.hard.votedFor === node.id;
        const disk = member.disk ?? nodes.get(member.id)?.disk;
        return this.#votes.get(`${disk}@${term}`) === node.id;
      });
    if (!elected) throw new Violation(`${node.id} leads term ${term} without a quorum of votes`);
    for (const other of nodes.values()) {
      if (other === node || !other.up || other.state.role !== "leader" || !other.isOnTime())
        continue;
      // A late election in an older term can commit nothing, and takes nothing from the lease.
      if (other.state.hard.term > term || !other.core.view(other.state).hasLease) continue;
      throw new Violation(`${node.id} is elected while ${other.id} holds a lease`);
    }
  }

  #onLeader(node: SimNode, state: RaftState): void {
    const { term } = state.hard;
    const key = `${node.id}/${node.life}`;
    const other = this.#leaders.get(term);
    if (other !== undefined && other !== key) {
      throw new Violation(`${other} and ${key} both lead term ${term}`);
    }
    this.#leaders.set(term, key);
    for (let index = this.committed.length; index >= 1; index -= 1) {
      const one = this.committed[index - 1] as Committed;
      if (one.term >= term) continue;
      if (!node.live.covers(index, one.entry.term)) {
        throw new Violation(`${node.id} leads term ${term} without committed entry ${index}`);
      }
      return;
    }
  }

  #onCommit(
    node: SimNode,
    nodes: ReadonlyMap<NodeId, SimNode>,
    before: RaftState,
    after: RaftState,
  ): void {
    for (let index = before.hard.commit + 1; index <= after.hard.commit; index += 1) {
      const entry = node.live.at(index);
      const known = this.committed[index - 1];
      if (entry === undefined) continue;
      if (known === undefined) {
        if (index !== this.committed.length + 1) throw new Violation(`commit skips to ${index}`);
        this.committed.push({ entry, term: after.hard.term });
        if (this.#refused.has(entry.payload))
          throw new Violation(`refused write ${index} happened`);
        if (entry.kind === "config") this.#checkChange(entry);
      } else if (!isSame(known.entry, entry)) {
        throw new Violation(`entry ${index} is committed in two versions (${node.id})`);
      }
    }
    if (after.role === "leader" && before.role === "leader") this.#checkQuorum(node, after, nodes);
  }

  #lastConfig: Membership | undefined;

  /** Memberships follow each other only by steps whose quorums cross. */
  #checkChange(entry: Entry): void {
    const next = decodeMembership(entry.payload);
    const now = this.#lastConfig;
    if (next === undefined) throw new Violation("a committed membership cannot be read");
    this.#lastConfig = next;
    if (now === undefined) return;
    const ids = (list: readonly { id: NodeId }[]) => list.map((one) => one.id).join();
    const joins = ids(next.outgoing) === ids(now.voters) && now.outgoing.length === 0;
    const same = ids(next.voters) === ids(now.voters) && next.outgoing.length === 0;
    if (!same && !joins) throw new Violation(`membership jumps at ${entry.index}`);
  }

  /** A commit is durable on a quorum of the disks that the leader's membership names. */
  #checkQuorum(leader: SimNode, state: RaftState, nodes: ReadonlyMap<NodeId, SimNode>): void {
    const index = state.hard.commit;
    const entry = leader.live.at(index);
    const membership = state.configs.at(-1)?.membership;
    if (entry === undefined || membership === undefined) return;
    if (entry.term !== state.hard.term) {
      throw new Violation(
        `entry ${index} of term ${entry.term} commits by counting in a later term`,
      );
    }
    const durable = hasQuorum(membership, (member) => {
      const node = nodes.get(member.id);
      const image =
        node?.disk === member.disk ? node?.durable : this.graveyard.get(member.disk ?? "");
      return image?.covers(index, entry.term) === true;
    });
    if (!durable) throw new Violation(`entry ${index} is committed but not durable on a quorum`);
  }

  /** The same index and term mean the same entry and the same entry before it, everywhere. */
  onPersist(node: SimNode, persist: Persist): void {
    const { state } = node;
    if (state.role === "leader" && persist.truncateFrom !== undefined) {
      throw new Violation(`leader ${node.id} cuts its own log`);
    }
    let prevTerm: number | undefined;
    for (const entry of persist.entries) {
      const before = node.live.at(entry.index - 1)?.term;
      prevTerm ??= entry.index - 1 === node.live.base.index ? node.live.base.term : before;
      const key = entry.index * 2 ** 20 + entry.term;
      const known = this.#chain.get(key);
      if (known === undefined) this.#chain.set(key, { entry, prevTerm: prevTerm ?? 0 });
      else if (!isSame(known.entry, entry) || known.prevTerm !== prevTerm) {
        throw new Violation(`entry ${entry.index} of term ${entry.term} differs on ${node.id}`);
      }
      prevTerm = entry.term;
    }
  }

  onSend(node: SimNode, to: NodeId, body: RaftMessage): void {
    if (body.kind === "vote_response" && body.granted && !body.preVote) {
      this.#onVote(node, to, body.forTerm);
    } else if (body.kind === "vote_request" && !body.preVote) {
      this.#onVote(node, node.id, body.forTerm);
    } else if (body.kind === "append_response" && body.success) {
      if (body.matchIndex > node.durable.last.index) {
        throw new Violation(`${node.id} acknowledges ${body.matchIndex} before it is durable`);
      }
    }
  }

  #onVote(node: SimNode, candidate: NodeId, term: number): void {
    const { hard } = node.durable;
    if (hard.term < term || (hard.term === term && hard.votedFor !== candidate)) {
      throw new Violation(`${node.id} votes in term ${term} before the vote is durable`);
    }
    const key = `${node.disk}@${term}`;
    const known = this.#votes.get(key);
    if (known !== undefined && known !== candidate) {
      throw new Violation(`${node.id} votes for ${known} and ${candidate} in term ${term}`);
    }
    this.#votes.set(key, candidate);
  }

  onApply(node: SimNode, upTo: number): void {
    if (upTo > node.durable.last.index) {
      throw new Violation(`${node.id} applies ${upTo} before it is durable`);
    }
    const known = this.committed[upTo - 1];
    const entry = node.live.at(upTo);
    if (known === undefined || entry === undefined || !isSame(known.entry, entry)) {
      throw new Violation(`${node.id} applies entry ${upTo}, which is not the committed one`);
    }
  }

  onAnswer(node: SimNode, effect: RaftEffect): void {
    if (effect.kind === "answer") {
      const ticket = this.#take(effect.ticket, node);
      const known = this.committed[effect.index - 1]?.entry;
      const isMine = known?.payload === ticket.payload && known?.term === effect.term;
      if (!isMine) throw new Violation(`write ${effect.ticket} was acknowledged but is not there`);
      if (effect.index > node.applied) throw new Violation("answered before it was applied");
      this.ackedMax = Math.max(this.ackedMax, effect.index);
      this.answers += 1;
    } else if (effect.kind === "read_ready") {
      const ticket = this.#take(effect.ticket, node);
      this.reads += 1;
      if (node.applied < ticket.floor) {
        throw new Violation(`read at ${node.applied} misses acknowledged write ${ticket.floor}`);
      }
    } else if (effect.kind === "done") this.#take(effect.ticket, node);
    else if (effect.kind === "refuse") {
      for (const number of effect.tickets) {
        const { payload } = this.#take(number, node);
        if (payload === null || effect.code === "COMMIT_UNKNOWN") continue;
        this.#refused.add(payload);
        const happened = this.committed.some((one) => one.entry.payload === payload);
        if (happened) throw new Violation(`write ${number} is committed but was refused`);
      }
    }
  }

  #take(number: number, node: SimNode): Ticket {
    const ticket = this.#tickets.get(number);
    if (ticket === undefined || ticket.node !== node.id) {
      throw new Violation(`ticket ${number} is answered twice`);
    }
    this.#tickets.delete(number);
    return ticket;
  }
}

function isSame(a: Entry, b: Entry): boolean {
  if (a === b) return true;
  if (a.index !== b.index || a.term !== b.term || a.kind !== b.kind) return false;
  if (a.payload === b.payload) return true;
  return a.kind === "config" && a.index === 1 && Buffer.compare(a.payload, b.payload) === 0;
}
