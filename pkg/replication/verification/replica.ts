import { type Deferred, deferred, type LogIndex, type NodeId } from "../../base/index.js";
import type { Cancel, Clock, Logger, Timers } from "../../runtime/index.js";
import type { ContentRecord, Entry, SnapshotReader, StateMachine } from "../ports/index.js";
import { majorityOf } from "./core/judge.js";
import { VERIFY_LIMITS } from "./core/limits.js";
import type { Marker, VerifyAnswers, VerifyQuery, VerifyReply } from "./core/messages.js";
import { decodeMarker } from "./wire.js";

/** Whom a majority is made of. */
export interface Members {
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
  /** Two memberships are in force; nobody compares until there is one. */
  readonly joint: boolean;
}

/** A whole copy of another node's state that has arrived, and what to do with it when it is used. */
export interface ArrivedCopy {
  readonly index: LogIndex;
  chunks(): AsyncIterable<Uint8Array>;
  done(used: boolean): Promise<void>;
}

export interface ReplicaHost {
  readonly self: NodeId;
  members(): Members;
  leads(): boolean;
  applied(): LogIndex;
  ask<Kind extends keyof VerifyAnswers>(
    to: NodeId,
    index: LogIndex,
    query: VerifyQuery & { readonly kind: Kind },
    timeoutMs: number,
  ): Promise<VerifyReply<Kind>>;
  /** Sends the copy, closes it, and resolves when it has arrived or cannot. */
  sendCopy(to: NodeId, copy: SnapshotReader): Promise<void>;
  fail(error: unknown): void;
}

export interface ReplicaParts {
  readonly stateMachine: StateMachine;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly host: ReplicaHost;
  onRepaired(how: "repair" | "sync"): void;
}

interface Fixed {
  readonly index: LogIndex;
  readonly shards: readonly number[];
  /** The content can be looked into. */
  content: boolean;
}

interface Waiting {
  readonly index: LogIndex;
  readonly reached: Deferred<void>;
}

/**
 * One replica's side of a comparison: fixes its content at every marker, answers questions about
 * it, and is put right at markers that name it. While that goes on it stands exactly at the marker,
 * so what it takes over is of that very position, and later entries are applied on top of it.
 */
export class Replica {
  readonly #parts: ReplicaParts;
  #fixed: Fixed | undefined;
  #waiting: Waiting[] = [];
  #idle: Cancel | undefined;
  #questions = 0;
  #quarantined = false;
  #started = false;
  #closed = false;
  /** Resolves when this node closes. */
  readonly #stop: Deferred<undefined> = deferred();
  #barrier: Promise<void> = Promise.resolve();
  /** The last thing that was to be put right here. */
  #progress: { readonly index: LogIndex; state: VerifyAnswers["progress"] } | undefined;
  /** The copy that goes out, by the marker it was made at. */
  #outgoing: LogIndex | undefined;
  #arrived: ArrivedCopy | undefined;
  #arrival: Deferred<void> | undefined;
  /** Called with the id of every marker that this node has applied. */
  onMarker: (id: string, index: LogIndex) => void = () => {};

  constructor(parts: ReplicaParts) {
    this.#parts = parts;
  }

  /** From here on peers can be asked, and ask. */
  start(): void {
    this.#started = true;
  }

  /** True: it refuses strong reads and leads nobody, because its content was found wrong (FC-130). */
  get quarantined(): boolean {
    return this.#quarantined;
  }

  quarantine(): void {
    this.#quarantined = true;
  }

  /** VF-1: nothing is applied until it resolves. */
  atMarker(entry: Entry): Promise<void> {
    if (!this.#started || this.#closed) return Promise.resolve();
    this.#barrier = this.#atMarker(entry);
    return this.#barrier;
  }

  async #atMarker(entry: Entry): Promise<void> {
    const marker = decodeMarker(entry.payload);
    if (marker === undefined) return;
    const concerns = marker.ask !== "compare" && marker.node === this.#parts.host.self;
    if (concerns) this.#progress = { index: entry.index, state: "running" };
    await this.#fix(entry.index);
    this.onMarker(marker.id, entry.index);
    if (marker.ask === "sync" && marker.source === this.#parts.host.self) {
      await this.#offerCopy(marker.node, entry.index);
    }
    if (concerns) {
      const isRight = await this.#putRight(marker, entry.index);
      this.#progress = { index: entry.index, state: isRight ? "done" : "failed" };
    }
    if (this.#arrived !== undefined && this.#arrived.index <= entry.index)
      await this.#dropArrived();
  }

  async #dropArrived(): Promise<void> {
    const copy = this.#arrived;
    this.#arrived = undefined;
    await copy?.done(false);
  }

