import type { Change } from "../draft.js";
import type { ObjectRecord, SegmentRecord } from "./records.js";

/** The few reads that applying needs. */
export interface CatalogueView {
  object(key: string): ObjectRecord | undefined;
  segment(name: string): SegmentRecord | undefined;
}

/** What one command has changed so far, in front of what was there. */
class Changes<R> {
  readonly changes = new Map<string, Change<R>>();
  readonly #base: (id: string) => R | undefined;

  constructor(base: (id: string) => R | undefined) {
    this.#base = base;
  }

  get(id: string): R | undefined {
    const change = this.changes.get(id);
    return change === undefined ? this.#base(id) : change.after;
  }

  set(id: string, after: R | undefined): void {
    const change = this.changes.get(id);
    if (change === undefined) this.changes.set(id, { before: this.#base(id), after });
    else change.after = after;
  }
}

/** The state as a command sees it while it is applied; dropping it leaves nothing behind. */
export class CatalogueDraft {
  readonly objects: Changes<ObjectRecord>;
  readonly segments: Changes<SegmentRecord>;

  constructor(base: CatalogueView) {
    this.objects = new Changes((key) => base.object(key));
    this.segments = new Changes((name) => base.segment(name));
  }
}
