import type { JsonValue, RegionId } from "../../../pkg/base/index.js";
import { encodeOperations, type Operation } from "../../../pkg/storage/index.js";
import { encodeRegionOperation } from "../../../pkg/storage/regions/region-commands.js";
import type { SeededRandom } from "../../support/index.js";
import { Violation } from "../raft-core/checker.js";
import type { BindingRules } from "./binding.js";
import { type Command, type RegionCluster, START_MS } from "./region-cluster.js";
import type { RegionLink } from "./region-link.js";
import type { RegionNode } from "./region-node.js";
import type { RegionSwarm } from "./swarm.js";

export const COUNTER = "counter";
const NODE_IDS = ["a", "b"];
const EDGE_IDS = ["e", "f"];
const PATIENCE_MS = 3_000;
const WAIT_MS = 4_000;
const ATTEMPTS_MAX = 8;

interface Asked {
  readonly cluster: RegionCluster;
  readonly command: Command;
  readonly id: string;
  /** It is acknowledged once another region has it. */
  readonly waits: boolean;
  readonly attemptsMax: number;
  /** null: the state machine refused it; undefined: nobody knows. */
  readonly ended: (value: JsonValue | null | undefined) => void;
}

/** What clients and operators of all regions ask for, and what they were told. */
export class Clients {
  /** Own changes of each region that were said to be in another one, the last of them. */
  readonly reached = new Map<RegionId, number>();
  readonly counted = { acknowledged: 0, asked: 0 };
  writes = 0;
  acknowledged = 0;
  readonly #random: SeededRandom;
  #lastId = 0;

  constructor(
    private readonly swarm: RegionSwarm,
    private readonly link: RegionLink,
    random: SeededRandom,
    private readonly binding: BindingRules,
  ) {
    this.#random = random;
  }

  /** One client of the region does something. */
  act(cluster: RegionCluster): void {
    if (cluster.isGone) return;
    const kind = this.#random.below(20);
    if (kind < 14) this.#write(cluster);
    else if (kind < 17) this.#increment(cluster);
    else if (kind < 18) this.#resolve(cluster);
    else this.forget(cluster);
  }

  found(cluster: RegionCluster): void {
    const command = encodeOperations([{ op: "put_node", id: COUNTER, labels: [], properties: {} }]);
    this.#ask({ cluster, command, ended: () => {}, waits: false, attemptsMax: 1_000 });
  }

  /** An operator goes on asking until somebody answers. */
  order(
    cluster: RegionCluster,
    operation: Parameters<typeof encodeRegionOperation>[0],
    ended: Asked["ended"],
  ): void {
    const command = encodeRegionOperation(operation);
    this.#ask({ cluster, command, ended, waits: false, attemptsMax: 1_000 });
  }

  forget(cluster: RegionCluster): void {
    const beforeMs = START_MS + this.link.time.now + 1e9;
    const command = encodeRegionOperation({ op: "forget", beforeMs, after: "" });
    const ended = (value: JsonValue | null | undefined) => {
      const forgotten = (value as { readonly forgotten?: number } | null | undefined)?.forgotten;
      if (forgotten !== undefined && forgotten > 0) this.link.count("forgotten");
    };
    this.#ask({ cluster, command, ended, waits: false, attemptsMax: 1 });
  }

  #write(cluster: RegionCluster): void {
    const count = this.#random.pick([1, 1, 1, 2, 3]);
    const command = encodeOperations(Array.from({ length: count }, () => this.#operation(cluster)));
    const waits = this.#random.chance(...this.swarm.waits);
    this.writes += 1;
    const ended = (value: JsonValue | null | undefined) => {
      if (value !== null && value !== undefined) this.acknowledged += 1;
    };
    this.#ask({ cluster, command, ended, waits, attemptsMax: ATTEMPTS_MAX });
  }

  #increment(cluster: RegionCluster): void {
    const by = this.#random.between(1, 9);
    const command = encodeOperations([{ op: "increment_node", id: COUNTER, property: "hits", by }]);
    const waits = this.#random.chance(...this.swarm.waits);
    this.counted.asked += by;
    const ended = (value: JsonValue | null | undefined) => {
      if (value === null) this.counted.asked -= by;
      else if (value !== undefined) this.counted.acknowledged += by;
    };
    this.#ask({ cluster, command, ended, waits, attemptsMax: ATTEMPTS_MAX });
  }