  async #fix(index: LogIndex): Promise<void> {
    const { stateMachine } = this.#parts;
    let content = false;
    const { position, shards } = await stateMachine.digest();
    try {
      content = (await stateMachine.content?.fix())?.index === index;
    } catch (error) {
      this.#note("content_not_fixed", error);
    }
    this.#fixed = position.index === index ? { index, shards, content } : undefined;
    this.#touch();
    const reached = this.#waiting.filter((one) => one.index <= index);
    this.#waiting = this.#waiting.filter((one) => one.index > index);
    for (const one of reached) one.reached.resolve();
  }

  /** Never rejects: what cannot be answered is unknown. */
  async answer<Kind extends keyof VerifyAnswers>(
    index: LogIndex,
    query: VerifyQuery & { readonly kind: Kind },
  ): Promise<VerifyReply<Kind>> {
    const { host } = this.#parts;
    try {
      await this.#reach(index);
      this.#touch();
      this.#questions += 1;
      const result = (await this.#look(index, query)) as VerifyAnswers[Kind];
      const applied = host.applied();
      return { status: "ready", applied, quarantined: this.#quarantined, result };
    } catch (error) {
      return { status: "unknown", reason: error instanceof Error ? error.message : String(error) };
    } finally {
      this.#questions = Math.max(0, this.#questions - 1);
    }
  }

  async #look(index: LogIndex, query: VerifyQuery): Promise<VerifyAnswers[keyof VerifyAnswers]> {
    if (query.kind === "copy") return this.#outgoing === index;
    if (query.kind === "progress") {
      return this.#progress?.index === index ? this.#progress.state : "failed";
    }
    const fixed = this.#fixed;
    if (fixed?.index !== index) throw new Error("nothing is fixed at the marker");
    if (query.kind === "end") {
      if (query.proven) this.#quarantined = false;
      await this.#release();
      return null;
    }
    const { content } = this.#parts.stateMachine;
    if (query.kind === "digest" && (query.sample === null || content === undefined)) {
      return { shards: fixed.shards, sample: null };
    }
    // A state machine that shows no content is taken at its word.
    if (query.kind === "sums" && content === undefined) {
      return { sums: fixed.shards, counts: fixed.shards.map(() => 0) };
    }
    if (content === undefined || !fixed.content) {
      throw new Error("the content here cannot be looked into");
    }
    if (query.kind !== "digest") return content.inspect(query);
    const sample = query.sample === null ? null : await content.inspect(query.sample);
    return { shards: fixed.shards, sample };
  }

  async #reach(index: LogIndex): Promise<void> {
    if (this.#fixed !== undefined && this.#fixed.index >= index) return;
    if (this.#waiting.length >= VERIFY_LIMITS.waitingMax) throw new Error("too many questions");
    const reached = deferred();
    const one = { index, reached };
    this.#waiting.push(one);
    const cancel = this.#parts.timers.after(VERIFY_LIMITS.reachMsMax, () => reached.resolve());
    await reached.promise;
    cancel();
    this.#waiting = this.#waiting.filter((other) => other !== one);
  }

  async #putRight(
    marker: Exclude<Marker, { readonly ask: "compare" }>,
    index: LogIndex,
  ): Promise<boolean> {
    const { host, logger, clock } = this.#parts;
    this.#quarantined = true;
    // A leader that stands still answers nobody; it hands over first.
    if (host.leads()) return false;
    const startMs = clock.monotonicMs();
    const how = marker.ask;
    const problem =
      how === "repair"
        ? await this.#repair(marker.keys, index)
        : await this.#takeCopy(marker.source, index);
    const fields = { index, durationMs: Math.round(clock.monotonicMs() - startMs) };
    if (problem !== null) {
      const text = `[verification] The ${how} failed`;
      logger.log("warn", "replica_not_repaired", text, { ...fields, reason: problem });
      return false;
    }
    this.#quarantined = false;
    this.#parts.onRepaired(how);
    logger.log("warn", "replica_repaired", `[verification] This replica was put right`, {
      ...fields,
      how,
    });
    return true;
  }

  /** VF-7: takes only what a majority of the voters has at this very position (FC-125). */
  async #repair(keys: readonly string[], index: LogIndex): Promise<string | null> {
    const { host, stateMachine } = this.#parts;
    if (stateMachine.content === undefined) return "this state machine cannot be repaired";
    let records: readonly ContentRecord[] = [];
    if (keys.length > 0) {
      const { voters } = host.members();
      const others = voters.filter((id) => id !== host.self);
      const query = { kind: "records", keys } as const;
      const replies = await this.#unlessClosing(
        Promise.all(others.map((id) => host.ask(id, index, query, VERIFY_LIMITS.repairMsMax))),
      );
      const texts = (replies ?? []).flatMap((reply) =>
        reply.status === "ready" ? [JSON.stringify(reply.result)] : [],
      );
      const right = majorityOf(texts, Math.floor(voters.length / 2) + 1);
      if (right === undefined) {
        const silent = (replies ?? []).flatMap((reply, at) =>
          reply.status === "unknown" ? [`${others[at]}: ${reply.reason}`] : [],
        );
        return `no majority says how it should be; ${silent.join("; ")}`;
      }
      records = JSON.parse(right) as readonly ContentRecord[];
    }
    try {
      await stateMachine.content.repair(records);
      return null;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** The source stands still only while it makes the copy. */
  async #offerCopy(to: NodeId, index: LogIndex): Promise<void> {
    const { host, stateMachine } = this.#parts;
    if (this.#outgoing !== undefined) return;
    try {
      const copy = await stateMachine.snapshot();
      if (copy.position.index !== index) {
        await copy.close();
        return;
      }
      this.#outgoing = index;
      void host.sendCopy(to, copy).finally(() => {
        this.#outgoing = undefined;
      });
    } catch (error) {
      this.#note("copy_failed", error);
    }
  }

  /** @returns true: the copy is kept for the marker that this node is at, or will come to */
  takeArrived(copy: ArrivedCopy): boolean {
    if (copy.index <= this.#parts.host.applied() || this.#closed) return false;
    void this.#dropArrived();
    this.#arrived = copy;
    this.#arrival?.resolve();
    return true;
  }

  async #takeCopy(source: NodeId, index: LogIndex): Promise<string | null> {
    await this.#awaitCopy(source, index);
    const copy = this.#arrived;
    this.#arrived = undefined;
    if (copy === undefined) return `no copy came from ${source}`;
    const usable = copy.index === index && !this.#closed;
    try {
      if (usable) await this.#parts.stateMachine.restore(copy.chunks());
      await copy.done(usable);
    } catch (error) {
      // The old state or the new one: which, the next start finds out.
      this.#parts.host.fail(error);
    }
    return usable ? null : "the copy is of another position";
  }

  async #awaitCopy(source: NodeId, index: LogIndex): Promise<void> {
    const { host, timers } = this.#parts;
    const { copyPollMs, copyMissesMax } = VERIFY_LIMITS;
    for (let misses = 0; misses < copyMissesMax && !this.#closed; ) {
      if (this.#arrived?.index === index) return;
      const arrival = deferred();
      this.#arrival = arrival;
      const cancel = timers.after(copyPollMs, () => arrival.resolve());
      await this.#unlessClosing(arrival.promise);
      cancel();
      this.#arrival = undefined;
      if (this.#arrived?.index === index) return;
      const reply = await this.#unlessClosing(
        host.ask(source, index, { kind: "copy" }, VERIFY_LIMITS.reachMsMax),
      );
      misses = reply?.status === "ready" && reply.result ? 0 : misses + 1;
    }
  }

  #unlessClosing<T>(wait: Promise<T>): Promise<T | undefined> {
    return Promise.race([wait, this.#stop.promise]);
  }

  /** Waits under way end, and so does the standing still. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stop.resolve(undefined);
    for (const { reached } of this.#waiting) reached.resolve();
    await this.#barrier;
    this.#idle?.();
    await this.#dropArrived();
  }

  #touch(): void {
    this.#idle?.();
    this.#idle = this.#parts.timers.after(VERIFY_LIMITS.idleMsMax, () => {
      if (this.#questions > 0) this.#touch();
      else void this.#release();
    });
  }

  async #release(): Promise<void> {
    const fixed = this.#fixed;
    if (fixed === undefined || !fixed.content) return;
    fixed.content = false;
    try {
      await this.#parts.stateMachine.content?.release();
    } catch (error) {
      this.#note("content_not_released", error);
    }
  }

  #note(event: string, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#parts.logger.log("warn", event, `[verification] ${event.replaceAll("_", " ")}`, {
      reason,
    });
  }
}
