import type { NodeId, Position } from "../../../base/index.js";
import type { Entry, HardState } from "../../ports/index.js";
import type { TermRun } from "../../progress/index.js";
import type { HaMessage } from "../messages.js";
import type { HaEffect, HaInput } from "./effects.js";
import { DEFAULT_HA_LIMITS, type HaOptions } from "./options.js";
import { RULES, type Rules } from "./rules.js";
import type { Stage } from "./stage.js";
import type { HaState } from "./state.js";
import { createHaCore, type HaCore } from "./step.js";
import { at, inEpoch, LabArbiter, name, TICKS } from "./testing-arbiter.js";

export { at, inEpoch, name, TICKS };

/** What a node starts with. */
export interface Disk {
  /** The epoch of each entry, from the one after `base` on. */
  readonly terms?: readonly number[];
  readonly base?: Position;
  readonly epoch?: number;
  readonly votedFor?: string;
  readonly commit?: number;
  readonly applied?: number;
}

export interface LabNode {
  readonly id: NodeId;
  readonly core: HaCore;
  state: HaState;
  hard: HardState;
  base: Position;
  entries: Entry[];
  /** As a power cut would leave it. */
  durable: { readonly hard: HardState; readonly entries: readonly Entry[] };
  effects: HaEffect[];
  /** Seqs that the disk has not reported; only with `syncs` off. */
  unsynced: number[];
  syncs: boolean;
  /** The log has no room. */
  isFull: boolean;
  /** With this off, what the core asked to be applied, kept aside or copied stays asked. */
  works: boolean;
}

interface Letter {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly body: HaMessage;
}

type Change = Partial<Omit<HaOptions, "id" | "peers">>;

/** A few cores on a bench: disks and the arbiter answer at once, letters when told to. */
export class Lab {
  readonly nodes = new Map<NodeId, LabNode>();
  readonly ids: readonly NodeId[];
  readonly arbiter = new LabArbiter();
  readonly cut = new Set<string>();
  /** Letters of this kind are lost. */
  loses: HaMessage["kind"] | null = null;
  letters: Letter[] = [];

  constructor(
    ids: readonly string[],
    readonly change: Change = {},
    readonly rules: Partial<Rules> = {},
  ) {
    this.ids = ids.map(name);
  }

  options(id: string, change: Change = {}): HaOptions {
    return {
      id: name(id),
      disk: `${id}-disk`,
      peers: this.ids.filter((other) => other !== id),
      startsAsPrimary: id === this.ids[0],
      arbiter: "lease",
      policy: "consistency",
      syncMode: "semi_sync",
      autoFailover: true,
      ticks: TICKS,
      limits: DEFAULT_HA_LIMITS,
      ...this.change,
      ...change,
    };
  }

  boot(id: string, disk: Disk = {}, change: Change = {}): LabNode {
    const base = disk.base ?? { index: at(0), term: inEpoch(0) };
    const entries = (disk.terms ?? []).map(
      (term, offset): Entry => ({
        index: at(base.index + 1 + offset),
        term: inEpoch(term),
        kind: "command",
        payload: new Uint8Array([term, offset]),
      }),
    );
    const epoch = disk.epoch ?? entries.at(-1)?.term ?? base.term;
    const votedFor = disk.votedFor === undefined ? null : name(disk.votedFor);
    const commit = at(disk.commit ?? base.index);
    const hard = { term: inEpoch(epoch), votedFor, commit, epoch };
    return this.#start(this.options(id, change), { hard, base, entries }, disk.applied);
  }

  /** The process dies, and what was not synced with it. */
  crash(id: string): LabNode {
    const node = this.node(id);
    this.nodes.delete(name(id));
    return node;
  }

  restart(dead: LabNode, change: Change = {}): LabNode {
    const { base, durable } = dead;
    return this.#start(this.options(dead.id, change), { base, ...durable }, dead.state.applied);
  }

