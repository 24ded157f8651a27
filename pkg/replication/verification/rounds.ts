import type { LogIndex, NodeId } from "../../base/index.js";
import type { ContentKey } from "../ports/index.js";
import {
  decide,
  differences,
  diffKeys,
  judge,
  type Mismatch,
  type NodeSums,
  sampleShards,
  samplesDiffer,
  type Verdict,
} from "./core/judge.js";
import { VERIFY_LIMITS } from "./core/limits.js";
import type {
  DigestQuery,
  Marker,
  VerifyAnswers,
  VerifyQuery,
  VerifyReply,
} from "./core/messages.js";
import type { Members, ReplicaHost } from "./replica.js";
import type { NamedMismatch, NodeReport, RoundReport } from "./report.js";

/** A marker without its id. */
export type Wish = Marker extends infer M ? (M extends Marker ? Omit<M, "id"> : never) : never;

export interface RoundsHost extends Pick<ReplicaHost, "self" | "members" | "ask"> {
  /** Resolves when this node, as leader, has applied the marker. @throws ReplicationError */
  mark(wish: Wish): Promise<LogIndex>;
  /** Gives leadership to a node whose content is right. */
  handOver(): void;
  pause(ms: number): Promise<void>;
}

type Reply<Kind extends keyof VerifyAnswers> = readonly [NodeId, VerifyReply<Kind>];
type Wanted = { readonly keys: readonly string[] } | { readonly source: NodeId };
type Found = Omit<NodeReport, "id" | "status" | "reason">;

const NOTHING: Found = { shards: [], action: "none", mismatches: [], more: false };

/**
 * What the leader does in a round: mark, ask, compare, narrow; `finish` has one replica put right.
 */
export class Rounds {
  readonly #host: RoundsHost;
  /** Repairs of a replica that did not make it equal; after the second its state is replaced. */
  readonly #tries = new Map<NodeId, number>();
  #planned: { readonly node: NodeId; readonly wanted: Wanted } | undefined;
  /** Who is told that the round is over, and whether its content was right. */
  #ends: (readonly [NodeId, boolean])[] = [];
  /** The newest marker of this round. */
  #lastMark = 0 as LogIndex;

  constructor(host: RoundsHost) {
    this.#host = host;
  }

  /** VF-2, VF-5: kept sums and a sample; a difference is looked into at once. */
  async sample(round: number): Promise<RoundReport> {
    const { members, index } = await this.#mark();
    const sample = {
      kind: "sample" as const,
      shards: sampleShards(round),
      keysMax: VERIFY_LIMITS.sampleKeysMax,
      seed: index,
    };
    const replies = await this.#askDigests(members, index, sample);
    if (differ(replies) || replies.some(isQuarantined)) return this.#full(members, index);
    return this.#close(members, index, "sample", replies, undefined, new Map());
  }

  /** VF-3: everything, made from the stored bytes. */
  async full(): Promise<RoundReport> {
    const { members, index } = await this.#mark();
    return this.#full(members, index);
  }

  async #mark(): Promise<{ readonly members: Members; readonly index: LogIndex }> {
    this.#planned = undefined;
    this.#ends = [];
    const index = await this.#host.mark({ ask: "compare" });
    this.#lastMark = index;
    return { members: this.#host.members(), index };
  }

