import { type NodeId, type Term, toTerm } from "../../base/index.js";
import {
  type AcquireRequest,
  ArbiterError,
  type InSyncRequest,
  type LeaseRecord,
  type ReleaseRequest,
  type RenewRequest,
} from "../ports/index.js";
import { ARBITER_LIMITS } from "./limits.js";

/** What an arbiter keeps of a cluster for good; whether the lease runs follows from clocks. */
export interface StoredLease {
  readonly epoch: Term;
  readonly holder: NodeId;
  /** Sorted, no doubles, the holder among them. */
  readonly inSync: readonly NodeId[];
  readonly ttlMs: number;
  readonly released: boolean;
}

/** The record before the request, if there is one, and whether its lease runs. */
export interface LeaseState {
  readonly stored: StoredLease | undefined;
  readonly held: boolean;
}

export type LeaseRequest =
  | ({ readonly kind: "acquire" } & AcquireRequest)
  | ({ readonly kind: "renew" } & RenewRequest)
  | ({ readonly kind: "in_sync" } & InSyncRequest)
  | ({ readonly kind: "release" } & ReleaseRequest);

/** @returns the record to keep instead, or undefined when the request is refused */
export function decide(state: LeaseState, request: LeaseRequest): StoredLease | undefined {
  if (request.kind === "acquire") return acquired(state, request);
  const { stored } = state;
  const own = stored?.holder === request.holder && stored.epoch === request.epoch;
  if (stored === undefined || !own) return undefined;
  if (request.kind === "release") return { ...stored, released: true };
  if (stored.released) return undefined;
  if (request.kind === "renew") return { ...stored, ttlMs: request.ttlMs };
  return { ...stored, inSync: withHolder(request.inSync, stored.holder) };
}

function acquired(
  { stored, held }: LeaseState,
  { candidate, epoch, inSync, ttlMs, force, ifEpoch, ifInSync }: AcquireRequest,
): StoredLease | undefined {
  if (held && stored?.holder !== candidate) return undefined;
  if (ifEpoch !== undefined && ifEpoch !== (stored?.epoch ?? 0)) return undefined;
  if (ifInSync !== undefined && !isSameSet(ifInSync, stored?.inSync ?? [])) return undefined;
  const mayBePromoted = stored === undefined || stored.inSync.includes(candidate);
  if (!mayBePromoted && force !== true) return undefined;
  return {
    epoch: toTerm(Math.max((stored?.epoch ?? 0) + 1, epoch)),
    holder: candidate,
    inSync: withHolder(inSync, candidate),
    ttlMs,
    released: false,
  };
}

function isSameSet(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.every((id) => b.includes(id)) && b.every((id) => a.includes(id));
}

function withHolder(inSync: readonly NodeId[], holder: NodeId): readonly NodeId[] {
  return [...new Set([...inSync, holder])].sort();
}

export function recordOf({ stored, held }: LeaseState): LeaseRecord {
  if (stored === undefined) return { epoch: toTerm(0), holder: null, inSync: [], held: false };
  const { epoch, holder, inSync } = stored;
  return { epoch, holder, inSync, held };
}

export function sameRecord(a: LeaseRecord, b: LeaseRecord): boolean {
  return (
    a.epoch === b.epoch &&
    a.holder === b.holder &&
    a.held === b.held &&
    a.inSync.join() === b.inSync.join()
  );
}

export function sameStored(a: StoredLease | undefined, b: StoredLease | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** @throws ArbiterError `INVALID` naming the field */
export function checkRequest(request: LeaseRequest): void {
  if (request.kind === "acquire" && request.epoch >= Number.MAX_SAFE_INTEGER) {
    throw bad("epoch", "below 2^53 - 1");
  }
  if (request.kind === "acquire" || request.kind === "renew") {
    const { ttlMs } = request;
    const fits = Number.isSafeInteger(ttlMs) && ttlMs >= 1 && ttlMs <= ARBITER_LIMITS.ttlMsMax;
    if (!fits) throw bad("ttlMs", `a whole number from 1 to ${ARBITER_LIMITS.ttlMsMax}`);
  }
  if (request.kind === "acquire" || request.kind === "in_sync") {
    if (request.inSync.length >= ARBITER_LIMITS.inSyncMax) {
      throw bad("inSync", `fewer than ${ARBITER_LIMITS.inSyncMax} names`);
    }
  }
  if (request.kind === "acquire" && (request.ifInSync?.length ?? 0) > ARBITER_LIMITS.inSyncMax) {
    throw bad("ifInSync", `at most ${ARBITER_LIMITS.inSyncMax} names`);
  }
}

function bad(field: string, mustBe: string): ArbiterError {
  return new ArbiterError("INVALID", `${field} must be ${mustBe}`);
}
