import type { LogIndex, Term } from "../../base/index.js";

/**
 * What an entry is for. `command`: for the state machine. `noop`: the first entry of a leader's
 * term. `config`: membership. `marker`: a position at which all nodes note their digests.
 */
export type EntryKind = "command" | "noop" | "config" | "marker";

/**
 * One entry of the log. `payload` is the UTF-8 JSON of the command as it travels in frames
 * (`{"Type":…,"Data":…,"Timestamp":…,"RequestID":…}`, see `docs/architecture/wire-protocols.md`),
 * encoded once where the command entered; empty for a `noop`. It is never changed after creation.
 */
export interface Entry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKind;
  readonly payload: Uint8Array;
}