  async #full(members: Members, index: LogIndex): Promise<RoundReport> {
    const kept = await this.#askDigests(members, index, null);
    const stored = await Promise.all(
      kept.map(async ([id, reply]): Promise<Reply<"sums">> => {
        if (reply.status === "unknown") return [id, reply];
        return [id, await this.#host.ask(id, index, { kind: "sums" }, VERIFY_LIMITS.answerMsMax)];
      }),
    );
    const nodes: NodeSums[] = [];
    for (const [at, [node, sums]] of stored.entries()) {
      const digest = kept[at]?.[1];
      if (sums.status !== "ready" || digest?.status !== "ready") continue;
      const isVoter = members.voters.includes(node);
      nodes.push({ node, isVoter, kept: digest.result.shards, stored: sums.result.sums });
    }
    const verdict = judge(members.voters.length, nodes);
    const leader = stored.find(([node]) => node === this.#host.self)?.[1];
    const ahead = leader?.status === "ready" ? leader.applied : index;
    const found = new Map<NodeId, Found>();
    let isFree = true;
    for (const { node } of nodes) {
      const reply = stored.find(([id]) => id === node)?.[1];
      const gapEntries = ahead - (reply?.status === "ready" ? reply.applied : ahead);
      const one = await this.#lookInto(node, verdict, nodes, { index, gapEntries, isFree });
      if (one.action !== "none" && one.action !== "report") isFree = false;
      found.set(node, one);
    }
    return this.#close(members, index, "full", stored, verdict, found);
  }

  async #lookInto(
    node: NodeId,
    verdict: Verdict,
    nodes: readonly NodeSums[],
    at: { readonly index: LogIndex; readonly gapEntries: number; readonly isFree: boolean },
  ): Promise<Found> {
    const shards = verdict.differing.get(node) ?? [];
    if (shards.length === 0) {
      if (!verdict.miscounted.has(node)) {
        this.#tries.delete(node);
        return verdict.undecided.length > 0 ? { ...NOTHING, action: "report" } : NOTHING;
      }
      return { ...NOTHING, action: this.#plan(node, at.isFree, { keys: [] }) };
    }
    const source = this.#sourceFor(verdict, nodes);
    if (source === undefined) return { ...NOTHING, shards, action: "report", more: true };
    const { mismatches, more } = await this.#narrow(node, source, shards, at.index);
    const tried = this.#tries.get(node) ?? 0;
    const count = more || tried >= 2 ? null : mismatches.length;
    const keys = mismatches.map(({ key }) => key);
    const how = decide({ count, gapEntries: at.gapEntries });
    const wanted = how === "repair" ? { keys } : { source };
    return { shards, mismatches, more, action: this.#plan(node, at.isFree, wanted) };
  }

  /** A voter with nothing wrong; rather one that does not lead, since it stands still for a copy. */
  #sourceFor(verdict: Verdict, nodes: readonly NodeSums[]): NodeId | undefined {
    const sound = nodes.filter(
      ({ node, isVoter }) =>
        isVoter && !verdict.differing.has(node) && !verdict.miscounted.has(node),
    );
    return (sound.find(({ node }) => node !== this.#host.self) ?? sound[0])?.node;
  }

  #plan(node: NodeId, isFree: boolean, wanted: Wanted): NodeReport["action"] {
    if (!isFree) return "wait";
    this.#planned = { node, wanted };
    if (node === this.#host.self) return "hand_over";
    if ("source" in wanted) return "sync";
    return wanted.keys.length === 0 ? "recount" : "repair";
  }

  /** Ends the round: does what the report says, and lets everybody go on. */
  async finish(): Promise<void> {
    const planned = this.#planned;
    this.#planned = undefined;
    if (planned !== undefined) await this.#act(planned.node, planned.wanted);
    const ends = this.#ends;
    this.#ends = [];
    for (const [id, proven] of ends) {
      const end = { kind: "end" as const, proven };
      void this.#host.ask(id, this.#lastMark, end, VERIFY_LIMITS.answerMsMax);
    }
  }

  async #act(node: NodeId, wanted: Wanted): Promise<void> {
    if (node === this.#host.self) {
      this.#host.handOver();
      return;
    }
    const isSync = "source" in wanted;
    if (!isSync) this.#tries.set(node, (this.#tries.get(node) ?? 0) + 1);
    const wish = isSync
      ? { ask: "sync" as const, node, source: wanted.source }
      : { ask: "repair" as const, node, keys: wanted.keys };
    await this.#seeThrough(node, await this.#host.mark(wish));
  }

  /** Until then no other marker may come: what the others have fixed here is what it needs. */
  async #seeThrough(node: NodeId, index: LogIndex): Promise<void> {
    this.#lastMark = index;
    const { copyPollMs, copyMissesMax, reachMsMax } = VERIFY_LIMITS;
    for (let misses = 0; misses < copyMissesMax; ) {
      const query = { kind: "progress" } as const;
      const reply = await this.#host.ask(node, index, query, 2 * reachMsMax);
      if (reply.status === "ready" && reply.result !== "running") return;
      misses = reply.status === "ready" ? 0 : misses + 1;
      await this.#host.pause(copyPollMs);
    }
  }

  /** Shards to buckets to keys; as far as it helps to name what differs. */
  async #narrow(node: NodeId, source: NodeId, shards: readonly number[], index: LogIndex) {
    const unknown = { mismatches: [] as readonly NamedMismatch[], more: true };
    const { narrowMax, keysMax } = VERIFY_LIMITS;
    const first = shards.slice(0, narrowMax);
    const buckets = await this.#askTwo(node, source, index, { kind: "buckets", shards: first });
    if (buckets === undefined) return unknown;
    const all = first.flatMap((shard, at) =>
      differences(buckets.here[at] ?? [], buckets.right[at] ?? []).map(
        (bucket) => bucket * VERIFY_LIMITS.shards + shard,
      ),
    );
    const places = all.slice(0, narrowMax);
    const keys = await this.#askTwo(node, source, index, { kind: "keys", places, keysMax });
    if (keys === undefined || keys.here === null || keys.right === null) return unknown;
    const found = diffKeys(keys.here as readonly ContentKey[], keys.right as readonly ContentKey[]);
    const named = found.slice(0, VERIFY_LIMITS.repairKeysMax + 1);
    const more = shards.length > narrowMax || all.length > narrowMax || found.length > named.length;
    return { mismatches: await this.#withCommands(source, index, named), more };
  }

  /** FC-130, S1.65: which commands wrote what differs, for whoever looks for the cause. */
  async #withCommands(
    source: NodeId,
    index: LogIndex,
    found: readonly Mismatch[],
  ): Promise<readonly NamedMismatch[]> {
    const indexes = found.flatMap(({ version, rightVersion }) => [version ?? 0, rightVersion ?? 0]);
    const query = { kind: "commands" as const, indexes };
    const reply = await this.#host.ask(source, index, query, VERIFY_LIMITS.answerMsMax);
    const texts = reply.status === "ready" ? reply.result : [];
    return found.map((one, at) => ({
      ...one,
      command: texts[2 * at] ?? null,
      rightCommand: texts[2 * at + 1] ?? null,
    }));
  }

