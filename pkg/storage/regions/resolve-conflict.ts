import type { JsonValue } from "../../base/index.js";
import type { Conflict } from "./conflict.js";
import type { ThingWrite } from "./write-change.js";

/** How somebody decides a conflict. */
export type Choice =
  | { readonly keep: "winner" }
  /** One of the losers, by where it came from. */
  | { readonly keep: "loser"; readonly origin: string; readonly seq: number }
  /** Something else; for properties only. */
  | { readonly value: JsonValue };

/**
 * The write that decides it: made in knowledge of all sides, it takes their place in every region.
 * @returns undefined for a choice that the conflict does not offer
 */
export function resolveConflict(conflict: Conflict, choice: Choice): ThingWrite | undefined {
  const { key, field, kind, winner, losers } = conflict;
  if ("value" in choice) {
    return field.startsWith("property:") ? writeField(key, field, choice.value) : undefined;
  }
  const chosen =
    choice.keep === "winner"
      ? winner
      : losers.find(({ origin, seq }) => origin === choice.origin && seq === choice.seq);
  if (chosen === undefined) return undefined;
  if (kind === "value" || kind === "increment") return writeField(key, field, chosen.value);
  const isThere = chosen.value !== undefined;
  if (kind === "update_delete") return { key, life: isThere, revive: true };
  if (!isThere) return { key, life: false };
  return { key: `n:${field.slice("end:".length)}`, life: true, revive: true };
}

function writeField(
  key: string,
  field: string,
  value: JsonValue | undefined,
): ThingWrite | undefined {
  if (field === "shape") return value === undefined ? undefined : { key, life: true, shape: value };
  return { key, life: true, properties: new Map([[field.slice("property:".length), value]]) };
}
