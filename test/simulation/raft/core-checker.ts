import type { NodeId } from "../../../pkg/base/index.js";
import type { Entry } from "../../../pkg/replication/ports/index.js";
import { hasQuorum } from "../../../pkg/replication/quorum/index.js";
import {
  decodeMembership,
  type Member,
  type Membership,
  type RaftEffect,
  type RaftInput,
  type RaftMessage,
  type RaftState,
} from "../../../pkg/replication/raft/index.js";
import { DiskImage, termIn } from "./disk-image.js";
import type { CoreStep, Machine } from "./machine.js";
import type { Violations } from "./violation.js";

/** An entry that some node has called committed. */
export interface Committed {
  readonly entry: Entry;
  /** Term of the node that knew it first. */
  readonly knownIn: number;
}

interface Chained {
  readonly entry: Entry;
  readonly prevTerm: number | undefined;
  /** Every disk that was asked to keep it and has not refused it. */
  readonly disks: Set<string>;
}

/** Looks at every step of every core and at what disks were told: the promises of the paper. */
export class CoreChecker {
  readonly committed: Committed[] = [];
  readonly notes = new Map<string, number>();
  steps = 0;
  readonly #violations: Violations;
  readonly #images = new Map<string, DiskImage>();
  readonly #leaders = new Map<number, string>();
  readonly #votes = new Map<string, NodeId>();
  readonly #chain = new Map<number, Chained>();
  #lastConfig: Membership | undefined;

  constructor(violations: Violations) {
    this.#violations = violations;
  }

  onStep(machine: Machine, before: RaftState, input: RaftInput, step: CoreStep): void {
    this.steps += 1;
    const after = step.state;
    const image = this.imageOf(machine.diskId);
    if (input.kind === "recovered") {
      const lost = image.onRecovered(input);
      if (lost !== undefined) this.#violations.add(`${machine.id} lost what it had: ${lost}`);
    } else {
      if (input.kind === "installed") this.#count("snapshot installed");
      this.#checkMonotone(machine, before, after);
      if (input.kind === "persist_refused" && before.role === "leader") {
        this.#onRefused(machine.diskId, before.hard.term, input.from);
      }
      image.onInput(input, after);
    }
    for (const effect of step.effects) this.#onEffect(machine, image, after, effect);
    if (after.lost) this.#violations.add(`${machine.id} says its log was lost; the disk is honest`);
    if (after.role === "leader" && before.role !== "leader") this.#onLeader(machine, after);
    if (after.hard.commit > before.hard.commit) this.#onCommit(machine, before, after);
  }

