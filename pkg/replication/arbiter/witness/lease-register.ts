import type { Cancel, Clock, FileSystem, Metrics, Timers } from "../../../runtime/index.js";
import { ArbiterError, type LeaseAnswer, type LeaseRecord } from "../../ports/index.js";
import {
  checkRequest,
  decide,
  type LeaseRequest,
  type LeaseState,
  recordOf,
  type StoredLease,
  sameRecord,
  sameStored,
} from "../lease.js";
import { ARBITER_LIMITS } from "../limits.js";
import { RecordFiles } from "./record-files.js";

export interface LeaseRegisterParts {
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly metrics: Metrics;
  /** The disk can no longer be trusted: nothing more is answered and the process must end. */
  readonly onFailed: (reason: Error) => void;
}

interface Slot {
  stored: StoredLease | undefined;
  /** On the monotonic clock. */
  heldUntilMs: number;
  /** The request before, answered or refused. */
  last: Promise<unknown>;
  queued: number;
  readonly watchers: Set<() => void>;
}

/**
 * The leases of many clusters, each a durable record. Requests of one cluster take effect one after
 * the other, and none is answered before what it saw or changed is on the disk.
 */
export class LeaseRegister {
  readonly #parts: LeaseRegisterParts;
  readonly #files: RecordFiles;
  readonly #slots = new Map<string, Slot>();
  readonly #meters: ReturnType<typeof metersOf>;
  #waits = 0;
  #failed: Error | undefined;
  #closed = false;

  private constructor(parts: LeaseRegisterParts) {
    this.#parts = parts;
    this.#files = new RecordFiles(parts.directory, parts.fileSystem);
    this.#meters = metersOf(parts.metrics);
  }

  /**
   * A lease that was not released counts as held for one more whole TTL: when it was renewed last is
   * not on the disk.
   * @throws Error when a record cannot be read
   */
  static async open(parts: LeaseRegisterParts): Promise<LeaseRegister> {
    const register = new LeaseRegister(parts);
    for (const [cluster, stored] of await register.#files.readAll()) {
      const slot = register.#slot(cluster);
      slot.stored = stored;
      register.#prolong(slot);
      register.#meters.epoch.set(stored.epoch, { cluster });
    }
    return register;
  }

  get clusters(): number {
    return this.#slots.size;
  }

