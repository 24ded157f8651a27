import { LogError } from "../../replication/ports/index.js";

const SPACE_CODES: readonly unknown[] = ["ENOSPC", "EDQUOT"];

export function isFull(error: unknown): boolean {
  return hasCode(error, SPACE_CODES);
}

function hasCode(error: unknown, codes: readonly unknown[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(error.code);
}

export function closedError(): LogError {
  return new LogError("LOG_CLOSED", "the log is closed");
}

export function toLogError(message: string, cause: unknown): LogError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const code = isFull(cause) ? "LOG_FULL" : "LOG_FAILED";
  return new LogError(code, `${message}: ${text}`, {}, { cause });
}

/** The log takes nothing more. */
export function brokenError(message: string, cause: unknown, segment: string): LogError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const full = `${message}: ${text}; the process must end, the log is read anew at its start`;
  return new LogError("LOG_FAILED", full, { segment }, { cause });
}
