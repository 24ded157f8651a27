import type { JsonValue, LogIndex, NodeId } from "../../base/index.js";
import {
  type Clock,
  type Counter,
  delay,
  type FileSystem,
  type Histogram,
  type Logger,
  type Metrics,
  type Timers,
} from "../../runtime/index.js";
import type { Answer } from "../driver/driver.js";
import type { Proposal } from "../driver/effects.js";
import { ReplicationError } from "../errors.js";
import type {
  Entry,
  PeerConnection,
  PeerMessage,
  SnapshotReader,
  StateMachine,
} from "../ports/index.js";
import { VERIFY_LIMITS } from "./core/limits.js";
import type { VerifyAnswers, VerifyQuery, VerifyReply } from "./core/messages.js";
import { writeDump } from "./dump.js";
import { Markers } from "./markers.js";
import { type ArrivedCopy, type Members, Replica } from "./replica.js";
import type { RoundReport } from "./report.js";
import { Rounds } from "./rounds.js";
import { replyFromPeer, replyToPeer, requestFromPeer, requestToPeer } from "./wire.js";

/** What the comparison needs of the mode that it serves. */
export interface VerificationHost {
  readonly self: NodeId;
  members(): Members;
  /** It leads and answers clients. */
  leads(): boolean;
  leader(): NodeId | null;
  applied(): LogIndex;
  propose(proposals: readonly Proposal[]): void;
  connection(id: NodeId): PeerConnection | undefined;
  /** Sends the copy by force, closes it, resolves when it has arrived or cannot. */
  sendCopy(to: NodeId, copy: SnapshotReader): Promise<void>;
  handOver(): void;
  /** Has the leader compare everything. */
  verifyAtLeader(leader: NodeId): Promise<JsonValue>;
  fail(error: unknown): void;
}

export interface VerificationParts {
  readonly stateMachine: StateMachine;
  readonly fileSystem: FileSystem;
  /** A folder of its own for what was found. */
  readonly directory: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Between two rounds, in milliseconds. */
  readonly intervalMs: number;
}

const DURATION_BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30];
/** How often a new leader is looked for after a hand-over, and for how long, in milliseconds. */
const LEADER_POLL_MS = 100;
const LEADER_WAIT_MS_MAX = 10_000;

/** Replicas are proven equal (D15): the node's own side of it, and the rounds while it leads. */
export class Verification {
  readonly #parts: VerificationParts;
  readonly #host: VerificationHost;
  readonly #replica: Replica;
  readonly #rounds: Rounds;
  readonly #meters: { rounds: Counter; mismatches: Counter; repairs: Counter; duration: Histogram };
  readonly #markers: Markers;
  #round: number;
  #nextMs: number | undefined;
  #isUrgent = false;
  readonly #silent = new Map<NodeId, string>();
  #running: Promise<unknown> | undefined;
  #closed = false;