  #count(name: string): void {
    this.notes.set(name, (this.notes.get(name) ?? 0) + 1);
  }

  imageOf(diskId: string): DiskImage {
    const known = this.#images.get(diskId);
    if (known !== undefined) return known;
    const made = new DiskImage();
    this.#images.set(diskId, made);
    return made;
  }

  #checkMonotone(machine: Machine, before: RaftState, after: RaftState): void {
    const fell = (what: string) => this.#violations.add(`${machine.id}: ${what}`);
    if (after.hard.term < before.hard.term) fell(`the term fell to ${after.hard.term}`);
    if (after.hard.commit < before.hard.commit) fell(`the commit fell to ${after.hard.commit}`);
    const sameTerm = after.hard.term === before.hard.term;
    if (sameTerm && before.hard.votedFor !== null) {
      if (after.hard.votedFor !== before.hard.votedFor)
        fell(`the vote of ${after.hard.term} changed`);
    }
    if (after.applied > Math.min(after.hard.commit, after.durable)) {
      fell(`applied ${after.applied} beyond commit ${after.hard.commit}, durable ${after.durable}`);
    }
  }

  #onEffect(machine: Machine, image: DiskImage, state: RaftState, effect: RaftEffect): void {
    if (effect.kind === "persist") {
      if (state.role === "leader" && effect.truncateFrom !== undefined) {
        this.#violations.add(`leader ${machine.id} cuts its own log`);
      }
      if ((effect.truncateFrom ?? state.hard.commit + 1) <= state.hard.commit) {
        this.#violations.add(`${machine.id} cuts committed entry ${effect.truncateFrom}`);
      }
      for (const entry of effect.entries) this.#onEntry(machine, state, entry);
    } else if (effect.kind === "send") this.#onSend(machine, image, effect.to, effect.body);
    else if (effect.kind === "note") {
      this.#count(effect.event);
    }
    image.onEffect(effect);
  }

  /** The same index and term mean the same entry and the same entry before it, everywhere. */
  #onEntry(machine: Machine, state: RaftState, entry: Entry): void {
    const key = entry.index * 2 ** 20 + entry.term;
    const prevTerm = termIn(state.log, entry.index - 1);
    const known = this.#chain.get(key);
    if (known === undefined) {
      this.#chain.set(key, { entry, prevTerm, disks: new Set([machine.diskId]) });
      return;
    }
    known.disks.add(machine.diskId);
    const samePrevious =
      prevTerm === undefined || known.prevTerm === undefined || known.prevTerm === prevTerm;
    if (!samePrevious || !isSame(known.entry, entry)) {
      const texts = [known, { entry, prevTerm }].map(
        (one) =>
          `${one.entry.kind} after ${one.prevTerm} ${Buffer.from(one.entry.payload).subarray(0, 300)}`,
      );
      this.#violations.add(
        `entry ${entry.index} of term ${entry.term} differs on ${machine.id}: ${texts.join(" / ")}`,
      );
    }
  }

  /** RA-28: an entry that no disk has kept never was, and its leader may give its place away. */
  #onRefused(diskId: string, term: number, from: number): void {
    for (const [key, { entry, disks }] of this.#chain) {
      if (entry.term !== term || entry.index < from || !disks.delete(diskId)) continue;
      if (disks.size === 0) this.#chain.delete(key);
    }
  }

  #onSend(machine: Machine, image: DiskImage, to: NodeId, body: RaftMessage): void {
    if (body.kind === "vote_response" && body.granted && !body.preVote) {
      this.#onVote(machine, image, to, body.forTerm);
    } else if (body.kind === "vote_request" && !body.preVote) {
      this.#onVote(machine, image, machine.id, body.forTerm);
    } else if (body.kind === "append_response" && body.success) {
      if (body.matchIndex > image.durable) {
        this.#violations.add(`${machine.id} acknowledges ${body.matchIndex} before it is durable`);
      }
    }
  }

  #onVote(machine: Machine, image: DiskImage, candidate: NodeId, term: number): void {
    const { hard } = image;
    const isDurable =
      hard !== undefined &&
      (hard.term > term || (hard.term === term && hard.votedFor === candidate));
    if (!isDurable) {
      this.#violations.add(`${machine.id} votes in term ${term} before the vote is durable`);
    }
    const key = `${machine.diskId}@${term}`;
    const known = this.#votes.get(key);
    if (known !== undefined && known !== candidate) {
      this.#violations.add(`${machine.id} votes for ${known} and ${candidate} in term ${term}`);
    }
    this.#votes.set(key, candidate);
  }

  #onLeader(machine: Machine, state: RaftState): void {
    const { term } = state.hard;
    const key = `${machine.id} (life ${machine.life})`;
    const other = this.#leaders.get(term);
    if (other !== undefined && other !== key) {
      this.#violations.add(`${other} and ${key} both lead term ${term}`);
    }
    this.#leaders.set(term, key);
    for (let index = this.committed.length; index >= 1; index -= 1) {
      const one = this.committed[index - 1] as Committed;
      if (one.knownIn >= term) continue;
      const has = index <= state.log.base.index || termIn(state.log, index) === one.entry.term;
      if (!has) this.#violations.add(`${key} leads term ${term} without committed entry ${index}`);
      return;
    }
  }

  #onCommit(machine: Machine, before: RaftState, after: RaftState): void {
    for (let index = before.hard.commit + 1; index <= after.hard.commit; index += 1) {
      const term = termIn(after.log, index);
      const entry = term === undefined ? undefined : this.#chain.get(index * 2 ** 20 + term)?.entry;
      const known = this.committed[index - 1];
      if (entry === undefined) {
        if (known === undefined)
          this.#violations.add(`${machine.id} knows ${index} committed first`);
      } else if (known === undefined) {
        if (index !== this.committed.length + 1) this.#violations.add(`commit skips to ${index}`);
        this.committed.push({ entry, knownIn: after.hard.term });
        if (entry.kind === "config") this.#checkChange(entry);
      } else if (known.entry.term !== entry.term) {
        this.#violations.add(`entry ${index} is committed in two versions (${machine.id})`);
      }
    }
    if (after.role === "leader" && before.role === "leader") this.#checkQuorum(machine, after);
  }

  /** Memberships follow each other only by steps whose quorums cross. */
  #checkChange(entry: Entry): void {
    const next = decodeMembership(entry.payload);
    const now = this.#lastConfig;
    if (next === undefined) {
      this.#violations.add(`membership ${entry.index} cannot be read`);
      return;
    }
    this.#lastConfig = next;
    if (now === undefined) return;
    const ids = (list: readonly { id: NodeId }[]) => list.map((one) => one.id).join();
    const joins = ids(next.outgoing) === ids(now.voters) && now.outgoing.length === 0;
    const same = ids(next.voters) === ids(now.voters) && next.outgoing.length === 0;
    if (!same && !joins) this.#violations.add(`membership jumps at ${entry.index}`);
  }

  /** Set by the world: which disk stands for a founder that nobody has heard of yet. */
  diskOf: (member: Member) => string = (member) => member.disk ?? "";

  /** A commit is durable on a quorum of the disks that the leader's membership names. */
  #checkQuorum(leader: Machine, state: RaftState): void {
    const index = state.hard.commit;
    const term = termIn(state.log, index);
    const membership = state.configs.at(-1)?.membership;
    if (term === undefined || membership === undefined) return;
    const durable = hasQuorum(membership, (member) =>
      this.imageOf(this.diskOf(member)).covers(index, term),
    );
    if (!durable) {
      this.#violations.add(`${leader.id}: entry ${index} is committed but not durable on a quorum`);
    }
  }
}

export function isSame(a: Entry, b: Entry): boolean {
  if (a === b) return true;
  if (a.index !== b.index || a.term !== b.term || a.kind !== b.kind) return false;
  return Buffer.compare(a.payload, b.payload) === 0;
}
