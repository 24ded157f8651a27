import type { JsonValue, RegionId } from "../../base/index.js";
import { ReplicationError } from "../../replication/errors.js";
import { applyOperations } from "../apply-operations.js";
import { type DecodedCommand, readCommand } from "../commands.js";
import type { DigestSums } from "../digest-sums.js";
import { Draft } from "../draft.js";
import { effectsText } from "../effects.js";
import type { Envelope } from "../envelope.js";
import { GraphRules } from "../graph-rules.js";
import { type Counts, type Prepared, refusedCommand, type StateRules } from "../state-engine.js";
import { type ClosedEntry, closedBetween, closedName } from "./closed-conflicts.js";
import { type ConflictNews, ConflictNewsKeeper } from "./conflict-news.js";
import { REGION_LIMITS } from "./limits.js";
import { materialize, type Session } from "./materialize.js";
import { openSession, type RegionalOptions, regionOfNotes } from "./open-session.js";
import { PendingChanges } from "./pending-changes.js";
import { REGION_COMMAND, readRegionOperation } from "./region-commands.js";
import { runRegionOperation } from "./region-operations.js";
import { CLOSED_NOTE, REGION_NOTE, type Region, regionText } from "./region-record.js";
import {
  type ChangeRun,
  noteDigestKey,
  noteRecord,
  type RegionStore,
  type TextRecord,
} from "./region-store.js";
import { type RegionWork, tell } from "./region-work.js";
import type { FadingSlice } from "./thing-draft.js";
import { join } from "./version-vector.js";
import { writesOfDraft } from "./writes-of-draft.js";

/**
 * The graph's rules in a region: every write also says where each part came from, and writes of
 * other regions are merged in. Until the region is founded these are the graph's rules alone.
 */
export class RegionalRules implements StateRules {
  readonly #store: RegionStore;
  readonly #graph: GraphRules;
  readonly #options: RegionalOptions;
  readonly #pending = new PendingChanges();
  readonly #news = new ConflictNewsKeeper();
  #region: Region | undefined;
  #note: TextRecord | undefined;
  /** The region was changed by the entry with this index, and its note was not made anew yet. */
  #noteDue: number | undefined;
  #closed = new Map<string, TextRecord>();
  #droppedTo: Region["floor"] = new Map();

  constructor(store: RegionStore, options: RegionalOptions) {
    this.#store = store;
    this.#graph = new GraphRules(store);
    this.#options = options;
    this.reload();
  }

  get counts(): { readonly nodes: number; readonly edges: number } {
    return this.#graph.counts;
  }

  set counts(counts: Counts) {
    this.#graph.counts = counts;
  }

  /** undefined: not founded yet. */
  get region(): Region | undefined {
    return this.#region;
  }