  constructor(parts: VerificationParts, host: VerificationHost) {
    this.#parts = parts;
    this.#host = host;
    const { metrics, clock } = parts;
    this.#round = Math.floor(clock.wallMs() / parts.intervalMs) % VERIFY_LIMITS.sampleRounds;
    this.#meters = {
      rounds: metrics.counter(
        "nornicdb_verification_rounds_total",
        "Comparisons of replicas by this node as leader",
        ["result"],
      ),
      mismatches: metrics.counter(
        "nornicdb_verification_mismatches_total",
        "Things, or shards where things could not be named, that differed between replicas",
      ),
      repairs: metrics.counter(
        "nornicdb_verification_repairs_total",
        "Times that this node's content was put right",
        ["how"],
      ),
      duration: metrics.histogram(
        "nornicdb_verification_duration_seconds",
        "One comparison, from the marker to the verdict",
        DURATION_BUCKETS,
      ),
    };
    const ask = this.#ask.bind(this);
    this.#replica = new Replica({
      ...parts,
      host: {
        self: host.self,
        members: () => host.members(),
        leads: () => host.leads(),
        applied: () => host.applied(),
        ask,
        sendCopy: (to, copy) => host.sendCopy(to, copy),
        fail: (error) => host.fail(error),
      },
      onRepaired: (how) => this.#meters.repairs.add(1, { how }),
    });
    this.#markers = new Markers({
      self: host.self,
      clock,
      timers: parts.timers,
      leads: () => host.leads(),
      leader: () => host.leader(),
      propose: (proposals) => host.propose(proposals),
    });
    this.#replica.onMarker = (id, index) => this.#markers.applied(id, index);
    this.#rounds = new Rounds({
      self: host.self,
      members: () => host.members(),
      ask,
      mark: (wish) => this.#markers.propose(wish),
      handOver: () => {
        this.#replica.quarantine();
        host.handOver();
      },
      pause: (ms) => delay(parts.timers, ms),
    });
  }

  /** Peers can be asked from here on. */
  start(): void {
    this.#replica.start();
  }

  /** A marker was applied; nothing after it is before the promise resolves. */
  atMarker(entry: Entry): Promise<void> {
    return this.#replica.atMarker(entry);
  }

  /** VF-9: why strong reads are refused here; undefined: they are not. */
  quarantine(): ReplicationError | undefined {
    if (!this.#replica.quarantined) return undefined;
    return new ReplicationError(
      "LAGGING",
      "this node's content differs from the majority's and is being put right",
      { retryAfterMs: VERIFY_LIMITS.againMs, hint: "read from another node" },
    );
  }

  /** @returns true: it was the answer to a marker of this object */
  answered(answer: Answer): boolean {
    return this.#markers.answered(answer);
  }

  async handle(message: PeerMessage): Promise<PeerMessage> {
    const { index, query } = requestFromPeer(message);
    return replyToPeer(await this.#replica.answer(index, query));
  }

  takeArrived(copy: ArrivedCopy): boolean {
    return this.#replica.takeArrived(copy);
  }

  /** About every 100 ms. */
  tick(): void {
    const nowMs = this.#parts.clock.monotonicMs();
    if (!this.#host.leads()) {
      this.#nextMs = undefined;
      return;
    }
    this.#nextMs ??= nowMs + this.#parts.intervalMs;
    if (this.#running !== undefined) return;
    if (this.#replica.quarantined) {
      // Elected although its content is known to be wrong.
      void this.#alone(() => this.#leadNoMore());
      return;
    }
    if (nowMs < this.#nextMs) return;
    void this.#alone(() => this.#periodic());
  }

  /**
   * Compares everything, sees repairs through, and says what was found; at the leader only.
   * @throws ReplicationError `NO_LEADER` | `NOT_LEADER` | `SHUTTING_DOWN` | …: nothing was compared
   */
  async verify(): Promise<JsonValue> {
    while (this.#running !== undefined) await this.#running;
    return this.#alone(async () => {
      const rounds: RoundReport[] = [];
      for (let left = VERIFY_LIMITS.orderRoundsMax; left > 0; left -= 1) {
        const report = await this.#publish(() => this.#rounds.full());
        rounds.push(report);
        const actions = new Set(report.nodes.map(({ action }) => action));
        if (actions.has("hand_over")) return toJson(rounds, await this.#atNextLeader());
        const goesOn = ["repair", "recount", "sync", "wait"].some((one) =>
          actions.has(one as never),
        );
        if (!goesOn && (rounds.length === 1 || report.result === "equal")) break;
      }
      return toJson(rounds, null);
    });
  }

  /** Waits under way end. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#markers.close();
    await this.#replica.close();
  }

  async #alone<T>(body: () => Promise<T>): Promise<T> {
    const run = body();
    this.#running = run.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await run;
    } finally {
      this.#running = undefined;
    }
  }

  async #leadNoMore(): Promise<void> {
    this.#host.handOver();
    await this.#atNextLeader().catch(() => {});
  }

  async #periodic(): Promise<void> {
    const { clock, intervalMs, logger } = this.#parts;
    const isUrgent = this.#isUrgent;
    this.#isUrgent = false;
    try {
      const report = await this.#publish(() =>
        isUrgent ? this.#rounds.full() : this.#rounds.sample(this.#round),
      );
      if (report.depth === "sample") this.#round += 1;
      const actions = report.nodes.map(({ action }) => action);
      this.#isUrgent = actions.some((action) => action !== "none" && action !== "report");
      if (actions.includes("hand_over")) await this.#atNextLeader();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#meters.rounds.add(1, { result: "unknown" });
      logger.log("debug", "verification_skipped", "[verification] A round did not happen", {
        reason,
      });
    }
    this.#nextMs = clock.monotonicMs() + (this.#isUrgent ? VERIFY_LIMITS.againMs : intervalMs);
  }

  /** One round: what it found is told before anything is done about it. */
  async #publish(round: () => Promise<RoundReport>): Promise<RoundReport> {
    const { clock } = this.#parts;
    const startMs = clock.monotonicMs();
    const report = await round();
    this.#meters.duration.observe((clock.monotonicMs() - startMs) / 1_000);
    this.#meters.rounds.add(1, { result: report.result });
    this.#noteSilent(report);
    const told = report.result === "different" ? await this.#alarm(report) : report;
    const { index, depth } = report;
    const text = `[verification] Replicas: ${report.result}`;
    this.#parts.logger.log("debug", "replicas_compared", text, { index, depth });
    await this.#rounds.finish();
    return told;
  }

  /** Whoever cannot be compared is named when that begins, and again when its reason changes. */
  #noteSilent(report: RoundReport): void {
    for (const { id, reason } of report.nodes) {
      if (reason === null) this.#silent.delete(id);
      else if (this.#silent.get(id) !== reason) {
        this.#silent.set(id, reason);
        const text = "[verification] A replica could not be compared";
        const fields = { index: report.index, peer: id, reason };
        this.#parts.logger.log("warn", "replica_not_compared", text, fields);
      }
    }
  }

  async #alarm(report: RoundReport): Promise<RoundReport> {
    const { index, depth } = report;
    const dump = await this.#dump(report);
    for (const { id, status, action, mismatches, shards, more } of report.nodes) {
      if (status !== "different") continue;
      const differences = mismatches.length > 0 ? mismatches.length : shards.length;
      this.#meters.mismatches.add(differences);
      const text = "[verification] A replica is not like the others";
      const fields = { index, depth, peer: id, differences, more, action, dump };
      this.#parts.logger.log("error", "replica_differs", text, fields);
    }
    return { ...report, dump };
  }

  async #dump(report: RoundReport): Promise<string | null> {
    const { fileSystem, directory, clock, logger } = this.#parts;
    try {
      return await writeDump(fileSystem, directory, { at: clock.wallMs(), ...report });
    } catch (error) {
      logger.log("warn", "dump_failed", "[verification] What was found is not written down", {
        reason: error instanceof Error ? error.message : String(error),
      });
      return null;
    }
  }

  async #ask<Kind extends keyof VerifyAnswers>(
    to: NodeId,
    index: LogIndex,
    query: VerifyQuery & { readonly kind: Kind },
    timeoutMs: number,
  ): Promise<VerifyReply<Kind>> {
    if (to === this.#host.self) return this.#replica.answer<Kind>(index, query);
    const connection = this.#host.connection(to);
    if (connection === undefined) return { status: "unknown", reason: "its address is not known" };
    try {
      const message = requestToPeer({ index, query });
      return replyFromPeer<Kind>(
        await connection.call(message, { timeoutMs, priority: "bulk" }),
        query,
      );
    } catch (error) {
      return { status: "unknown", reason: error instanceof Error ? error.message : String(error) };
    }
  }

  /** VF-8: who led and differed has the next leader look again. */
  async #atNextLeader(): Promise<JsonValue> {
    const { timers, clock } = this.#parts;
    const untilMs = clock.monotonicMs() + LEADER_WAIT_MS_MAX;
    while (clock.monotonicMs() < untilMs && !this.#closed) {
      const leader = this.#host.leader();
      if (leader !== null && leader !== this.#host.self) return this.#host.verifyAtLeader(leader);
      await delay(timers, LEADER_POLL_MS);
    }
    return null;
  }
}

/** `rounds` in order of time; `then`: what the next leader found. */
function toJson(rounds: readonly RoundReport[], then: JsonValue): JsonValue {
  const first = rounds[0];
  const last = rounds.at(-1);
  const differing = new Set(first?.nodes.flatMap(({ shards }) => shards));
  return JSON.parse(
    JSON.stringify({
      result: last?.result,
      equal: last?.result === "equal",
      index: last?.index,
      shards: VERIFY_LIMITS.shards,
      differing: [...differing, ...(first?.undecided ?? [])],
      rounds,
      then,
    }),
  ) as JsonValue;
}
