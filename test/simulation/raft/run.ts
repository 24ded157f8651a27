import { NO_POSITION } from "../../../pkg/base/index.js";
import { delay } from "../../../pkg/runtime/index.js";
import { checkLinearizability, checkPresence } from "../../support/linearizability/index.js";
import { Cluster } from "./cluster.js";
import type { Machine } from "./machine.js";
import { type Swarm, swarmOf } from "./swarm.js";
import { Trouble } from "./trouble.js";
import { Violation } from "./violation.js";

export interface Report {
  readonly seed: number;
  /** Steps of all cores. */
  readonly steps: number;
  readonly trace: string;
  /** Everything worth counting, by name. */
  readonly counts: ReadonlyMap<string, number>;
}

/** How long faults last, in election timeouts. */
const CHAOS_ELECTIONS = 40;
/** How long everything may take to be well again, in election timeouts. */
const CALM_ELECTIONS = 10;

/** @returns how to run the seed again */
export const replayOf = (seed: number) =>
  `npm run simulate -- --seed ${seed} --count 1 raft-cluster`;

/** First safe, then live: faults for a while, then none until all is well. */
export async function runSeed(seed: number, more: Partial<Swarm> = {}): Promise<Report> {
  try {
    return await new Run({ ...swarmOf(seed), ...more }).run();
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`seed ${seed}: ${text}\nreplay: ${replayOf(seed)}`, { cause });
  }
}

class Run {
  readonly #cluster: Cluster;
  readonly #trouble: Trouble;
  readonly #electionMs: number;

  constructor(swarm: Swarm) {
    this.#cluster = new Cluster(swarm);
    this.#trouble = new Trouble(this.#cluster);
    this.#electionMs = swarm.timing.electionMs;
  }

  async run(): Promise<Report> {
    const { sessions, machines, random, time } = this.#cluster;
    for (const machine of machines.values()) {
      time.after(random.below(this.#electionMs), () => machine.boot());
    }
    sessions.start();
    time.after(4 * this.#electionMs, () => this.#trouble.start());
    await this.#cluster.run(CHAOS_ELECTIONS * this.#electionMs);
    await this.#calm();
    await this.#checkEnd();
    await this.#shutDown();
    return this.#report();
  }

  /** No more faults: a leader and equal states, in time, while clients still write. */
  async #calm(): Promise<void> {
    const cluster = this.#cluster;
    this.#trouble.stop();
    await this.#within("every process that is stopping has stopped", () => this.#haveStopped());
    cluster.heal();
    await this.#within("a leader that serves", () => cluster.serving() !== undefined);
    let answered = false;
    void this.#probe().then(() => {
      answered = true;
    });
    await this.#within("an acknowledged write", () => answered);
    let idle = false;
    void cluster.sessions.stop().then(() => {
      idle = true;
    });
    // A session may be in the middle of its last attempts.
    await this.#within("an end of every call", () => idle, 8 * CALM_ELECTIONS);
    await this.#within("equal states", () => this.#isEven());
  }

  async #probe(): Promise<void> {
    const { sessions, time } = this.#cluster;
    do await delay(time, this.#electionMs / 10);
    while (!(await sessions.probe()));
  }

