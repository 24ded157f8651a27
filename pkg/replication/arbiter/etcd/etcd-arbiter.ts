import type { Timers } from "../../../runtime/index.js";
import type {
  AcquireRequest,
  Arbiter,
  InSyncRequest,
  LeaseAnswer,
  LeaseRecord,
  PeerPayload,
  ReleaseRequest,
  RenewRequest,
} from "../../ports/index.js";
import { ArbiterError } from "../../ports/index.js";
import { PayloadFields } from "../../wire/index.js";
import {
  checkRequest,
  decide,
  type LeaseRequest,
  type LeaseState,
  recordOf,
  type StoredLease,
  sameStored,
} from "../lease.js";
import { ARBITER_LIMITS } from "../limits.js";
import { storedJson, toStored } from "../stored-lease.js";
import { RecordWatch } from "../watch-record.js";
import { EtcdError, EtcdGateway, type EtcdGatewayParts, type EtcdValue } from "./etcd-gateway.js";

export interface EtcdArbiterParts extends Omit<EtcdGatewayParts, "timeoutMs"> {
  readonly clusterId: string;
  /** Longest time for one operation, over all members that are tried. */
  readonly timeoutMs: number;
  /** Pause of a watch after a failure. */
  readonly retryMs: number;
  readonly timers: Timers;
}

/** What was read in one moment. */
interface Seen extends LeaseState {
  readonly record: EtcdValue | undefined;
  readonly holder: EtcdValue | undefined;
  readonly revision: string;
}

const NOT_THERE = "0";
/** One member that hangs leaves time for another. */
const REQUESTS_AN_OPERATION = 2;
/** A connection that was kept open may be found dead at its next use. */
const TRIES_MIN = 2;
/** A watch is begun anew after this: a member that hangs sends nothing, also no end. */
const WATCH_MS = 10_000;

/**
 * The lease in etcd: a record that stays, and beside it a key that lives as long as an etcd lease
 * that is kept alive. Every change is a transaction that takes place only on what was seen.
 */
export class EtcdArbiter implements Arbiter {
  readonly #parts: EtcdArbiterParts;
  readonly #gateway: EtcdGateway;
  readonly #folder: string;
  readonly #keys: { readonly record: string; readonly holder: string };
  readonly #watches = new Set<RecordWatch>();
  #closed = false;

  constructor(parts: EtcdArbiterParts) {
    this.#parts = parts;
    const timeoutMs = Math.max(1, Math.floor(parts.timeoutMs / REQUESTS_AN_OPERATION));
    this.#gateway = new EtcdGateway({ ...parts, timeoutMs });
    this.#folder = `/nornicdb/${parts.clusterId}/lease`;
    this.#keys = { record: `${this.#folder}/record`, holder: `${this.#folder}/holder` };
  }

  acquire(request: AcquireRequest): Promise<LeaseAnswer> {
    return this.#change({ kind: "acquire", ...request });
  }

  renew(request: RenewRequest): Promise<LeaseAnswer> {
    return this.#change({ kind: "renew", ...request });
  }

  recordInSync(request: InSyncRequest): Promise<LeaseAnswer> {
    return this.#change({ kind: "in_sync", ...request });
  }

  release(request: ReleaseRequest): Promise<LeaseAnswer> {
    return this.#change({ kind: "release", ...request });
  }

  read(): Promise<LeaseRecord> {
    return this.#tryMembers(async () => recordOf(await this.#see()));
  }

