import type { RegionId } from "../../base/index.js";
import type { Change } from "./change.js";
import type { ChangeRun } from "./region-store.js";

/** Changes that are applied and not written down yet, so that many of them cost one insert. */
export class PendingChanges {
  readonly #runs = new Map<RegionId, { readonly firstSeq: number; readonly texts: string[] }>();
  #chars = 0;

  get chars(): number {
    return this.#chars;
  }

  /** Each region's come in order, without gaps. */
  add({ origin, seq }: Change, text: string): void {
    const run = this.#runs.get(origin);
    if (run === undefined) this.#runs.set(origin, { firstSeq: seq, texts: [text] });
    else run.texts.push(text);
    this.#chars += text.length;
  }

  take(): readonly ChangeRun[] {
    const runs = [...this.#runs].map(([origin, run]) => ({ origin, ...run }));
    this.clear();
    return runs;
  }

  clear(): void {
    this.#runs.clear();
    this.#chars = 0;
  }
}
