import type { JsonValue } from "../../base/index.js";
import type { Draft } from "../draft.js";
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

export function tell(change: Change): Told {
  return { change, text: changeText(change) };
}
