import type { JsonValue, RegionId } from "../../base/index.js";
import type { Proposed } from "./core/index.js";

type Outcome = { readonly ok: true; readonly value: JsonValue } | { readonly ok: false };

/** What the core is told of an operation that was applied, or was not. */
export function toProposed(outcome: Outcome): Proposed {
  if (!outcome.ok) return { ok: false };
  const value = outcome.value as {
    readonly have?: readonly (readonly [RegionId, number])[];
    readonly stopped?: {
      readonly outcome: string;
      readonly missing: readonly (readonly [RegionId, number])[];
    } | null;
    readonly clockAheadMs?: number;
  };
  const { stopped } = value;
  return {
    ok: true,
    have: new Map(value.have ?? []),
    stopped: stopped ? { outcome: stopped.outcome, missing: new Map(stopped.missing) } : null,
    clockAheadMs: value.clockAheadMs ?? 0,
  };
}
