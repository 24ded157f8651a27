import type { NodeId } from "../base/index.js";

/**
 * Every code this system answers with, on all front ends. What each means, and what to do about
 * it, is in `docs/errors.md`; a test keeps the two equal.
 */
export const ERROR_CODES = [
  "INVALID",
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "READ_ONLY",
  "NOT_FOUND",
  "CONFLICT",
  "COMPACTED",
  "VERSION_MISMATCH",
  "TOO_LARGE",
  "KEY_BLOCKED",
  "OVERLOADED",
  "NOT_LEADER",
  "NO_LEADER",
  "NO_QUORUM",
  "NO_STANDBY",
  "LAGGING",
  "SHUTTING_DOWN",
  "CLOSED",
  "STORAGE_FAILED",
  "COMMIT_UNKNOWN",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** What is known about the write: it did not happen, or nobody can say. */
export type Outcome = "not_applied" | "unknown";

export interface ErrorDetails {
  readonly leader?: { readonly id: NodeId; readonly address: string } | undefined;
  readonly retryAfterMs?: number | undefined;
  /** What to type or change next. */
  readonly hint?: string | undefined;
  /** `COMMIT_UNKNOWN` alone: it has taken effect there; what is unknown is whether others have it. */
  readonly committed?: { readonly index: number; readonly term: number } | undefined;
  /** The field of the request that is wrong. */
  readonly field?: string | undefined;
}

/** Match on `code`, never on the text. */
export class ReplicationError extends Error {
  override readonly name = "ReplicationError";
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: ErrorDetails = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** `unknown` for `COMMIT_UNKNOWN` alone: every other code means that nothing happened. */
  get outcome(): Outcome {
    return this.code === "COMMIT_UNKNOWN" ? "unknown" : "not_applied";
  }
}

/** The same error as plain data, to cross a thread or the wire. */
export interface ErrorData {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: ErrorDetails;
}

export function toErrorData(error: ReplicationError): ErrorData {
  return { code: error.code, message: error.message, details: error.details };
}

export function fromErrorData(data: ErrorData): ReplicationError {
  return new ReplicationError(data.code, data.message, data.details);
}
