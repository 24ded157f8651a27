import type { NodeId, RegionId } from "../../../pkg/base/index.js";
import type { ApplyResult, Entry } from "../../../pkg/replication/ports/index.js";
import type { RaftEffect } from "../../../pkg/replication/raft/index.js";
import type { RegionSettings } from "../../../pkg/storage/regions/region-settings.js";
import type { VersionVector } from "../../../pkg/storage/regions/version-vector.js";
import { type SeededRandom, seededRandom } from "../../support/index.js";
import type { Application } from "../raft-core/application.js";
import { Violation } from "../raft-core/checker.js";
import type { SimNode } from "../raft-core/sim-node.js";
import type { Swarm } from "../raft-core/swarm.js";
import { World } from "../raft-core/world.js";
import { LARGEST } from "../regions/command-world.js";
import { MemoryRegion } from "../regions/memory-region.js";
import type { Timeline } from "../support/timeline.js";
import type { SimRules } from "./binding.js";
import type { RegionLink } from "./region-link.js";
import { RegionNode } from "./region-node.js";

export const START_MS = 1_700_000_000_000;
/** States are compared, and kept for nodes that start again, every so many entries. */
const MARK_EVERY = 32;

export type Done = (result: ApplyResult | undefined) => void;

export interface Command {
  readonly type: number;
  readonly data: Uint8Array;
}

/** One region: a raft cluster of three, each with the region's state machine and core. */
export class RegionCluster implements Application {
  readonly id: RegionId;
  readonly settings: RegionSettings;
  readonly link: RegionLink;
  readonly world: World;
  readonly nodes: readonly RegionNode[];
  readonly random: SeededRandom;
  /** Every change it made, as it was first told, and what its state contained last. */
  readonly told: string[] = [];
  have: VersionVector = new Map();
  /** Of the wall clock of each of its nodes. */
  readonly skewMs = new Map<NodeId, number>();
  /** Nobody will hear of it again. */
  isGone = false;
  readonly #rules: SimRules;
  readonly #byId = new Map<NodeId, RegionNode>();
  readonly #results = new Map<number, ApplyResult>();
  readonly #marks = new Map<number, MemoryRegion>();
  readonly #copies = new Map<number, MemoryRegion>();
  readonly #open = new Map<number, Done>();
  #first = 0;
  #ticket = 0;

  constructor(
    settings: RegionSettings,
    swarm: Swarm,
    rules: SimRules,
    shared: { readonly time: Timeline; readonly link: RegionLink },
  ) {
    this.id = settings.self;
    this.settings = settings;
    this.link = shared.link;
    this.random = seededRandom(`cluster-${swarm.seed}`);
    this.#rules = rules;
    this.world = new World(swarm, rules.raft, { time: shared.time, app: this });
    this.nodes = [...this.world.nodes.values()].map((node) => {
      return new RegionNode(node, this, rules, new MemoryRegion(rules.machine, LARGEST));
    });
    for (const one of this.nodes) this.#byId.set(one.node.id, one);
  }

