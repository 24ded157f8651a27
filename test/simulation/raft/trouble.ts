import type { NodeId } from "../../../pkg/base/index.js";
import { ReplicationError } from "../../../pkg/replication/index.js";
import type { SeededRandom } from "../../support/index.js";
import type { Cluster } from "./cluster.js";
import { addressOf, type Machine } from "./machine.js";
import { FAULTS, type Fault } from "./swarm.js";

/** What goes wrong, and what operators do, at random moments until it is stopped. */
export class Trouble {
  /** How often each kind was tried. */
  readonly hits: Record<Fault, number>;
  /** Orders by what came of them. */
  readonly orders = new Map<string, number>();
  readonly #cluster: Cluster;
  readonly #random: SeededRandom;
  readonly #weighted: readonly Fault[];
  #over = false;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#random = cluster.random.fork("trouble");
    const { faults } = cluster.swarm;
    this.#weighted = FAULTS.flatMap((fault) => new Array<Fault>(faults[fault]).fill(fault));
    this.hits = Object.fromEntries(FAULTS.map((fault) => [fault, 0])) as Record<Fault, number>;
  }

  start(): void {
    this.#soon();
  }

  stop(): void {
    this.#over = true;
  }

  #soon(): void {
    const { time, swarm } = this.#cluster;
    const { electionMs } = swarm.timing;
    time.after(this.#random.between(electionMs / 4, 2 * electionMs), () => {
      if (this.#over) return;
      const fault = this.#random.pick(this.#weighted);
      this.hits[fault] += 1;
      this.#do(fault, this.#someone());
      this.#soon();
    });
  }

  /** Often the leader: what happens to it matters most. */
  #someone(): Machine {
    const leader = this.#cluster.leader()?.machine;
    if (leader !== undefined && this.#random.chance(2, 5)) return leader;
    return this.#random.pick([...this.#cluster.machines.values()]);
  }

  /** After a while, if the same process still runs and trouble goes on. */
  #later(machine: Machine, run: () => void): void {
    const { time, swarm } = this.#cluster;
    const { process } = machine;
    const ms = this.#random.between(10, 4 * swarm.timing.electionMs);
    time.after(ms, () => {
      if (machine.process === process && !this.#over) run();
    });
  }

  #do(fault: Fault, machine: Machine): void {
    const { network } = this.#cluster;
    const { disk, process } = machine;
    if (fault === "power_cut") machine.end("power");
    else if (fault === "power_cut_of_all") this.#powerCutOfAll();
    else if (fault === "kill") machine.end("kill");
    else if (fault === "shutdown") this.#shutdown(machine);
    else if (fault === "restart") this.#restart();
    else if (fault === "cut") this.#cut();
    else if (fault === "heal") this.#cluster.healLinks();
    else if (fault === "reset") network.reset(machine.id, this.#someone().id);
    else if (fault === "slow_link") this.#slowLink(machine.id);
    else if (fault === "pause") {
      machine.pause();
      this.#later(machine, () => machine.resume());
    } else if (fault === "slow_disk") {
      disk.syncDelayMs = this.#random.pick([0, 5, 50, 200]);
    } else if (fault === "hung_disk") {
      machine.hold("hung_disk");
      this.#later(machine, () => machine.release("hung_disk"));
    } else if (fault === "failed_sync" || fault === "full_disk") {
      if (process === undefined) return;
      process.mayFail = true;
      if (fault === "failed_sync") disk.failNextSync("EIO");
      else disk.failNextWrite("ENOSPC");
    } else if (fault === "clock_step")
      machine.stepWall(this.#random.between(-3_600_000, 3_600_000));
    else if (fault === "members") this.#changeMembers();
    else if (fault === "wipe") this.#wipe(machine);
    else this.#order(fault === "transfer" ? "transfer leadership" : "step down", this.#target());
  }

  #powerCutOfAll(): void {
    for (const machine of this.#cluster.machines.values()) machine.end("power");
  }

  #restart(): void {
    for (const machine of this.#cluster.machines.values()) machine.boot();
  }

  #shutdown(machine: Machine): void {
    const { process } = machine;
    if (process === undefined || process.stopping || !process.started) return;
    process.stopping = true;
    const end = () => {
      if (machine.process === process) machine.end("kill");
    };
    process.client.shutdown().then(end, (error: Error) => {
      if (!process.mayFail && machine.process === process) {
        this.#cluster.violations.add(`${machine.id} did not stop: ${error.message}`);
      }
      end();
    });
  }

  #cut(): void {
    const { network } = this.#cluster;
    const ids = [...this.#cluster.machines.keys()];
    const one = this.#someone().id;
    const other = this.#random.pick(ids);
    const shape = this.#random.below(6);
    const halves = new Map(ids.map((id) => [id, this.#random.chance(1, 2)]));
    for (const from of ids) {
      for (const to of ids) {
        if (from === to) continue;
        const isolated = from === one || to === one;
        const cut =
          (shape === 0 && isolated) ||
          (shape === 1 && from === one) ||
          (shape === 2 && to === one) ||
          (shape === 3 && halves.get(from) !== halves.get(to)) ||
          (shape === 4 && isolated && (from === other || to === other)) ||
          (shape === 5 && isolated && this.#random.chance(1, 2));
        if (cut) network.setLink(from, to, { cut: true });
      }
    }
  }

  #slowLink(id: NodeId): void {
    const delayMsMax = this.#random.pick([50, 400]);
    const bytesPerMs = this.#random.pick([0, 20]);
    for (const other of this.#cluster.machines.keys()) {
      if (other !== id) this.#cluster.slowLink(id, other, { delayMsMax, bytesPerMs });
    }
  }

  /** One disk at a time: with a majority of disks gone there is nothing to promise. */
  #wipe(machine: Machine): void {
    const voters = this.#cluster.membership()?.voters.length ?? 0;
    if (voters >= 3 && this.#cluster.isSettled()) machine.wipe();
  }

  #target(): { readonly target?: string } {
    return this.#random.chance(1, 2) ? {} : { target: this.#someone().id };
  }

  #changeMembers(): void {
    const { machines } = this.#cluster;
    // A wiped voter has not been replaced yet: a second loss would be one too many.
    if (!this.#cluster.isSettled()) return;
    const id = this.#random.pick([...machines.keys()]);
    const node = { node_id: id };
    const action = this.#random.pick(["add member", "remove member", "promote"]);
    const learner = this.#random.chance(1, 4);
    const args = action === "add member" ? { ...node, address: addressOf(id), learner } : node;
    this.#order(action, args);
  }

  #order(action: string, args: { readonly [name: string]: string | boolean }): void {
    const processes = this.#cluster.processes().filter(({ started }) => started);
    if (processes.length === 0) return;
    const { client } = this.#random.pick(processes);
    const count = (outcome: string) => {
      const key = `${action}: ${outcome}`;
      this.orders.set(key, (this.orders.get(key) ?? 0) + 1);
    };
    client.order(action, args).then(
      () => count("done"),
      (error: unknown) => {
        count(error instanceof ReplicationError ? error.code : String(error));
        if (error instanceof ReplicationError) return;
        this.#cluster.violations.add(`${action} ended in ${String(error)}`);
      },
    );
  }
}