  #start(
    options: HaOptions,
    disk: Pick<LabNode["durable"], "hard" | "entries"> & Pick<LabNode, "base">,
    appliedIndex: number = disk.base.index,
  ): LabNode {
    const core = createHaCore(options, { ...RULES, ...this.rules });
    const { hard, base, entries } = disk;
    const node: LabNode = {
      id: options.id,
      core,
      state: core.initial,
      hard,
      base,
      entries: [...entries],
      durable: { hard, entries },
      effects: [],
      unsynced: [],
      syncs: true,
      isFull: false,
      works: true,
    };
    this.nodes.set(options.id, node);
    const terms: TermRun[] = [];
    for (const { index, term } of entries) {
      if (terms.at(-1)?.term !== term) terms.push({ first: index, term });
    }
    const last = entries.at(-1) ?? base;
    const applied = entries.find(({ index }) => index === appliedIndex) ?? base;
    this.input(options.id, {
      kind: "recovered",
      hard,
      base,
      last: { index: last.index, term: last.term },
      applied: { index: applied.index, term: applied.term },
      terms,
    });
    return node;
  }

  node(id: string): LabNode {
    const node = this.nodes.get(name(id));
    if (node === undefined) throw new Error(`${id} does not run`);
    return node;
  }

  state(id: string): HaState {
    return this.node(id).state;
  }

  stage(id: string): Stage {
    return this.view(id).stage;
  }

  view(id: string) {
    const { core, state } = this.node(id);
    return core.view(state);
  }

  input(id: string, input: HaInput): readonly HaEffect[] {
    const node = this.node(id);
    const step = node.core.step(node.state, input);
    node.core.assertInvariants(step.state);
    node.state = step.state;
    node.effects.push(...step.effects);
    const follow: HaInput[] = [];
    for (const effect of step.effects) this.#carryOut(node, effect, follow);
    for (const next of follow) if (this.nodes.get(node.id) === node) this.input(id, next);
    return step.effects;
  }

  #carryOut(node: LabNode, effect: HaEffect, follow: HaInput[]): void {
    if (effect.kind === "persist") this.#persist(node, effect, follow);
    else if (effect.kind === "send") {
      this.letters.push({ from: node.id, to: effect.to, body: effect.body });
    } else if (effect.kind === "send_entries") {
      const { to, epoch, prev, from, upTo, commit } = effect;
      const entries = node.entries.filter((one) => one.index >= from && one.index <= upTo);
      const body: HaMessage = { kind: "wal_batch", epoch, prev, entries, commit };
      this.letters.push({ from: node.id, to, body });
      follow.push({ kind: "sent", to, epoch, upTo, bytes: 1, compacted: false });
    } else if (effect.kind === "echo") follow.push({ kind: "echoed", seq: effect.seq });
    else if (effect.kind === "ask_arbiter") {
      const { id, request } = effect;
      const answer = this.arbiter.ask({ from: node.id, id, request });
      if (answer !== undefined && request.op !== "release") {
        follow.push({ kind: "arbiter", id, answer });
      }
    } else if (node.works) this.#work(node, effect, follow);
  }

  #persist(node: LabNode, effect: Extract<HaEffect, { kind: "persist" }>, follow: HaInput[]): void {
    const { seq, truncateFrom = Number.POSITIVE_INFINITY, hard = node.hard } = effect;
    node.hard = hard;
    const kept = node.entries.filter(({ index }) => index < truncateFrom);
    const [first] = effect.entries;
    const refused = first !== undefined && node.isFull;
    node.entries = refused ? kept : [...kept, ...effect.entries];
    if (refused) follow.push({ kind: "persist_refused", seq, from: first.index });
    node.unsynced.push(seq);
    if (node.syncs) follow.push(this.#sync(node));
  }

  #sync(node: LabNode): HaInput {
    const seq = node.unsynced.at(-1) ?? 0;
    node.unsynced = [];
    node.durable = { hard: node.hard, entries: node.entries };
    return { kind: "persisted", seq, upTo: node.entries.at(-1)?.index ?? node.base.index };
  }

  #work(node: LabNode, effect: HaEffect, follow: HaInput[]): void {
    if (effect.kind === "apply") {
      const term = node.entries.find(({ index }) => index === effect.upTo)?.term ?? node.base.term;
      follow.push({ kind: "applied", upTo: { index: effect.upTo, term } });
    } else if (effect.kind === "salvage") follow.push({ kind: "salvaged", id: effect.id });
    else if (effect.kind === "full_sync") {
      const { from, epoch } = effect;
      const source = this.nodes.get(from);
      if (source === undefined) return;
      const index = source.state.applied;
      const term = source.entries.find((one) => one.index === index)?.term ?? source.base.term;
      follow.push({ kind: "copy_received", from, epoch, position: { index, term } });
    } else if (effect.kind === "install") {
      const { position } = effect;
      node.base = position;
      node.entries = [];
      node.hard = { ...node.hard, commit: position.index };
      node.durable = { hard: node.hard, entries: [] };
      follow.push({ kind: "installed", position });
    }
  }

  /** The disk reports all that it was asked for. */
  sync(id: string): void {
    const node = this.node(id);
    if (node.unsynced.length > 0) this.input(id, this.#sync(node));
  }

  message(from: string, to: string, body: HaMessage): readonly HaEffect[] {
    return this.input(to, { kind: "message", from: name(from), body });
  }

  /** Carries letters until none is left; those over a cut link are lost. */
  deliver(): void {
    for (let count = 0; this.letters.length > 0; count += 1) {
      if (count > 10_000) throw new Error("letters without end");
      const { from, to, body } = this.letters.shift() as Letter;
      if (this.cut.has(`${from}>${to}`) || !this.nodes.has(to)) continue;
      if (body.kind !== this.loses) this.message(from, to, body);
    }
  }

  /** Time goes by for every node that runs, or for those named, and for the arbiter. */
  tick(times = 1, ids?: readonly string[]): void {
    for (let count = 0; count < times; count += 1) {
      this.arbiter.now += 1;
      for (const id of ids ?? [...this.nodes.keys()]) this.input(id, { kind: "tick" });
      this.deliver();
    }
  }

  /** Ticks until it holds; fails after many. */
  until(holds: () => boolean, what: string, ticksMax = 200): void {
    for (let count = 0; !holds(); count += 1) {
      if (count >= ticksMax) throw new Error(`not within ${ticksMax} ticks: ${what}`);
      this.tick();
    }
  }

  /** All nodes with empty disks; the first founds the epoch, and every other streams in sync. */
  found(): this {
    for (const id of this.ids) this.boot(id);
    const [first, ...others] = this.ids as readonly [NodeId, ...NodeId[]];
    const streams = () => others.every((id) => this.stage(id) === "streaming");
    this.until(() => this.stage(first) === "promoted" && streams(), "everybody streams");
    for (const node of this.nodes.values()) node.effects = [];
    return this;
  }

  isolate(id: string): void {
    for (const other of this.ids) {
      this.cut.add(`${other}>${id}`);
      this.cut.add(`${id}>${other}`);
    }
  }

  propose(id: string, ...tickets: number[]): readonly HaEffect[] {
    const proposals = tickets.map((ticket) => ({ ticket, payload: new Uint8Array([ticket]) }));
    return this.input(id, { kind: "propose", proposals });
  }

  /** What the node told callers since the last look: `answer 1`, `refuse 2 NO_LEADER`. */
  answers(id: string): string[] {
    const { effects } = this.node(id);
    const told = effects.flatMap((effect): string[] => {
      if (effect.kind === "refuse") {
        return effect.tickets.map((ticket) => `refuse ${ticket} ${effect.code}`);
      }
      const kinds = ["answer", "hold", "settle", "done", "read_ready"];
      return "ticket" in effect && kinds.includes(effect.kind)
        ? [`${effect.kind} ${effect.ticket}`]
        : [];
    });
    this.node(id).effects = effects.filter(({ kind }) => kind === "note");
    return told;
  }

  notes(id: string): string[] {
    return this.node(id).effects.flatMap((one) => (one.kind === "note" ? [one.event] : []));
  }

  /** What the node asked for of one kind since the last look at its answers. */
  asked<Kind extends HaEffect["kind"]>(id: string, kind: Kind) {
    const isOne = (one: HaEffect): one is Extract<HaEffect, { kind: Kind }> => one.kind === kind;
    return this.node(id).effects.filter(isOne);
  }

  /** Letters under way, of one kind. */
  posted<Kind extends HaMessage["kind"]>(kind: Kind) {
    const isOne = (one: HaMessage): one is Extract<HaMessage, { kind: Kind }> => one.kind === kind;
    return this.letters.map(({ body }) => body).filter(isOne);
  }

  terms(id: string): readonly number[] {
    return this.node(id).entries.map(({ term }) => term);
  }
}
