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

  /** Of one region; undefined when there are none. */
  of(origin: RegionId): Omit<ChangeRun, "origin"> | undefined {
    return this.#runs.get(origin);
  }

  /** Each region's come in order, without gaps. */
  add({ origin, seq }: Change, text: string): void {
    const run = this.#runs.get(origin);
    if (run === undefined) this.#runs.set(origin, { firstSeq: seq, texts: [text] });
    else run.texts.push(text);
    this.#chars += text.length;
  }

  /** In runs that are short enough to be read as a whole for a few of their changes. */
  take(): readonly ChangeRun[] {
    const taken: ChangeRun[] = [];
    for (const [origin, { firstSeq, texts }] of this.#runs) {
      let start = 0;
      let chars = 0;
      for (const [at, text] of texts.entries()) {
        chars += text.length;
        if (chars < ROW_CHARS && at + 1 < texts.length) continue;
        taken.push({ origin, firstSeq: firstSeq + start, texts: texts.slice(start, at + 1) });
        start = at + 1;
        chars = 0;
      }
    }
    this.clear();
    return taken;
  }

  clear(): void {
    this.#runs.clear();
    this.#chars = 0;
  }
}

/** Text of a run from which on it is one of its own. */
const ROW_CHARS = 32 * 1024;
