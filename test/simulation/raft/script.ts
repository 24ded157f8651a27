import type { NodeId, RequestId } from "../../../pkg/base/index.js";
import { type Receipt, ReplicationError } from "../../../pkg/replication/index.js";
import type { RaftInput, RaftState } from "../../../pkg/replication/raft/index.js";
import { encodeOperations } from "../../../pkg/storage/index.js";
import { SimNetwork, seededRandom, VirtualTime } from "../../support/index.js";
import { NO_CALL_FAULTS } from "../support/unreliable-transport.js";
import { CoreChecker } from "./core-checker.js";
import { Machine } from "./machine.js";
import { StateChecker } from "./state-checker.js";
import { FAULTS, type Swarm, swarmOf } from "./swarm.js";
import { Violations } from "./violation.js";

const DELAY_MS_MAX = 2;
const EVENTS_MAX = 500_000;

/** Nothing goes wrong unless the script says so. */
const CALM: Swarm = {
  ...swarmOf(1),
  voters: 3,
  spares: 0,
  oneFounder: false,
  timing: { electionMs: 300, heartbeatMs: 50, leaseMs: 150 },
  delayMsMax: DELAY_MS_MAX,
  calls: NO_CALL_FAULTS,
  syncMsMax: 1,
  ratePpmMax: 0,
  secret: false,
  segmentBytesMax: 8_192,
  trailingEntries: 5,
  compactionThresholdEntries: 5,
  housekeepingIntervalMs: 50,
  applyBatchEntriesMax: 64,
  inflightMessagesMax: 16,
  verifyElections: 1_000,
  faults: Object.fromEntries(FAULTS.map((fault) => [fault, 0])) as Swarm["faults"],
};

/** Something that a core was told, and when. */
export interface Heard {
  readonly node: NodeId;
  readonly atMs: number;
  readonly input: RaftInput;
}

/** Whole nodes that do what one test needs, under the eyes of the checkers. */
export class Script {
  readonly time = new VirtualTime();
  readonly network: SimNetwork;
  readonly heard: Heard[] = [];
  /** What nodes said before they gave up. */
  readonly failures = new Map<NodeId, { readonly atMs: number; readonly reason: string }>();
  readonly lines: { readonly node: NodeId; readonly event: string }[] = [];
  readonly electionMs: number;
  readonly #violations = new Violations();
  readonly #machines = new Map<NodeId, Machine>();
  #requests = 0;

  constructor(more: Partial<Swarm> = {}) {
    const swarm = { ...CALM, ...more };
    const random = seededRandom("script");
    const { time } = this;
    this.electionMs = swarm.timing.electionMs;
    this.network = new SimNetwork({
      time,
      random: random.fork("network"),
      defaults: { delayMsMin: 1, delayMsMax: swarm.delayMsMax },
    });
    const core = new CoreChecker(this.#violations);
    const state = new StateChecker(this.#violations, core);
    core.diskOf = ({ id, disk }) => disk ?? this.node(id).diskId;
    const ids = Array.from({ length: swarm.voters }, (_, at) => `n${at + 1}` as NodeId);
    const world = {
      time,
      network: this.network,
      random,
      swarm,
      calls: () => NO_CALL_FAULTS,
      callHits: { lost_question: 0, lost_answer: 0, doubled: 0, late: 0 },
      witness: {
        onStep: (...seen: Parameters<CoreChecker["onStep"]>) => {
          core.onStep(...seen);
          this.heard.push({ node: seen[0].id, atMs: time.monotonicMs(), input: seen[2] });
        },
        storageOf: (machine: Machine) => state.witness(machine.id),
        onLine: ({ id }: Machine, event: string) => void this.lines.push({ node: id, event }),
        onFailure: ({ id }: Machine, reason: string) =>
          void this.failures.set(id, { atMs: time.monotonicMs(), reason }),
      },
    };
    for (const id of ids) this.#machines.set(id, new Machine(id, ids, true, world));
  }

  node(id: string): Machine {
    return this.#machines.get(id as NodeId) as Machine;
  }

  get nodes(): readonly Machine[] {
    return [...this.#machines.values()];
  }

  /** Boots all nodes and waits until one serves and each is a voter on its disk. */
  async start(): Promise<{ readonly leader: Machine; readonly followers: readonly Machine[] }> {
    for (const machine of this.nodes) machine.boot();
    await this.until("a leader", () => this.serving() !== undefined);
    await this.until("all are known", () => this.#isFounded());
    const leader = this.serving() as Machine;
    return { leader, followers: this.nodes.filter((one) => one !== leader) };
  }

  #isFounded(): boolean {
    return this.nodes.every((machine) => {
      const state = stateOf(machine);
      const config = state?.configs.at(-1);
      if (state === undefined || config === undefined || state.leader === null) return false;
      return (
        state.hard.commit >= config.index &&
        config.membership.voters.every(({ disk }) => disk !== null)
      );
    });
  }

  /** Whoever leads and answers clients. */
  serving(): Machine | undefined {
    return this.nodes.find((machine) => {
      const held = machine.process?.core;
      return held !== undefined && !this.failures.has(machine.id) && isServing(held);
    });
  }

  /** Runs until it holds. @throws when it does not within so many election timeouts */
  async until(what: string, holds: () => boolean, elections = 20): Promise<void> {
    let over = false;
    const cancel = this.time.after(elections * this.electionMs, () => {
      over = true;
    });
    const isEnd = () => {
      this.#violations.check();
      return over || holds();
    };
    await this.time.runUntil(isEnd, { ticksMax: EVENTS_MAX });
    cancel();
    if (!holds()) throw new Error(`not within ${elections} election timeouts: ${what}`);
  }

  async elections(count: number): Promise<void> {
    await this.time.advance(count * this.electionMs);
    this.#violations.check();
  }

  /** One write at a node, under way. */
  write(at: Machine, id: string, bytes = 0): Promise<Receipt | ReplicationError> {
    this.#requests += 1;
    const properties = { ballast: "x".repeat(bytes) };
    const command = {
      ...encodeOperations([{ op: "put_node", id, properties }]),
      requestId: `r${this.#requests}` as RequestId,
    };
    const asked = at.process?.client.apply(command, { timeoutMs: 8 * this.electionMs });
    return (asked as Promise<Receipt>).catch((error: unknown) => {
      if (error instanceof ReplicationError) return error;
      throw error;
    });
  }

  /** The end of something that nodes do. */
  ended<T>(promise: Promise<T>): Promise<T> {
    return this.time.run(promise, { ticksMax: EVENTS_MAX });
  }

  cutOff(machine: Machine): void {
    for (const { id } of this.nodes) {
      if (id === machine.id) continue;
      this.network.setLink(id, machine.id, { cut: true });
      this.network.setLink(machine.id, id, { cut: true });
    }
  }

  heal(): void {
    this.network.setAll({ cut: false });
  }

  /** Every running node has applied all that the leader has. */
  isEven(): boolean {
    const leader = this.serving();
    const last = leader && stateOf(leader)?.log.last;
    return this.nodes.every((one) => !one.up || stateOf(one)?.applied === last);
  }
}

export function stateOf(machine: Machine): RaftState | undefined {
  return machine.process?.core?.state;
}

type Held = NonNullable<NonNullable<Machine["process"]>["core"]>;

function isServing({ core, state }: Held): boolean {
  return core.view(state).isLeader;
}
