import { invariant } from "./invariant.js";

declare const brand: unique symbol;
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name };

/** A leader's (or primary's) reign, counted from 1; 0 means "none yet". Raft paper section 5.1. */
export type Term = Branded<number, "Term">;
/** Position of an entry in the log, counted from 1; 0 is the position before the first entry. */
export type LogIndex = Branded<number, "LogIndex">;
/** Name of one node inside a cluster, 1-128 characters out of `[A-Za-z0-9._-]`. */
export type NodeId = Branded<string, "NodeId">;
/** Name of a region, same alphabet as {@link NodeId}. */
export type RegionId = Branded<string, "RegionId">;
/** A client's name for one write, 1-128 printable characters; the same id is applied once. */
export type RequestId = Branded<string, "RequestId">;

/** The last entry that something has reached. `index` 0 and `term` 0: nothing yet. */
export interface Position {
  readonly index: LogIndex;
  readonly term: Term;
}

const NAME = /^[A-Za-z0-9._-]{1,128}$/;
const PRINTABLE = /^[\x20-\x7e]{1,128}$/;

/** True for whole numbers from 0 that a double holds exactly. */
export function isSafeCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

export function toTerm(value: number): Term {
  invariant(isSafeCount(value), "a term is a safe integer from 0");
  return value as Term;
}

export function toLogIndex(value: number): LogIndex {
  invariant(isSafeCount(value), "a log index is a safe integer from 0");
  return value as LogIndex;
}

/** @returns the id, or `undefined` when the text is not a valid name */
export function parseNodeId(text: string): NodeId | undefined {
  return NAME.test(text) ? (text as NodeId) : undefined;
}

/** @returns the id, or `undefined` when the text is not a valid name */
export function parseRegionId(text: string): RegionId | undefined {
  return NAME.test(text) ? (text as RegionId) : undefined;
}

/** @returns the id, or `undefined` when the text is empty, too long or not printable ASCII */
export function parseRequestId(text: string): RequestId | undefined {
  return PRINTABLE.test(text) ? (text as RequestId) : undefined;
}

export const NO_POSITION: Position = { index: 0 as LogIndex, term: 0 as Term };
