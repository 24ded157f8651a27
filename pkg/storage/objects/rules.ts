import type { JsonValue } from "../../base/index.js";
import { ReplicationError } from "../../replication/errors.js";
import type { DigestSums } from "../digest-sums.js";
import type { Envelope } from "../envelope.js";
import { type Counts, type Prepared, refusedCommand, type StateRules } from "../state-engine.js";
import { applyObjectOperation } from "./apply-operation.js";
import type { CatalogueCounts } from "./catalogue.js";
import { readOperation } from "./commands.js";
import { CatalogueDraft, type CatalogueView } from "./draft.js";
import type { ObjectRecord, SegmentRecord } from "./records.js";

/** Where the catalogue is kept. `change…` is called once for each thing a command changed. */
export interface CatalogueStore extends CatalogueView {
  changeObject(before: ObjectRecord | undefined, after: ObjectRecord | undefined): void;
  changeSegment(before: SegmentRecord | undefined, after: SegmentRecord | undefined): void;
}

/** The catalogue's rules over its store. */
export class CatalogueRules implements StateRules {
  readonly #store: CatalogueStore;
  #objects = 0;
  #pending = 0;
  #segments = 0;

  constructor(store: CatalogueStore) {
    this.#store = store;
  }

  get counts(): Counts & CatalogueCounts {
    return { objects: this.#objects, pending: this.#pending, segments: this.#segments };
  }

  set counts(counts: Counts) {
    this.#objects = counts.objects ?? 0;
    this.#pending = counts.pending ?? 0;
    this.#segments = counts.segments ?? 0;
  }

  prepare(envelope: Envelope, index: number): Prepared {
    const draft = new CatalogueDraft(this.#store);
    try {
      const operation = readOperation(envelope);
      const stamp = { index, timestampMs: envelope.timestampMs };
      const { result, effects } = applyObjectOperation(draft, operation, stamp);
      return {
        outcome: { ok: true, value: result as unknown as JsonValue },
        effects: JSON.stringify(effects),
        commit: (digest) => this.#commit(draft, digest),
      };
    } catch (error) {
      if (!(error instanceof ReplicationError)) throw error;
      return refusedCommand({ code: error.code, message: error.message });
    }
  }

  #commit(draft: CatalogueDraft, digest: DigestSums): void {
    for (const [key, { before, after }] of draft.objects.changes) {
      if (before === after) continue;
      this.#count(before, -1);
      this.#count(after, 1);
      digest.change(`o:${key}`, before?.hash ?? 0, after?.hash ?? 0);
      this.#store.changeObject(before, after);
    }
    for (const [name, { before, after }] of draft.segments.changes) {
      if (before === after) continue;
      this.#segments += (after === undefined ? 0 : 1) - (before === undefined ? 0 : 1);
      digest.change(`s:${name}`, before?.hash ?? 0, after?.hash ?? 0);
      this.#store.changeSegment(before, after);
    }
  }

  #count(object: ObjectRecord | undefined, by: 1 | -1): void {
    if (object === undefined) return;
    if (object.complete === 1) this.#objects += by;
    else this.#pending += by;
  }
}
