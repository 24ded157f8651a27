import type { LogIndex, NodeId, Position, Term } from "../../../base/index.js";
import type { Entry } from "../../ports/index.js";
import type { TermRun } from "../../progress/index.js";
import type { RaftMessage } from "../messages.js";
import type { RaftEffect, RaftInput } from "./effects.js";
import { decodeMembership, encodeMembership, type Member } from "./membership.js";
import { DEFAULT_RAFT_LIMITS, type RaftOptions } from "./options.js";
import type { RaftState } from "./state.js";
import { createRaftCore, type RaftCore } from "./step.js";

export const ELECTION = 10;
export const at = (index: number) => index as LogIndex;
export const inTerm = (term: number) => term as Term;
export const name = (id: string) => id as NodeId;

interface Letter {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly body: RaftMessage;
}

export interface LabNode {
  readonly id: NodeId;
  readonly core: RaftCore;
  state: RaftState;
  entries: Entry[];
  effects: RaftEffect[];
  /** Seqs that the disk has not reported; only with `syncs` off. */
  unsynced: number[];
  syncs: boolean;
}

/** A few cores on a bench: disks and state machines answer at once, letters when told to. */
export class Lab {
  readonly nodes = new Map<NodeId, LabNode>();
  readonly cut = new Set<string>();
  letters: Letter[] = [];
  /** Letters of this kind are lost. */
  loses: RaftMessage["kind"] | null = null;
  readonly founders: readonly { id: NodeId; address: string }[];

  constructor(ids: readonly string[]) {
    this.founders = ids.map((id) => ({ id: name(id), address: `${id}:1` }));
  }

  options(id: string, over: Partial<RaftOptions> = {}): RaftOptions {
    return {
      id: name(id),
      disk: `${id}-disk`,
      seed: id.charCodeAt(id.length - 1),
      bootstrap: false,
      founders: this.founders,
      ticks: {
        heartbeatTicks: 2,
        electionTicks: ELECTION,
        leaseTicks: 6,
        driftTicks: 2,
        diskStallTicks: 20,
        transferTicks: 10,
      },
      limits: DEFAULT_RAFT_LIMITS,
      ...over,
    };
  }

  /** The members as if founded long ago: entry 1 is the membership, then one entry per given term. */
  boot(
    id: string,
    terms: readonly number[],
    hard: { term?: number; votedFor?: string } = {},
    over: Partial<RaftOptions> = {},
  ): LabNode {
    const members: Member[] = this.founders.map((one) => ({ ...one, disk: `${one.id}-disk` }));
    const payload = encodeMembership({ voters: members, outgoing: [], learners: [] });
    const first: Entry = { index: at(1), term: inTerm(1), kind: "config", payload };
    const rest = terms.map(
      (term, offset): Entry => ({
        index: at(offset + 2),
        term: inTerm(term),
        kind: "command",
        payload: new Uint8Array([term]),
      }),
    );
    return this.start(this.options(id, over), [first, ...rest], hard);
  }

  start(
    options: RaftOptions,
    entries: readonly Entry[],
    hard: { term?: number; votedFor?: string } = {},
  ): LabNode {
    const core = createRaftCore(options);
    const node: LabNode = {
      id: options.id,
      core,
      state: core.initial,
      entries: [...entries],
      effects: [],
      unsynced: [],
      syncs: true,
    };
    this.nodes.set(options.id, node);
    const runs: TermRun[] = [];
    for (const entry of entries) {
      if (runs.at(-1)?.term !== entry.term) runs.push({ first: entry.index, term: entry.term });
    }
    const tail = entries.at(-1);
    const last: Position = { index: tail?.index ?? at(0), term: tail?.term ?? inTerm(0) };
    const zero: Position = { index: at(0), term: inTerm(0) };
    const configs = entries.flatMap((entry) => {
      const membership = entry.kind === "config" ? decodeMembership(entry.payload) : undefined;
      return membership === undefined ? [] : [{ index: entry.index, membership }];
    });
    this.input(options.id, {
      kind: "recovered",
      hard: {
        term: inTerm(hard.term ?? last.term),
        votedFor: hard.votedFor === undefined ? null : name(hard.votedFor),
        commit: at(0),
        epoch: 0,
      },
      base: zero,
      last,
      applied: zero,
      terms: runs,
      configs,
    });
    return node;
  }

