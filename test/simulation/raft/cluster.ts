import type { NodeId } from "../../../pkg/base/index.js";
import type { Membership, RaftState } from "../../../pkg/replication/raft/index.js";
import type { LogFields } from "../../../pkg/runtime/index.js";
import { type SeededRandom, SimNetwork, seededRandom, VirtualTime } from "../../support/index.js";
import { type CallFaults, type CallHits, NO_CALL_FAULTS } from "../support/unreliable-transport.js";
import { CoreChecker } from "./core-checker.js";
import { Machine, type NodeProcess } from "./machine.js";
import { Sessions } from "./sessions.js";
import { StateChecker } from "./state-checker.js";
import type { Swarm } from "./swarm.js";
import { Violations } from "./violation.js";

/** A world in which more happens has got stuck in a loop. */
const EVENTS_MIN = 100_000;
const EVENTS_PER_MS = 20;

/** Lines that only a mistake of ours can cause: no byte of a state or a message is changed here. */
const NEVER: ReadonlySet<string> = new Set([
  "message_refused",
  "log_lost",
  "replica_differs",
  "replica_repaired",
  "replica_not_repaired",
]);

/** Machines on a network, clients, and the checkers that watch them all. */
export class Cluster {
  readonly swarm: Swarm;
  readonly time = new VirtualTime();
  readonly random: SeededRandom;
  readonly network: SimNetwork;
  readonly violations = new Violations();
  readonly core = new CoreChecker(this.violations);
  readonly state = new StateChecker(this.violations, this.core);
  readonly callHits: CallHits = { lost_question: 0, lost_answer: 0, doubled: 0, late: 0 };
  readonly machines = new Map<NodeId, Machine>();
  readonly sessions: Sessions;
  /** Nodes that gave up because of a disk error that was put in their way. */
  gaveUp = 0;
  /** Log lines of all nodes, by event. */
  readonly lines = new Map<string, number>();
  #calls: CallFaults;
  #calm = false;
  readonly #slowed: (readonly [NodeId, NodeId])[] = [];

  constructor(swarm: Swarm) {
    this.swarm = swarm;
    this.#calls = swarm.calls;
    this.random = seededRandom(`raft-cluster-world-${swarm.seed}`);
    this.network = new SimNetwork({
      time: this.time,
      random: this.random.fork("network"),
      defaults: { delayMsMin: 1, delayMsMax: swarm.delayMsMax },
    });
    const ids = Array.from(
      { length: swarm.voters + swarm.spares },
      (_, at) => `n${at + 1}` as NodeId,
    );
    const founders = ids.slice(0, swarm.voters);
    for (const [at, id] of ids.entries()) {
      const bootstrap = swarm.oneFounder ? at === 0 : at < swarm.voters;
      this.machines.set(id, new Machine(id, founders, bootstrap, this.#parts()));
    }
    this.core.diskOf = ({ id, disk }) => disk ?? this.machines.get(id)?.diskId ?? "";
    this.sessions = new Sessions({
      time: this.time,
      random: this.random.fork("sessions"),
      swarm,
      violations: this.violations,
      state: this.state,
      processes: () => this.#reachable(),
    });
  }

  #parts() {
    const { time, network, random, swarm, callHits } = this;
    return {
      time,
      network,
      random,
      swarm,
      callHits,
      calls: () => this.#calls,
      witness: {
        onStep: this.core.onStep.bind(this.core),
        onLine: this.#onLine.bind(this),
        storageOf: (machine: Machine) => this.state.witness(machine.id),
        onFailure: (machine: Machine, reason: string) => this.#onFailure(machine, reason),
      },
    };
  }

  #onLine(machine: Machine, event: string, message: string, fields: LogFields): void {
    this.lines.set(event, (this.lines.get(event) ?? 0) + 1);
    const cutFailed = event === "compaction_failed" && machine.process?.mayFail === false;
    if (!cutFailed && !NEVER.has(event)) return;
    this.violations.add(`${machine.id} says ${event}: ${message} ${JSON.stringify(fields)}`);
  }