  watch(onChange: (record: LeaseRecord) => void): () => void {
    const { timers, retryMs } = this.#parts;
    let revision = NOT_THERE;
    const read = () =>
      this.#tryMembers(async () => {
        const seen = await this.#see();
        revision = seen.revision;
        return recordOf(seen);
      });
    const untilChange = (_known: LeaseRecord, stop: AbortSignal) => this.#next(revision, stop);
    const watch = new RecordWatch({ read, untilChange, timers, retryMs }, onChange);
    this.#watches.add(watch);
    return () => {
      watch.stop();
      this.#watches.delete(watch);
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const watch of this.#watches) watch.stop();
    this.#parts.http.close();
  }

  async #change(request: LeaseRequest): Promise<LeaseAnswer> {
    checkRequest(request);
    return this.#tryMembers(async () => {
      for (let attempt = 0; attempt < ARBITER_LIMITS.attemptsMax; attempt += 1) {
        const answer = await this.#attempt(request);
        if (answer !== undefined) return answer;
      }
      throw new ArbiterError("UNREACHABLE", "etcd: others keep changing the record");
    });
  }

  /** @returns undefined when the record changed meanwhile */
  async #attempt(request: LeaseRequest): Promise<LeaseAnswer | undefined> {
    const seen = await this.#see();
    const next = decide(seen, request);
    if (next === undefined) return { ok: false, record: recordOf(seen) };
    if (request.kind === "renew" && (await this.#keptAlive(seen, next))) {
      const now = await this.#see();
      if (!sameSeen(seen, now)) return undefined;
      return { ok: true, record: recordOf(now) };
    }
    const takes = request.kind === "acquire" || request.kind === "renew";
    const done = takes
      ? await this.#take(seen, next)
      : await this.#record(seen, next, request.kind === "release");
    if (!done) return undefined;
    const held = takes || (request.kind !== "release" && seen.held);
    return { ok: true, record: recordOf({ stored: next, held }) };
  }

  async #see(): Promise<Seen> {
    const reading = await this.#gateway.read([this.#keys.record, this.#keys.holder]);
    const [record, holder] = reading.values;
    const stored = record === undefined ? undefined : parseStored(record.value);
    return { record, holder, stored, held: holder !== undefined, revision: reading.revision };
  }

  /** A lease of etcd cannot become longer; one that is too short is replaced instead. */
  async #keptAlive({ stored, holder }: Seen, next: StoredLease): Promise<boolean> {
    if (holder === undefined || !sameStored(stored, next)) return false;
    return (await this.#gateway.keepAlive(holder.lease)) >= seconds(next.ttlMs);
  }

  async #take(seen: Seen, next: StoredLease): Promise<boolean> {
    const lease = await this.#gateway.grant(seconds(next.ttlMs));
    const done = await this.#gateway
      .change({
        unchanged: [
          { key: this.#keys.record, modRevision: seen.record?.modRevision ?? NOT_THERE },
          { key: this.#keys.holder, modRevision: seen.holder?.modRevision ?? NOT_THERE },
        ],
        puts: [
          { key: this.#keys.record, value: JSON.stringify(storedJson(next)) },
          { key: this.#keys.holder, value: `${next.holder} ${next.epoch}`, lease },
        ],
        deletes: [],
      })
      .catch((error: unknown) => {
        if (error instanceof EtcdError && error.leaseGone) return false;
        throw error;
      });
    const over = done ? seen.holder?.lease : lease;
    if (over !== undefined) void this.#gateway.revoke(over).catch(() => {});
    return done;
  }

  #record(seen: Seen, next: StoredLease, released: boolean): Promise<boolean> {
    return this.#gateway.change({
      unchanged: [{ key: this.#keys.record, modRevision: seen.record?.modRevision ?? NOT_THERE }],
      puts: [{ key: this.#keys.record, value: JSON.stringify(storedJson(next)) }],
      deletes: released ? [this.#keys.holder] : [],
    });
  }

  /**
   * Every operation may be begun again: it starts by looking at what is there. One that is late
   * may still take effect, as one whose answer was lost.
   */
  #tryMembers<T>(run: () => Promise<T>): Promise<T> {
    const { timers, timeoutMs } = this.#parts;
    return new Promise((resolve, reject) => {
      const over = { late: false };
      const cancel = timers.after(timeoutMs, () => {
        over.late = true;
        reject(new ArbiterError("UNREACHABLE", `etcd: not done within ${timeoutMs} ms`));
      });
      this.#begin(run, over).then(resolve, reject).finally(cancel);
    });
  }

  async #begin<T>(run: () => Promise<T>, over: { readonly late: boolean }): Promise<T> {
    const triesMax = Math.max(TRIES_MIN, this.#gateway.members);
    for (let tries = 1; ; tries += 1) {
      if (this.#closed) throw new ArbiterError("CLOSED", "the arbiter is closed");
      try {
        return await run();
      } catch (error) {
        if (!(error instanceof ArbiterError) || error.code !== "UNREACHABLE") throw error;
        this.#gateway.rotate();
        if (over.late || tries >= triesMax) throw error;
      }
    }
  }

  /** Resolves when something happened after that revision. */
  async #next(revision: string, stop: AbortSignal): Promise<void> {
    const over = new AbortController();
    const range = { from: `${this.#folder}/`, to: `${this.#folder}0`, revision };
    const signal = AbortSignal.any([stop, over.signal]);
    const cancel = this.#parts.timers.after(WATCH_MS, () => over.abort());
    try {
      await this.#gateway.watch(range, () => over.abort(), signal);
    } catch (error) {
      if (over.signal.aborted) return;
      this.#gateway.rotate();
      throw error;
    } finally {
      cancel();
    }
  }
}

function sameSeen(a: Seen, b: Seen): boolean {
  return a.record?.modRevision === b.record?.modRevision && a.holder?.lease === b.holder?.lease;
}

function seconds(ttlMs: number): number {
  return Math.ceil(ttlMs / 1000);
}

function parseStored(text: string): StoredLease {
  try {
    return toStored(new PayloadFields(JSON.parse(text) as PeerPayload, "record"));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ArbiterError("INVALID", `etcd: the record is damaged (${reason})`, { cause });
  }
}