  node(id: string): LabNode {
    return this.nodes.get(name(id)) as LabNode;
  }

  input(id: string, input: RaftInput): readonly RaftEffect[] {
    const node = this.node(id);
    const step = node.core.step(node.state, input);
    node.core.assertInvariants(step.state);
    node.state = step.state;
    const follow: RaftInput[] = [];
    for (const effect of step.effects) this.#carryOut(node, effect, follow);
    node.effects.push(...step.effects);
    for (const next of follow) this.input(id, next);
    return step.effects;
  }

  #carryOut(node: LabNode, effect: RaftEffect, follow: RaftInput[]): void {
    if (effect.kind === "persist") {
      const kept = effect.truncateFrom ?? Number.POSITIVE_INFINITY;
      node.entries = [...node.entries.filter((entry) => entry.index < kept), ...effect.entries];
      if (node.syncs) follow.push({ kind: "persisted", seq: effect.seq, upTo: at(0) });
      else node.unsynced.push(effect.seq);
    } else if (effect.kind === "send") {
      this.letters.push({ from: node.id, to: effect.to, body: effect.body });
    } else if (effect.kind === "send_entries") {
      const { to, term, prevIndex, prevTerm, from, upTo, commit } = effect;
      const entries = node.entries.filter((one) => one.index >= from && one.index <= upTo);
      const body: RaftMessage = { kind: "append", term, prevIndex, prevTerm, entries, commit };
      this.letters.push({ from: node.id, to, body });
      follow.push({ kind: "sent", to, term, upTo, bytes: 1, compacted: false });
    } else if (effect.kind === "apply") {
      const term = node.entries.find((entry) => entry.index === effect.upTo)?.term ?? inTerm(0);
      follow.push({ kind: "applied", upTo: { index: effect.upTo, term } });
    }
  }

  sync(id: string): void {
    const node = this.node(id);
    const seq = node.unsynced.at(-1);
    node.unsynced = [];
    if (seq !== undefined) this.input(id, { kind: "persisted", seq, upTo: at(0) });
  }

  message(from: string, to: string, body: RaftMessage): readonly RaftEffect[] {
    return this.input(to, { kind: "message", from: name(from), body });
  }

  /** Carries letters until none is left; those over a cut link are lost. */
  deliver(): void {
    for (let count = 0; this.letters.length > 0; count += 1) {
      if (count > 10_000) throw new Error("letters without end");
      const { from, to, body } = this.letters.shift() as Letter;
      if (this.cut.has(`${from}>${to}`) || !this.nodes.has(to)) continue;
      if (body.kind === this.loses) continue;
      this.message(from, to, body);
    }
  }

  tick(ids: readonly string[], times = 1): void {
    for (let count = 0; count < times; count += 1) {
      for (const id of ids) this.input(id, { kind: "tick" });
      this.deliver();
    }
  }

  isolate(id: string, way: "in" | "out" | "both" = "both"): void {
    for (const other of this.nodes.keys()) {
      if (way !== "out") this.cut.add(`${other}>${id}`);
      if (way !== "in") this.cut.add(`${id}>${other}`);
    }
  }

  /** Lets every node forget whom it heard, then `id` stands for election. */
  elect(id: string): void {
    for (const node of this.nodes.values()) {
      node.state = { ...node.state, sinceLeader: ELECTION, electionTimeout: 1_000 };
    }
    const node = this.node(id);
    node.state = { ...node.state, electionElapsed: node.state.electionTimeout };
    this.tick([id]);
  }

  propose(id: string, ...tickets: number[]): readonly RaftEffect[] {
    const proposals = tickets.map((ticket) => ({ ticket, payload: new Uint8Array([ticket]) }));
    return this.input(id, { kind: "propose", proposals });
  }

  /** What the node answered since the last call. */
  answers(id: string): readonly RaftEffect[] {
    const node = this.node(id);
    const kinds = ["answer", "refuse", "done", "read_ready"];
    const found = node.effects.filter((effect) => kinds.includes(effect.kind));
    node.effects = [];
    return found;
  }

  terms(id: string): readonly number[] {
    return this.node(id).entries.map((entry) => entry.term);
  }
}
