import type { JsonValue } from "../../base/index.js";
import { ReplicationError } from "../../replication/errors.js";
import type { Draft } from "../draft.js";
import { STORAGE_LIMITS } from "../limits.js";
import type { Change } from "./change.js";
import { changeText } from "./change-text.js";
import type { Session } from "./materialize.js";
import type { Region } from "./region-record.js";

/** A change that took effect, with its text. */
export interface Told {
  readonly change: Change;
  readonly text: string;
}

/** What one command has done so far to a founded region. */
export interface RegionWork extends Session {
  readonly told: readonly Told[];
  readonly value: JsonValue;
  /** Where its settings are others than before. */
  readonly region?: Region | undefined;
  /** Looked at anew beside what was changed. */
  readonly keys?: readonly string[] | undefined;
  /** Of a command of clients, for what is not a thing. */
  readonly draft?: Draft | undefined;
}

/** What is left of a command's bytes for the line before its changes. */
const HEAD_BYTES = 64 * 1024;

/**
 * A change of this region as the others will be told.
 * @throws ReplicationError `TOO_LARGE` when no command of theirs could hold it; `CONFLICT` when a
 * region has added more to a number than a whole number can hold
 */
export function tell(change: Change): Told {
  for (const { key, runs } of change.things) {
    for (const [name, { total }] of runs) {
      if (!Number.isSafeInteger(total)) throw overflow(key, name);
    }
  }
  const text = changeText(change);
  const bytesMax = STORAGE_LIMITS.commandBytesMax - HEAD_BYTES;
  if (text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax) {
    throw new ReplicationError(
      "TOO_LARGE",
      `what other regions must be told of it takes more than ${bytesMax} bytes; split it into several commands`,
    );
  }
  return { change, text };
}

function overflow(key: string, property: string): ReplicationError {
  return new ReplicationError(
    "CONFLICT",
    `what this region has added to property "${property}" of "${key.slice(2)}" would exceed 2^53 - 1; assign it`,
  );
}
