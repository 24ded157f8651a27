import { ConfigError, renderProblems } from "../../pkg/config/index.js";
import { ReplicationError } from "../../pkg/replication/index.js";
import { LogError, StateMachineError } from "../../pkg/replication/ports/index.js";
import { EXIT, type ExitCode } from "../exit-codes.js";

/** Why a verb did not do what it was asked: a code to match on, the cause, and what to do next. */
export class Failure extends Error {
  override readonly name = "Failure";
  constructor(
    readonly exit: ExitCode,
    readonly code: string,
    message: string,
    readonly next: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export function causeText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const LOG_NEXT: Readonly<Record<LogError["code"], string>> = {
  LOG_FULL: "free space on that disk and run the command again",
  LOG_DAMAGED: "nornicctl wal verify",
  LOG_LOCKED: "stop the node first, or ask it while it runs: nornicctl status",
  LOG_FOREIGN: "use the program version and the data directory that belong together",
  LOG_FAILED: "look for disk errors in the system's log, then nornicctl doctor",
  LOG_CLOSED: "run the command again",
  COMPACTED: "run the command again",
};

const STORAGE_NEXT: Readonly<Record<StateMachineError["code"], string>> = {
  STORAGE_FULL: "free space on that disk and run the command again",
  STORAGE_FAILED: "nornicctl doctor",
  SNAPSHOT_INVALID: "use another copy of the snapshot, or save a new one",
};

/** Codes of the system that a person can do something about. */
const SYSTEM_NEXT: Readonly<Record<string, string>> = {
  ENOENT: "check the path",
  EACCES: "run the command as the user that runs the node",
  EPERM: "run the command as the user that runs the node",
  ENOSPC: "free space on that disk and run the command again",
  EDQUOT: "free space on that disk and run the command again",
  EROFS: "use a disk that can be written to",
  EISDIR: "name a file, not a folder",
  ENOTDIR: "check the path",
  EEXIST: "check the path",
  ELOCKED: "stop the node that uses the directory first",
  EXDEV: "keep the whole data directory on one disk",
  EBUSY: "stop what uses the directory first",
  EIO: "look for disk errors in the system's log",
  EMFILE: "raise the limit of open files: ulimit -n 65536",
};

/** What any error is to who typed the command. */
export function toFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  const options = { cause: error };
  if (error instanceof ConfigError) {
    const next = "correct these settings, then nornicctl config check";
    const text = renderProblems(error.problems);
    return new Failure(EXIT.configuration, "BAD_CONFIGURATION", text, next, options);
  }
  if (error instanceof LogError) {
    const next = error.details.hint ?? LOG_NEXT[error.code];
    return new Failure(EXIT.failed, error.code, error.message, next, options);
  }
  if (error instanceof StateMachineError) {
    const next = STORAGE_NEXT[error.code];
    return new Failure(EXIT.failed, error.code, error.message, next, options);
  }
  if (error instanceof ReplicationError) {
    const next = error.details.hint ?? "nornicctl doctor";
    return new Failure(EXIT.failed, error.code, error.message, next, options);
  }
  const code = (error as { readonly code?: unknown } | null)?.code;
  const next = typeof code === "string" ? SYSTEM_NEXT[code] : undefined;
  if (typeof code === "string" && next !== undefined) {
    return new Failure(EXIT.failed, code, causeText(error), next, options);
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new Failure(
    EXIT.internal,
    "INTERNAL",
    text,
    "this is a mistake of the program; report it with the lines above",
    options,
  );
}