  /** A node ends by itself only when its disk failed; then its process is started again. */
  #onFailure(machine: Machine, reason: string): void {
    const { process } = machine;
    if (process === undefined) return;
    if (!process.mayFail) this.violations.add(`${machine.id} gave up: ${reason}`);
    this.gaveUp += 1;
    this.time.after(this.random.below(50), () => {
      if (machine.process === process) machine.end("kill");
      if (this.#calm) machine.boot();
    });
  }

  /** Clients ask any node; when all is to be well again, members only. */
  #reachable(): NodeProcess[] {
    const { voters = [], learners = [] } = (this.#calm && this.membership()) || {};
    const members = new Set([...voters, ...learners].map(({ id }) => id));
    return [...this.machines.values()].flatMap(({ id, process }) => {
      const counts = members.size === 0 || members.has(id);
      return process === undefined || process.stopping || !counts ? [] : process;
    });
  }

  processes(): NodeProcess[] {
    return [...this.machines.values()].flatMap(({ process }) => process ?? []);
  }

  /** The machine that leads the highest term. */
  leader(): { readonly machine: Machine; readonly state: RaftState } | undefined {
    let found: { machine: Machine; state: RaftState } | undefined;
    for (const machine of this.machines.values()) {
      const state = machine.process?.core?.state;
      if (state?.role !== "leader") continue;
      if (found === undefined || state.hard.term > found.state.hard.term)
        found = { machine, state };
    }
    return found;
  }

  /** The leader when it serves. */
  serving(): { readonly machine: Machine; readonly state: RaftState } | undefined {
    const leader = this.leader();
    const core = leader?.machine.process?.core;
    return core?.core.view(core.state).isLeader ? leader : undefined;
  }

  membership(): Membership | undefined {
    return this.leader()?.state.configs.at(-1)?.membership;
  }

  /** Every voter is on the disk that the membership names, and no change is under way. */
  isSettled(): boolean {
    const leader = this.serving();
    const config = leader?.state.configs.at(-1);
    if (leader === undefined || config === undefined) return false;
    const { voters, outgoing } = config.membership;
    if (config.index > leader.state.hard.commit || outgoing.length > 0) return false;
    return voters.every(({ id, disk }) => this.machines.get(id)?.diskId === disk);
  }

  /** No fault any more, but clocks keep their rates. */
  heal(): void {
    this.#calm = true;
    this.#calls = NO_CALL_FAULTS;
    this.healLinks();
    for (const machine of this.machines.values()) {
      machine.resume();
      machine.release("hung_disk");
      machine.disk.forgetFailures();
      machine.disk.syncDelayMs = Math.min(machine.disk.syncDelayMs, this.swarm.syncMsMax);
      if (machine.process?.stopping !== true) machine.boot();
    }
  }

  /** From now on that link is slow, and what is written to it queues up. */
  slowLink(from: NodeId, to: NodeId, link: { delayMsMax: number; bytesPerMs: number }): void {
    this.network.setLink(from, to, link);
    this.#slowed.push([from, to]);
  }

  /** What had queued up on slow links is lost with its connections. */
  healLinks(): void {
    const { delayMsMax } = this.swarm;
    this.network.setAll({ cut: false, refuse: false, delayMsMin: 1, delayMsMax, bytesPerMs: 0 });
    for (const [from, to] of this.#slowed.splice(0)) this.network.reset(from, to);
  }

  /**
   * Runs what is due within the next `ms`, or until something holds, and looks for violations after
   * every event.
   * @returns whether it holds
   */
  async run(ms: number, until: () => boolean = () => false): Promise<boolean> {
    let over = false;
    const cancel = this.time.after(ms, () => {
      over = true;
    });
    const isEnd = () => {
      this.violations.check();
      return over || until();
    };
    await this.time.runUntil(isEnd, { ticksMax: EVENTS_MIN + ms * EVENTS_PER_MS });
    cancel();
    return until();
  }
}
