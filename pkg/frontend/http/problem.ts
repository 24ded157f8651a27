import { type ErrorCode, type Outcome, ReplicationError } from "../../service/index.js";

/** What each code is on HTTP: the status, and the title of its problem. The one such table. */
export const PROBLEMS: Readonly<Record<ErrorCode, { status: number; title: string }>> = {
  INVALID: { status: 400, title: "The request is not valid" },
  UNAUTHENTICATED: { status: 401, title: "Credentials are needed" },
  FORBIDDEN: { status: 403, title: "These credentials may not do that" },
  READ_ONLY: { status: 403, title: "This node takes no writes" },
  NOT_FOUND: { status: 404, title: "There is no such thing" },
  CONFLICT: { status: 409, title: "The state does not allow it" },
  COMPACTED: { status: 410, title: "That part of the log is no longer kept" },
  VERSION_MISMATCH: { status: 412, title: "The precondition does not hold" },
  TOO_LARGE: { status: 413, title: "The request is too large" },
  KEY_BLOCKED: { status: 423, title: "An earlier write of this key is undecided" },
  OVERLOADED: { status: 429, title: "Too much is under way" },
  NOT_LEADER: { status: 503, title: "This node is not the leader" },
  NO_LEADER: { status: 503, title: "There is no leader" },
  NO_QUORUM: { status: 503, title: "Too few nodes answer" },
  NO_STANDBY: { status: 503, title: "No standby answers" },
  LAGGING: { status: 503, title: "This node is too far behind" },
  SHUTTING_DOWN: { status: 503, title: "This node is shutting down" },
  CLOSED: { status: 503, title: "This node is closed" },
  STORAGE_FAILED: { status: 503, title: "The storage has failed" },
  COMMIT_UNKNOWN: { status: 504, title: "Whether the write took effect is unknown" },
};

export interface Problem {
  /** `urn:nornicdb:error:CODE`: an identifier, not an address. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly outcome: Outcome;
  readonly field?: string;
  readonly hint?: string;
  readonly retryAfterMs?: number;
  /** The write has taken effect there; what is unknown is whether other regions have it. */
  readonly committed?: { readonly index: number; readonly term: number };
  readonly leader?: { readonly id: string; readonly http?: string };
}

/** @param httpOf - where a node serves HTTP, if that is known */
export function toProblem(
  error: ReplicationError,
  httpOf: (nodeId: string) => string | undefined,
): Problem {
  const { status, title } = PROBLEMS[error.code];
  const { field, hint, retryAfterMs, committed, leader } = error.details;
  const http = leader && httpOf(leader.id);
  return {
    type: `urn:nornicdb:error:${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
    outcome: error.outcome,
    ...(field === undefined ? {} : { field }),
    ...(hint === undefined ? {} : { hint }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(committed === undefined ? {} : { committed }),
    ...(leader ? { leader: { id: leader.id, ...(http === undefined ? {} : { http }) } } : {}),
  };
}

/** Seconds for `Retry-After`: 503 always carries one, so that no client has to guess. */
export function retryAfterSeconds(problem: Problem): number | undefined {
  if (problem.retryAfterMs !== undefined)
    return Math.max(1, Math.ceil(problem.retryAfterMs / 1000));
  return problem.status === 503 ? 1 : undefined;
}

/** @returns the error as one of ours; `wrote`: whether the request may have written something */
export function toReplicationError(error: unknown, wrote: boolean): ReplicationError {
  if (error instanceof ReplicationError) return error;
  return fromFramework(error) ?? unexpected(error, wrote);
}

function fromFramework(error: unknown): ReplicationError | undefined {
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
  if (typeof code !== "string" || !code.startsWith("FST_ERR_")) return undefined;
  switch (code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new ReplicationError("TOO_LARGE", "the body is too large");
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return new ReplicationError("INVALID", "Content-Type: a body is application/json here", {
        field: "content-type",
        hint: "send the header content-type: application/json",
      });
    case "FST_ERR_CTP_EMPTY_JSON_BODY":
      return new ReplicationError("INVALID", "body: it is empty", { field: "body" });
    case "FST_ERR_BAD_URL":
      return new ReplicationError("INVALID", "path: it cannot be decoded", {
        field: "path",
        hint: "percent-encode what stands in the path as UTF-8",
      });
    case "FST_ERR_CTP_INVALID_CONTENT_LENGTH":
      return new ReplicationError("INVALID", "Content-Length: it differs from the body's length", {
        field: "content-length",
      });
  }
  const client = typeof statusCode === "number" && statusCode >= 400 && statusCode < 500;
  return client ? new ReplicationError("INVALID", "the request cannot be read") : undefined;
}

function unexpected(error: unknown, wrote: boolean): ReplicationError {
  const options = { cause: error };
  return wrote
    ? new ReplicationError("COMMIT_UNKNOWN", "the node failed while it wrote", {}, options)
    : new ReplicationError("STORAGE_FAILED", "the node failed while it answered", {}, options);
}
