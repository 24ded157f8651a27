import type { RegionId } from "../../../pkg/base/index.js";
import type {
  ChangesAnswer,
  ChangesMessage,
  RegionInput,
} from "../../../pkg/replication/multi-region/core/index.js";
import {
  readAnswerFrame,
  readChangesFrame,
  toAnswerFrame,
  toChangesFrame,
} from "../../../pkg/replication/multi-region/wire/index.js";
import type { SeededRandom } from "../../support/index.js";
import type { Timeline } from "../support/timeline.js";
import type { BindingRules } from "./binding.js";
import type { RegionCluster } from "./region-cluster.js";
import type { RegionNode } from "./region-node.js";
import type { RegionSwarm } from "./swarm.js";

const CALL_MS = 2_500;

/** Everything between regions: calls that are late, lost, doubled or cut off for minutes. */
export class RegionLink {
  readonly counts = new Map<string, number>();
  readonly clusters: RegionCluster[] = [];
  /** `from>to` and until when. */
  readonly cuts = new Map<string, number>();
  calm = false;
  /** Own changes that any leader of a region has sent to another region, the last of them. */
  readonly #sent = new Map<string, number>();

  constructor(
    readonly swarm: RegionSwarm,
    readonly random: SeededRandom,
    readonly time: Timeline,
    readonly binding: BindingRules,
  ) {}

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  /** Frames and commands that other regions are the reason for. */
  get traffic(): number {
    return (this.counts.get("sent") ?? 0) + (this.counts.get("proposed") ?? 0);
  }

  send(
    from: RegionNode,
    effect: {
      readonly region: RegionId;
      readonly ticket: number;
      readonly message: ChangesMessage;
    },
  ): void {
    const { region, ticket } = effect;
    const { life } = from.node;
    const self = from.cluster.id;
    let isOver = false;
    const end = (input: RegionInput) => {
      if (isOver || from.node.life !== life) return;
      isOver = true;
      from.cluster.world.later(from.node, 0, () => from.input(input));
    };
    this.count("sent");
    this.time.after(CALL_MS, () => end({ kind: "unreachable", region, ticket }));
    const cluster = this.clusters.find(({ id }) => id === region) as RegionCluster;
    const target = cluster.nodes[(from.targets.get(region) ?? 0) % cluster.nodes.length];
    if (target === undefined || this.#isLost(self, region)) return;
    const own = effect.message.runs.find(({ origin }) => origin === self);
    if (own !== undefined) {
      this.#sent.set(`${self}>${region}`, own.firstSeq + own.texts.length - 1);
    }
    const frame = JSON.stringify(toChangesFrame(effect.message).payload);
    const copies = !this.calm && this.random.chance(1, 12) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      this.time.after(this.#delay(), () => {
        if (!target.node.up) return;
        cluster.world.later(target.node, 0, () =>
          target.request(readChangesFrame(JSON.parse(frame)), (answer) => {
            if (this.#isLost(region, self)) return;
            const reply = JSON.stringify(toAnswerFrame(answer).payload);
            this.time.after(this.#delay(), () => {
              const heard = this.#heard(readAnswerFrame(JSON.parse(reply)), self, region);
              end({ kind: "reply", region, ticket, answer: heard });
            });
          }),
        );
      });
    }
  }

  /** What was answered, as the sender's region takes it. */
  #heard(answer: ChangesAnswer, from: RegionId, to: RegionId): ChangesAnswer {
    if (!("have" in answer)) return answer;
    const sent = this.#sent.get(`${from}>${to}`) ?? 0;
    const have = new Map(answer.have);
    return { ...answer, have: have.set(from, this.binding.position(have.get(from) ?? 0, sent)) };
  }

  #delay(): number {
    const { linkDelayMsMax, linkSpike } = this.swarm;
    const spike = !this.calm && this.random.chance(...linkSpike) ? this.random.below(6_000) : 0;
    return this.random.between(1, linkDelayMsMax) + spike;
  }

  #isLost(from: RegionId, to: RegionId): boolean {
    if (this.calm) return false;
    const isCut = (this.cuts.get(`${from}>${to}`) ?? 0) > this.time.now;
    return isCut || this.random.chance(...this.swarm.linkLoss);
  }
}
