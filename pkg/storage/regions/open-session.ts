import { StateMachineError } from "../../replication/ports/index.js";
import { type ClosedEntry, orderClosed } from "./closed-conflicts.js";
import type { Resolver, Strategy } from "./decide.js";
import { REGION_LIMITS } from "./limits.js";
import type { Session } from "./materialize.js";
import { REGION_NOTE, type Region, readRegion } from "./region-record.js";
import type { RegionSettings } from "./region-settings.js";
import { RegionState } from "./region-state.js";
import type { RegionStore, TextRecord } from "./region-store.js";
import type { RegionRules } from "./rules.js";
import { type FadingSlice, ThingDraft } from "./thing-draft.js";

export interface RegionalOptions {
  readonly rules: RegionRules;
  /** For the strategy `resolver`; the same in every node of every region. */
  readonly resolver: Resolver | undefined;
}

/** A region's state in front of its store, for one command or one look at it. */
export function openSession(
  store: RegionStore,
  region: Region,
  { rules, resolver }: RegionalOptions,
  slice?: FadingSlice,
): Session {
  const things = new ThingDraft(store, region.base, slice);
  const { self, others, driftMsMax } = region.settings;
  const strategy = strategyOf(region.settings, resolver);
  const { closedConflictsMax } = REGION_LIMITS;
  const options = { self, others, strategy, driftMsMax, closedConflictsMax };
  const state = new RegionState(options, things, rules);
  state.load(region.meta);
  return { state, things };
}

/** @throws StateMachineError `STORAGE_FAILED` when it was to be given a resolver and was not */
export function strategyOf({ strategy }: RegionSettings, resolver: Resolver | undefined): Strategy {
  if (strategy !== "resolver") return strategy;
  if (resolver !== undefined) return { resolve: resolver };
  throw new StateMachineError(
    "STORAGE_FAILED",
    "the region resolves conflicts by a function of its user's: open the storage with it",
  );
}

/** @returns undefined for a region that is not founded yet */
export function regionOfNotes(
  notes: ReadonlyMap<string, TextRecord>,
  rules: RegionRules,
): Region | undefined {
  const note = notes.get(REGION_NOTE);
  if (note === undefined) return undefined;
  const closed = [...notes.values()]
    .filter(({ id }) => id !== REGION_NOTE)
    .map(({ text }) => JSON.parse(text) as ClosedEntry)
    .sort((a, b) => orderClosed(a, b, rules));
  return readRegion(note.text, closed);
}