  async #askTwo<Kind extends keyof VerifyAnswers>(
    node: NodeId,
    source: NodeId,
    index: LogIndex,
    query: VerifyQuery & { readonly kind: Kind },
  ) {
    const [here, right] = await Promise.all(
      [node, source].map((id) => this.#host.ask<Kind>(id, index, query, VERIFY_LIMITS.answerMsMax)),
    );
    if (here?.status !== "ready" || right?.status !== "ready") return undefined;
    return { here: here.result, right: right.result };
  }

  /** Also finds out who answers at all; only those are asked what takes longer. */
  #askDigests(
    { voters, learners }: Members,
    index: LogIndex,
    sample: DigestQuery["sample"],
  ): Promise<readonly Reply<"digest">[]> {
    const query = { kind: "digest" as const, sample };
    const ask = async (id: NodeId): Promise<Reply<"digest">> => [
      id,
      await this.#host.ask(id, index, query, 2 * VERIFY_LIMITS.reachMsMax),
    ];
    return Promise.all([...voters, ...learners].map(ask));
  }

  /** What came out. */
  #close(
    members: Members,
    index: LogIndex,
    depth: RoundReport["depth"],
    replies: readonly Reply<"sums" | "digest">[],
    verdict: Verdict | undefined,
    found: ReadonlyMap<NodeId, Found>,
  ): RoundReport {
    const nodes = replies.map(([id, reply]): NodeReport => {
      const one = found.get(id) ?? NOTHING;
      const differs = one.action !== "none";
      const proven = depth === "full" && !differs && reply.status === "ready";
      if (reply.status === "ready") this.#ends.push([id, proven]);
      if (reply.status === "unknown") {
        return { id, status: "unknown", reason: reply.reason, ...NOTHING };
      }
      return { id, status: differs ? "different" : "equal", reason: null, ...one };
    });
    const undecided = verdict?.undecided ?? [];
    const isEqual = !members.joint && nodes.every(({ status }) => status === "equal");
    const differs = undecided.length > 0 || nodes.some(({ status }) => status === "different");
    const result = differs ? "different" : isEqual ? "equal" : "unknown";
    return { result, depth, index, undecided, nodes, dump: null };
  }
}

/** True when two of the replicas that answered are not alike. */
function differ(replies: readonly Reply<"digest">[]): boolean {
  const ready = replies.flatMap(([, reply]) => (reply.status === "ready" ? [reply.result] : []));
  const [first, ...rest] = ready;
  return rest.some((one) => {
    if (first === undefined || differences(first.shards, one.shards).length > 0) return true;
    if (first.sample === null || one.sample === null) return false;
    return samplesDiffer(first.sample, one.sample).length > 0;
  });
}

/** It differed once, and nobody has said since that it does not. */
function isQuarantined([, reply]: Reply<"digest">): boolean {
  return reply.status === "ready" && reply.quarantined;
}