  #of(node: SimNode): RegionNode {
    return this.#byId.get(node.id) as RegionNode;
  }

  /** A node to talk to: mostly the leader. */
  someone(): RegionNode | undefined {
    const up = this.nodes.filter(({ node }) => node.up && node.state.phase !== "starting");
    const leaders = up.filter(({ node }) => node.state.role === "leader");
    if (leaders.length > 0 && this.random.chance(4, 5)) return this.random.pick(leaders);
    return up.length === 0 ? undefined : this.random.pick(up);
  }

  leader(): RegionNode | undefined {
    const leader = this.world.leader();
    return leader?.core.view(leader.state).isLeader === true ? this.#of(leader) : undefined;
  }

  /** A command as the node's process would write it; `done` hears nothing if the process dies. */
  propose({ node }: RegionNode, command: Command, id: string, done: Done): void {
    this.#ticket += 1;
    const ticket = this.#ticket;
    const wallMs = START_MS + this.world.now + (this.skewMs.get(node.id) ?? 0);
    const envelope = {
      Timestamp: new Date(wallMs).toISOString(),
      Type: command.type,
      Data: Buffer.from(command.data).toString("base64"),
      ...(id === "" ? {} : { RequestID: id }),
    };
    const payload = Buffer.from(JSON.stringify(envelope));
    this.#open.set(ticket, done);
    this.world.checker.open(ticket, { kind: "write", node: node.id, payload });
    this.world.external(node, { kind: "propose", proposals: [{ ticket, payload }] });
  }

  /** The leader hands over to one of the others. */
  handOver({ node }: RegionNode): void {
    this.#ticket += 1;
    const ticket = this.#ticket;
    this.world.checker.open(ticket, { kind: "change", node: node.id, payload: null });
    this.world.external(node, { kind: "transfer", ticket, target: null });
  }

  /** On the node's event loop, unless the process dies before. */
  soon(one: RegionNode, run: () => void): void {
    this.world.later(one.node, this.random.between(1, 15), run);
  }

  entry(index: number): Entry {
    return (this.world.checker.committed[index - 1] as { readonly entry: Entry }).entry;
  }

  booted(node: SimNode): void {
    const one = this.#of(node);
    one.boot(this.#stateAt(node.applied));
  }

  crashed(): void {}

  ticked(node: SimNode): void {
    this.#of(node).tick();
  }

  stepped(node: SimNode): void {
    this.#of(node).watch();
  }

  copied(node: SimNode): void {
    this.#copies.set(node.applied, this.#of(node).machine.copy());
  }

  installed(node: SimNode): void {
    const one = this.#of(node);
    const copy = this.#copies.get(node.applied);
    if (copy === undefined) throw new Violation("a copy of nothing was installed");
    one.machine = copy.copy();
    one.look();
  }

  applied(node: SimNode): void {
    const one = this.#of(node);
    while (one.machine.applied < node.applied) {
      const { applied } = one.machine;
      const isFirst = applied >= this.#first;
      const mark = (Math.floor(applied / MARK_EVERY) + 1) * MARK_EVERY;
      const upTo = isFirst ? applied + 1 : Math.min(node.applied, this.#first, mark);
      const entries: Entry[] = [];
      for (let at = applied + 1; at <= upTo; at += 1) {
        entries.push(node.live.at(at) ?? this.entry(at));
      }
      one.machine.takeAppended(this.id);
      const results = one.machine.apply(entries);
      if (isFirst) this.#onFirst(one.machine, results[0]);
      if (upTo === mark) this.#compare(one.machine);
    }
    one.look();
  }

  /** What no node has applied before. */
  #onFirst(machine: MemoryRegion, result: ApplyResult | undefined): void {
    this.#first = machine.applied;
    if (result !== undefined) this.#results.set(this.#first, result);
    const { region } = machine;
    if (region === undefined) return;
    this.have = region.meta.have;
    this.told.push(...machine.takeAppended(this.id));
  }

  #compare(machine: MemoryRegion): void {
    const known = this.#marks.get(machine.applied);
    if (known === undefined) this.#marks.set(machine.applied, machine.copy());
    else if (JSON.stringify(known.digest()) !== JSON.stringify(machine.digest())) {
      throw new Violation(`nodes of ${this.id} differ at entry ${machine.applied}`);
    }
  }

  #stateAt(index: number): MemoryRegion {
    let mark = Math.floor(index / MARK_EVERY) * MARK_EVERY;
    while (mark > 0 && !this.#marks.has(mark)) mark -= MARK_EVERY;
    const state = this.#marks.get(mark)?.copy() ?? new MemoryRegion(this.#rules.machine, LARGEST);
    const entries: Entry[] = [];
    for (let at = mark + 1; at <= index; at += 1) entries.push(this.entry(at));
    state.apply(entries);
    return state;
  }

  answered(_node: SimNode, effect: RaftEffect): void {
    if (effect.kind === "answer") {
      this.#end(effect.ticket, this.#results.get(effect.index));
    } else if (effect.kind === "refuse") {
      for (const ticket of effect.tickets) this.#end(ticket, undefined);
    }
  }

  #end(ticket: number, result: ApplyResult | undefined): void {
    const done = this.#open.get(ticket);
    this.#open.delete(ticket);
    done?.(result);
  }

  /** Every node that is up has applied everything, and the leader knows of nothing else. */
  isEven(): boolean {
    const leader = this.leader();
    if (leader === undefined) return false;
    const { commitIndex, lastIndex } = leader.node.core.view(leader.node.state);
    if (commitIndex !== lastIndex) return false;
    return this.nodes.every(({ node, machine }) => {
      return node.up && node.applied === lastIndex && machine.applied === lastIndex;
    });
  }
}