  conflictNews(after: number): ConflictNews {
    return { ...this.#news.since(after), strategy: this.#region?.settings.strategy };
  }

  /** Changes of a region, its own or another's, that are not written down yet. */
  pendingChanges(origin: RegionId): Omit<ChangeRun, "origin"> | undefined {
    return this.#pending.of(origin);
  }

  /** Reads again what is kept in memory. */
  reload(): void {
    this.#pending.clear();
    this.#noteDue = undefined;
    this.#droppedTo = new Map();
    const notes = new Map([...this.#store.notes()].map((note) => [note.id, note]));
    this.#region = regionOfNotes(notes, this.#options.rules);
    this.#note = notes.get(REGION_NOTE);
    notes.delete(REGION_NOTE);
    this.#closed = notes;
  }

  /** Writes down what is kept in memory, once it was settled; before every commit. */
  flush(): void {
    this.#writeChanges();
    if (this.#note !== undefined) this.#store.changeNote(undefined, this.#note);
    const floor = this.#region?.floor ?? new Map();
    for (const [origin, upTo] of floor) {
      if (upTo > (this.#droppedTo.get(origin) ?? 0)) this.#store.dropChanges(origin, upTo);
    }
    this.#droppedTo = floor;
  }

  #writeChanges(): void {
    for (const run of this.#pending.take()) this.#store.appendChanges(run);
  }

  prepare(envelope: Envelope, index: number): Prepared {
    if (envelope.type !== REGION_COMMAND) return this.prepareCommand(readCommand(envelope), index);
    return this.#orRefused(() => {
      const operation = readRegionOperation(envelope);
      const done = runRegionOperation(operation, {
        region: this.#region,
        wallMs: envelope.timestampMs,
        counts: this.counts,
        rules: this.#options.rules,
        open: (region, slice) => this.#open(region, slice),
      });
      return this.#prepared(done, index);
    });
  }

  /** @param version - of what the command writes */
  prepareCommand(command: DecodedCommand, version: number): Prepared {
    const region = this.#region;
    if (region === undefined) return this.#graph.prepareCommand(command, version);
    if (command.refusal !== undefined) return refusedCommand(command.refusal);
    const draft = new Draft(this.#store);
    const applied = applyOperations(draft, command, version);
    if ("code" in applied) return refusedCommand(applied);
    return this.#orRefused(() => {
      const session = this.#open(region);
      const writes = writesOfDraft(draft, session);
      const told =
        writes.length === 0 ? [] : [tell(session.state.write(writes, command.timestampMs))];
      const value = applied as unknown as JsonValue;
      return this.#prepared({ ...session, told, value, draft }, version);
    });
  }

  #orRefused(body: () => Prepared): Prepared {
    try {
      return body();
    } catch (error) {
      if (!(error instanceof ReplicationError)) throw error;
      return refusedCommand({ code: error.code, message: error.message });
    }
  }

  #open(region: Region, slice?: FadingSlice): Session {
    return openSession(this.#store, region, this.#options, slice);
  }

  #prepared(work: RegionWork, version: number): Prepared {
    const { state, things, told, value } = work;
    const keys = [...new Set([...things.changedKeys(), ...(work.keys ?? [])])];
    const view = this.#store;
    const draft = materialize(work, keys, { view, own: work.draft, version });
    for (const { before, after } of work.draft?.indexes.values() ?? []) {
      draft.setIndex(before, after);
    }
    return {
      outcome: { ok: true, value },
      effects: effectsText(draft),
      commit: (digest) => {
        this.#graph.commit(draft, digest);
        things.commit(digest, version);
        for (const { change, text } of told) this.#pending.add(change, text);
        const region = work.region ?? (this.#region as Region);
        const floor = join(region.floor, state.stable());
        const kept = { ...region, meta: state.meta, floor };
        this.#keep(kept, { digest, version, isOther: told.length > 0 });
        this.#news.note(told, things, state);
        if (this.#pending.chars > REGION_LIMITS.pendingCharsMax) this.#writeChanges();
      },
    };
  }

  /** Every change is counted in the note, so that it is another one; its text is made once asked for. */
  #keep(region: Region, { digest, version, isOther }: Keeping): void {
    if (this.#region?.meta.closed !== region.meta.closed) {
      this.#keepClosed(region.meta.closed, digest, version);
    }
    if (!isOther) this.settle(digest);
    this.#region = region;
    this.#noteDue = version;
    if (!isOther) this.settle(digest);
  }

  /** See `StateRules.settle`. */
  settle(digest: DigestSums): void {
    const version = this.#noteDue;
    this.#noteDue = undefined;
    if (version === undefined || this.#region === undefined) return;
    const text = regionText(this.#region);
    if (text === this.#note?.text) return;
    const note = noteRecord(REGION_NOTE, text, version);
    digest.change(noteDigestKey(REGION_NOTE), this.#note?.hash ?? 0, note.hash);
    this.#note = note;
  }

  #keepClosed(entries: readonly ClosedEntry[], digest: DigestSums, version: number): void {
    const before = this.#region?.meta.closed ?? [];
    const { gone, added } = closedBetween(before, entries, this.#options.rules);
    for (const entry of gone) {
      this.#changeClosed(this.#closed.get(noteOf(entry)), undefined, digest);
    }
    for (const entry of added) {
      const note = noteRecord(noteOf(entry), JSON.stringify(entry), version);
      this.#changeClosed(undefined, note, digest);
    }
  }

  #changeClosed(
    before: TextRecord | undefined,
    after: TextRecord | undefined,
    digest: DigestSums,
  ): void {
    const { id } = (after ?? before) as TextRecord;
    digest.change(noteDigestKey(id), before?.hash ?? 0, after?.hash ?? 0);
    this.#store.changeNote(before, after);
    if (after === undefined) this.#closed.delete(id);
    else this.#closed.set(id, after);
  }
}

function noteOf(entry: ClosedEntry): string {
  return `${CLOSED_NOTE}${closedName(entry)}`;
}

interface Keeping {
  readonly digest: DigestSums;
  readonly version: number;
  /** Something was changed for certain. */
  readonly isOther: boolean;
}