  #resolve(cluster: RegionCluster): void {
    const open = cluster.someone()?.conflicts() ?? [];
    if (open.length === 0) return;
    const { id, losers } = this.#random.pick(open);
    const { origin, seq } = this.#random.pick(losers);
    const choice = this.#random.pick([
      { keep: "winner" } as const,
      { keep: "loser", origin, seq } as const,
      { value: `resolved ${this.#lastId}` },
    ]);
    const command = encodeRegionOperation({ op: "resolve", id, choice });
    const ended = (value: JsonValue | null | undefined) => {
      if (value !== null && value !== undefined) this.link.count("resolved");
    };
    this.#ask({ cluster, command, ended, waits: false, attemptsMax: ATTEMPTS_MAX });
  }

  /** Values are told apart, so that it can be seen whose is there; some are not, on purpose. */
  #operation({ id: region }: RegionCluster): Operation {
    const random = this.#random;
    const id = random.pick(NODE_IDS);
    const value = random.chance(1, 6) ? "same" : `${region} ${this.#lastId}`;
    const properties = Object.fromEntries([[random.pick(["p", "q"]), value]]);
    const kind = random.below(10);
    if (kind < 3) {
      return { op: "put_node", id, labels: random.pick([[], ["A"], ["A", "B"]]), properties };
    }
    if (kind < 6) return { op: "patch_node", id, properties };
    if (kind < 7) return { op: "delete_node", id, detach: random.chance(2, 3) };
    const edge = random.pick(EDGE_IDS);
    if (kind < 8) return { op: "delete_edge", id: edge };
    const [from, to] = [random.pick(NODE_IDS), random.pick(NODE_IDS)];
    return { op: "put_edge", id: edge, from, to, type: random.pick(["T", "U"]), properties };
  }

  #ask(asked: Omit<Asked, "id">): void {
    this.#lastId += 1;
    this.#attempt({ ...asked, id: `client-${this.#lastId}` }, 1);
  }

  /** A client that hears nothing asks somebody again, with the same id. */
  #attempt(asked: Asked, attempt: number): void {
    const { time, random } = this.link;
    const { cluster, command, ended } = asked;
    const again = () => {
      if (cluster.isGone || attempt >= asked.attemptsMax) ended(undefined);
      else time.after(random.between(100, 1_500), () => this.#attempt(asked, attempt + 1));
    };
    const node = cluster.someone();
    if (node?.region === undefined || cluster.isGone) {
      again();
      return;
    }
    let isOver = false;
    const once = (run: () => void) => () => {
      if (!isOver) run();
      isOver = true;
    };
    const unheard = once(again);
    time.after(PATIENCE_MS + (asked.waits ? WAIT_MS : 0), unheard);
    const id = this.binding.retryId(asked.id, attempt);
    cluster.propose(node, command, id, (result) => {
      if (result === undefined) unheard();
      else if (!result.ok) once(() => ended(null))();
      else if (!asked.waits) once(() => ended(result.value))();
      else
        this.#wait(
          node,
          once(() => ended(result.value)),
          unheard,
        );
    });
  }

  #wait(node: RegionNode, reached: () => void, unheard: () => void): void {
    const { cluster } = node;
    const seq = node.region?.meta.have.get(cluster.id) ?? 0;
    const { life } = node.node;
    const request = node.wait((isReached) => {
      this.link.count(isReached ? "reached" : "not reached");
      if (!isReached) {
        unheard();
        return;
      }
      const others = this.link.clusters.filter((other) => other !== cluster);
      if (!others.some(({ have }) => (have.get(cluster.id) ?? 0) >= seq)) {
        throw new Violation(`change ${seq} of ${cluster.id} was said to be in another region`);
      }
      this.reached.set(cluster.id, Math.max(seq, this.reached.get(cluster.id) ?? 0));
      reached();
    });
    this.link.time.after(WAIT_MS, () => {
      if (node.node.life === life && node.node.up) node.forsake(request);
    });
  }
}
