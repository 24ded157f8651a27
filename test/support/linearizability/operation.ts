/** What a register holds when it holds something. Compared by type and value: 1 is not "1". */
export type Value = string | number | boolean;

/** What a compare-and-set asks of the register before it takes effect. */
export type Expectation =
  | { readonly value: Value }
  | { readonly exists: boolean }
  | { readonly version: number };

/** Known not to have happened, and never to happen later. */
export interface Refused {
  readonly kind: "refused";
  readonly reason: string;
}

/** It may have taken effect, may take effect at any later time, or never. */
export interface Unknown {
  readonly kind: "unknown";
  readonly reason: string;
}

/** The condition did not hold, so nothing was changed. That itself is an observation. */
export interface Mismatch {
  readonly kind: "mismatch";
}

/** `version` is the log index at which the effect took place; left out when it is not known. */
export interface Done {
  readonly kind: "done";
  readonly version?: number | undefined;
}

export type ReadOutcome =
  | { readonly kind: "value"; readonly value: Value; readonly version?: number | undefined }
  | { readonly kind: "absent" }
  | { readonly kind: "failed"; readonly reason: string };

/** `existed` says whether there was something to delete; left out when the answer did not tell. */
export type DeleteOutcome = (Done & { readonly existed?: boolean | undefined }) | Refused | Unknown;

interface Timed {
  readonly key: string;
  readonly client: string;
  /** Whole order numbers of one clock for the whole history; equal numbers count as overlapping. */
  readonly invokedAt: number;
  /** When the client had its outcome; for an unknown one, when it stopped waiting. */
  readonly returnedAt: number;
}

export interface Read extends Timed {
  readonly call: "read";
  readonly outcome: ReadOutcome;
}

export interface Write extends Timed {
  readonly call: "write";
  readonly value: Value;
  readonly outcome: Done | Refused | Unknown;
}

/** `value: null` is a conditional delete. */
export interface CompareAndSet extends Timed {
  readonly call: "cas";
  readonly expect: Expectation;
  readonly value: Value | null;
  readonly outcome: Done | Mismatch | Refused | Unknown;
}

export interface Delete extends Timed {
  readonly call: "delete";
  readonly outcome: DeleteOutcome;
}

/** One call of one client on one key, as plain data: a history survives `JSON.stringify`. */
export type Operation = Read | Write | CompareAndSet | Delete;

/** A history that cannot have been recorded: our own mistake in the harness, never a verdict. */
export class HistoryError extends Error {
  override readonly name = "HistoryError";
}

/** @throws HistoryError naming the operation and the field that is wrong */
export function validateOperation(operation: Operation, at: number): void {
  const { invokedAt, returnedAt } = operation;
  const refuse = (field: string, rule: string): never => {
    throw new HistoryError(
      `operation ${at} (${operation.call} of key "${operation.key}"): ${field} ${rule}`,
    );
  };
  if (!Number.isSafeInteger(invokedAt)) refuse("invokedAt", "must be a whole number");
  if (!Number.isSafeInteger(returnedAt)) refuse("returnedAt", "must be a whole number");
  if (returnedAt < invokedAt) refuse("returnedAt", "must not be before invokedAt");
  for (const version of versionsOf(operation)) {
    if (!Number.isSafeInteger(version) || version < 1) {
      refuse("version", "must be a whole number from 1; leave it out when it is not known");
    }
  }
}

function versionsOf(operation: Operation): number[] {
  const { outcome } = operation;
  const versions: number[] = [];
  if ("version" in outcome && outcome.version !== undefined) versions.push(outcome.version);
  if (operation.call === "cas" && "version" in operation.expect) {
    versions.push(operation.expect.version);
  }
  return versions;
}