  #haveStopped(): boolean {
    return this.#cluster.processes().every(({ stopping }) => !stopping);
  }

  async #within(what: string, holds: () => boolean, elections = CALM_ELECTIONS): Promise<void> {
    if (await this.#cluster.run(elections * this.#electionMs, holds)) return;
    throw new Violation(
      `no ${what} within ${elections} election timeouts after the faults\n${this.#picture()}`,
    );
  }

  #members(): readonly Machine[] {
    const { voters = [], learners = [] } = this.#cluster.membership() ?? {};
    return [...voters, ...learners].flatMap(({ id }) => this.#cluster.machines.get(id) ?? []);
  }

  #isEven(): boolean {
    const leader = this.#cluster.serving();
    if (leader === undefined || !this.#cluster.isSettled()) return false;
    const { last } = leader.state.log;
    return this.#members().every(({ process }) => {
      const state = process?.core?.state;
      const position = process?.storage?.getWALPosition();
      return state?.applied === last && position?.index === last && state.hard.commit === last;
    });
  }

  async #checkEnd(): Promise<void> {
    const { sessions, state } = this.#cluster;
    const applied = [...state.applied.keys()];
    for (const { id, process } of this.#members()) {
      const memory = process?.storage?.memory;
      if (memory === undefined) throw new Violation(`${id} is not there`);
      state.onDigest(id, memory.recomputeDigest());
      const found: string[] = [];
      for (const request of applied) {
        if ((await memory.getNode(`mark/${request}`, NO_POSITION)) !== undefined)
          found.push(request);
      }
      const { acknowledged, unknown } = sessions;
      const report = checkPresence({ acknowledged, unknown, found });
      if (!report.ok) throw new Violation(`${id}: ${report.text}`);
    }
    this.#cluster.violations.check();
    const report = checkLinearizability(sessions.history.history());
    if (report.verdict !== "linearizable") throw new Violation(report.text);
  }

  /** Everybody leaves at once; nothing is left behind. */
  async #shutDown(): Promise<void> {
    const processes = this.#cluster.processes();
    const stopped = Promise.all(processes.map(({ client }) => client.shutdown()));
    let done: boolean | Error = false;
    stopped.then(
      () => {
        done = true;
      },
      (error: Error) => {
        done = error;
      },
    );
    await this.#within("orderly end", () => done !== false, 4 * CALM_ELECTIONS);
    if ((done as boolean | Error) instanceof Error) throw done;
    for (const { transport } of processes) {
      const calls = transport?.pendingCalls() ?? 0;
      if (calls > 0) throw new Violation(`${calls} calls are left after the end`);
    }
  }

  #picture(): string {
    const lines = [...this.#cluster.machines.values()].map((machine) => {
      const { process, id, diskId } = machine;
      const held = process?.core;
      if (process === undefined || held === undefined) return `${id} ${diskId}: no core`;
      const { state, core } = held;
      const {
        role,
        state: phase,
        reason,
        leaderId,
        term,
        commitIndex,
        appliedIndex,
        lastIndex,
      } = core.view(state);
      const peers = core
        .view(state)
        .peers.map((peer) => `${peer.id}:${peer.phase}@${peer.match}/${peer.next}`);
      return (
        `${id} ${diskId}: ${role} ${phase} ${reason ?? ""} leader ${leaderId} term ${term} ` +
        `log ${state.log.base.index}-${lastIndex} durable ${state.durable} commit ${commitIndex} ` +
        `applied ${appliedIndex} installing ${state.installing?.position.index ?? "no"} ${peers.join(" ")}`
      );
    });
    const membership = this.#cluster.membership();
    const names = (list: readonly { id: string; disk: string | null }[] = []) =>
      list.map(({ id, disk }) => `${id}(${disk})`).join();
    lines.push(
      `voters ${names(membership?.voters)} outgoing ${names(membership?.outgoing)} ` +
        `learners ${names(membership?.learners)}`,
    );
    return lines.join("\n");
  }

  #report(): Report {
    const { core, state, sessions, callHits, network, machines, time, swarm } = this.#cluster;
    const counts = new Map<string, number>(core.notes);
    for (const [event, times] of this.#cluster.lines) counts.set(`line ${event}`, times);
    const add = (name: string, amount: number) =>
      counts.set(name, (counts.get(name) ?? 0) + amount);
    for (const [name, times] of Object.entries(this.#trouble.hits)) add(`fault ${name}`, times);
    for (const [name, times] of this.#trouble.orders) add(name, times);
    for (const [name, times] of Object.entries(callHits)) add(`call ${name}`, times);
    for (const [name, times] of Object.entries(network.hits)) add(`stream ${name}`, times);
    for (const { disk } of machines.values()) {
      for (const [name, times] of Object.entries(disk.hits)) add(`disk ${name}`, times);
    }
    add("operations", sessions.history.history().length);
    add("acknowledged", sessions.acknowledged.size);
    add("unknown", sessions.unknown.size);
    add("retries", sessions.retries);
    add("bookmark reads", sessions.bookmarkReads);
    add("replayed", state.replayed);
    add("states compared", state.compared);
    add("gave up", this.#cluster.gaveUp);
    add("entries", core.committed.length);
    add("virtual seconds", Math.round(time.monotonicMs() / 1000));
    return { seed: swarm.seed, steps: core.steps, trace: time.trace.digest(), counts };
  }
}
