import type { NodeId, Term } from "../../base/index.js";

/** What the arbiter holds for one cluster. */
export interface LeaseRecord {
  /** Of the newest lease ever granted; only grows; 0 before the first. */
  readonly epoch: Term;
  /** Who was granted it, also when it no longer runs; null before the first. */
  readonly holder: NodeId | null;
  /** Who may be promoted without an operator; the holder is always among them. */
  readonly inSync: readonly NodeId[];
  /** The lease runs: whoever else asks is refused. False after its TTL and after a release. */
  readonly held: boolean;
}

/** `ok` false: the arbiter decided against it and nothing changed; `record` says what holds instead. */
export interface LeaseAnswer {
  readonly ok: boolean;
  readonly record: LeaseRecord;
}

export interface AcquireRequest {
  readonly candidate: NodeId;
  /** The least epoch to be granted; the candidate's own must be below it. */
  readonly epoch: Term;
  /** Who may be promoted from now on; the candidate is added. */
  readonly inSync: readonly NodeId[];
  readonly ttlMs: number;
  /** An operator's word: waives the set, never a lease of another node that runs. */
  readonly force?: boolean | undefined;
  /**
   * Granted only while the record still has this epoch. Without it a request that is late replaces
   * what a primary recorded that came after the candidate looked.
   */
  readonly ifEpoch?: Term | undefined;
  /**
   * Granted only while the record still names exactly these, in whatever order. Without it a standby
   * that was added after the candidate looked, and that alone has what was acknowledged since, is
   * passed over.
   */
  readonly ifInSync?: readonly NodeId[] | undefined;
}

export interface RenewRequest {
  readonly holder: NodeId;
  readonly epoch: Term;
  readonly ttlMs: number;
}

export interface InSyncRequest {
  readonly holder: NodeId;
  readonly epoch: Term;
  /** The holder is added. */
  readonly inSync: readonly NodeId[];
}

export interface ReleaseRequest {
  readonly holder: NodeId;
  readonly epoch: Term;
}

/**
 * Decides which node of a cluster is its primary: one linearizable record, durable before each
 * answer. The arbiter counts a TTL on its own monotonic clock from when it took the request; a
 * holder counts it from the moment it SENT the request, so that it always stops first.
 *
 * Calls may overlap; a caller that needs an order awaits. Each rejects with an `ArbiterError`.
 */
export interface Arbiter {
  /**
   * Takes the lease under a new epoch, greater than the record's and not below the wanted one. Not
   * granted while another node's lease runs, nor, without `force`, to a candidate outside the
   * record's in-sync set (any candidate passes before the first grant), nor, forced or not, when
   * the record's epoch is not `ifEpoch` or its set not `ifInSync`. A holder that asks again gets a
   * newer epoch.
   */
  acquire(request: AcquireRequest): Promise<LeaseAnswer>;
  /**
   * Prolongs the lease of that very epoch. One that ran out is taken up again as long as nobody
   * took another and it was not released.
   */
  renew(request: RenewRequest): Promise<LeaseAnswer>;
  /**
   * Who may be promoted from now on. The holder of the newest epoch may say so, whether its lease
   * still runs or ran out, until it released it. Does not prolong the lease.
   */
  recordInSync(request: InSyncRequest): Promise<LeaseAnswer>;
  /** Ends the lease now; ok too when it has run out, or was released before under this epoch. */
  release(request: ReleaseRequest): Promise<LeaseAnswer>;
  read(): Promise<LeaseRecord>;
  /**
   * Calls back when epoch, holder, set or `held` changed, and once with what is there at first. Best
   * effort: changes may be skipped or seen late, polling stays necessary.
   * @returns ends the watch; idempotent
   */
  watch(onChange: (record: LeaseRecord) => void): () => void;
  /** Ends watches and connections; the lease stays as it is. Idempotent. */
  close(): Promise<void>;
}

export const ARBITER_ERROR_CODES = ["UNREACHABLE", "REFUSED", "INVALID", "CLOSED", "NONE"] as const;
export type ArbiterErrorCode = (typeof ARBITER_ERROR_CODES)[number];

/**
 * `UNREACHABLE`: no answer came; whether the request took effect is unknown. `REFUSED`: the arbiter
 * does not serve this caller (password, secret, its limit of clusters); nothing happened. `INVALID`:
 * the request or the answer has not the form it must have. `CLOSED`: after `close`. `NONE`: there is no
 * arbiter to ask.
 */
export class ArbiterError extends Error {
  override readonly name = "ArbiterError";
  constructor(
    readonly code: ArbiterErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