  /** @throws ArbiterError `INVALID`, `REFUSED` (nothing happened), `UNREACHABLE` (unknown) */
  async ask(cluster: string, request: LeaseRequest): Promise<LeaseAnswer> {
    checkRequest(request);
    return this.#inOrder(cluster, async (slot) => {
      const answer = await this.#carryOut(cluster, slot, request);
      this.#meters.requests.add(1, { request: request.kind, result: answer.ok ? "ok" : "refused" });
      return answer;
    });
  }

  /** What is in memory is durable: a change shows there only after its sync. */
  read(cluster: string): LeaseRecord {
    if (this.#failed !== undefined) throw this.#failed;
    return recordOf(this.#state(this.#slot(cluster)));
  }

  /** @returns the record as soon as it is not `known`, or after `waitMs` whatever it is */
  async changed(cluster: string, known: LeaseRecord, waitMs: number): Promise<LeaseRecord> {
    if (this.#waits >= ARBITER_LIMITS.waitsMax) {
      throw new ArbiterError("REFUSED", "the witness holds too many watches; poll instead");
    }
    this.#waits += 1;
    try {
      const endMs = this.#now() + Math.min(waitMs, ARBITER_LIMITS.waitMsMax);
      for (;;) {
        const record = this.read(cluster);
        const leftMs = endMs - this.#now();
        if (!sameRecord(record, known) || leftMs <= 0 || this.#closed) return record;
        await this.#untilChange(cluster, leftMs);
      }
    } finally {
      this.#waits -= 1;
    }
  }

  /** Held-open watches are answered; what is on its way to the disk is waited for. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { watchers } of this.#slots.values()) for (const wake of [...watchers]) wake();
    await Promise.all([...this.#slots.values()].map(({ last }) => last));
  }

  #now(): number {
    return this.#parts.clock.monotonicMs();
  }

  #slot(cluster: string): Slot {
    const known = this.#slots.get(cluster);
    if (known !== undefined) return known;
    if (this.#slots.size >= ARBITER_LIMITS.clustersMax) {
      const text = `the witness serves ${ARBITER_LIMITS.clustersMax} clusters and takes no more`;
      throw new ArbiterError("REFUSED", text);
    }
    const slot: Slot = {
      stored: undefined,
      heldUntilMs: Number.NEGATIVE_INFINITY,
      last: Promise.resolve(),
      queued: 0,
      watchers: new Set(),
    };
    this.#slots.set(cluster, slot);
    this.#meters.clusters.set(this.#slots.size);
    return slot;
  }

  async #inOrder<T>(cluster: string, run: (slot: Slot) => Promise<T>): Promise<T> {
    const slot = this.#slot(cluster);
    if (slot.queued >= ARBITER_LIMITS.requestsMax) {
      throw new ArbiterError("REFUSED", "too many requests of this cluster wait for the disk");
    }
    slot.queued += 1;
    const turn = slot.last.then(() => {
      if (this.#failed !== undefined) throw this.#failed;
      return run(slot);
    });
    slot.last = turn.catch(() => {}).finally(() => (slot.queued -= 1));
    return turn;
  }

  async #carryOut(cluster: string, slot: Slot, request: LeaseRequest): Promise<LeaseAnswer> {
    const next = decide(this.#state(slot), request);
    if (next === undefined) return { ok: false, record: recordOf(this.#state(slot)) };
    if (!sameStored(slot.stored, next)) await this.#persist(cluster, next);
    const before = recordOf(this.#state(slot));
    slot.stored = next;
    if (request.kind === "release") slot.heldUntilMs = Number.NEGATIVE_INFINITY;
    else if (request.kind !== "in_sync") this.#prolong(slot);
    const record = recordOf(this.#state(slot));
    this.#meters.epoch.set(record.epoch, { cluster });
    if (!sameRecord(before, record)) for (const wake of [...slot.watchers]) wake();
    return { ok: true, record };
  }

  async #persist(cluster: string, next: StoredLease): Promise<void> {
    const { clock, fileSystem, directory, onFailed } = this.#parts;
    if (fileSystem.freeBytes(directory) < ARBITER_LIMITS.recordBytesMax) {
      throw new ArbiterError("REFUSED", "the disk of the witness is full; renewing goes on");
    }
    const startMs = clock.monotonicMs();
    try {
      await this.#files.write(cluster, next);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const text = `the record of ${cluster} could not be made durable: ${reason}`;
      this.#failed = new ArbiterError("UNREACHABLE", text, { cause });
      onFailed(this.#failed);
      throw this.#failed;
    }
    this.#meters.writing.observe((clock.monotonicMs() - startMs) / 1000);
  }

  #prolong(slot: Slot): void {
    if (slot.stored === undefined || slot.stored.released) return;
    slot.heldUntilMs = this.#now() + slot.stored.ttlMs;
  }

  #state({ stored, heldUntilMs }: Slot): LeaseState {
    return { stored, held: this.#now() < heldUntilMs };
  }

  /** Resolves at the next change, at the end of the lease, or after `leftMs`. */
  #untilChange(cluster: string, leftMs: number): Promise<void> {
    const slot = this.#slot(cluster);
    const heldMs = slot.heldUntilMs - this.#now();
    return new Promise((resolve) => {
      let cancel: Cancel = () => {};
      const wake = () => {
        cancel();
        slot.watchers.delete(wake);
        resolve();
      };
      slot.watchers.add(wake);
      cancel = this.#parts.timers.after(heldMs > 0 ? Math.min(heldMs, leftMs) : leftMs, wake);
    });
  }
}

const WRITE_SECONDS = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5];

function metersOf(metrics: Metrics) {
  return {
    clusters: metrics.gauge("nornicdb_witness_clusters", "Clusters that have a record."),
    epoch: metrics.gauge("nornicdb_witness_epoch", "Newest epoch granted.", ["cluster"]),
    requests: metrics.counter(
      "nornicdb_witness_requests_total",
      "Requests for a lease, by kind and result.",
      ["request", "result"],
    ),
    writing: metrics.histogram(
      "nornicdb_witness_write_duration_seconds",
      "Time to make a changed record durable.",
      WRITE_SECONDS,
    ),
  };
}
