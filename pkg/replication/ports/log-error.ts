export const LOG_ERROR_CODES = [
  "LOG_FULL",
  "LOG_DAMAGED",
  "LOG_LOCKED",
  "LOG_FOREIGN",
  "LOG_FAILED",
  "LOG_CLOSED",
  "COMPACTED",
] as const;
export type LogErrorCode = (typeof LOG_ERROR_CODES)[number];

/** Where the damage is, and what to type next. */
export interface LogErrorDetails {
  readonly segment?: string;
  readonly offset?: number;
  readonly hint?: string;
}

/**
 * `LOG_FULL`: no space, nothing was written, go on when there is some. `LOG_DAMAGED`: bytes before
 * the durable end are not what was written. `LOG_LOCKED`: another process has the directory.
 * `LOG_FOREIGN`: the directory is of another cluster or a newer format. `LOG_FAILED`: a write or a
 * sync failed; the process must end. `COMPACTED`: the range was dropped.
 */
export class LogError extends Error {
  override readonly name = "LogError";
  constructor(
    readonly code: LogErrorCode,
    message: string,
    readonly details: LogErrorDetails = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
