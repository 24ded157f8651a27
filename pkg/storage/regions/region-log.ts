import type { RegionId } from "../../base/index.js";
import { ReplicationError } from "../../replication/errors.js";
import type {
  ChangeLimits,
  KeptChanges,
  RegionFacts,
  RegionLog,
} from "../../replication/ports/index.js";
import type { Connection, Statement } from "../sqlite/connection.js";
import type { ChangeRun } from "./region-store.js";
import type { RegionalRules } from "./regional-rules.js";

/** The writer's end of `RegionLog`: sees what is applied, committed or not. */
export class WriterRegionLog implements RegionLog {
  readonly resolves: boolean;
  readonly #rules: RegionalRules;
  readonly #rows: Statement;

  constructor(connection: Connection, rules: RegionalRules, resolves: boolean) {
    this.#rules = rules;
    this.resolves = resolves;
    this.#rows = connection.prepare(
      `SELECT first_seq AS "firstSeq", texts FROM region_changes
       WHERE origin = ? AND last_seq > ? ORDER BY last_seq`,
    );
  }

  facts(): RegionFacts | undefined {
    const { region } = this.#rules;
    if (region === undefined) return undefined;
    const { settings, meta, floor, promotion } = region;
    const { have, known, lost } = meta;
    return { ...settings, have, known, lost, floor, promotion, clockMs: meta.clock.ms };
  }

  changes(origin: RegionId, after: number, limits: ChangeLimits): KeptChanges {
    if (after < (this.#rules.region?.floor.get(origin) ?? 0)) throw notKept(origin, after + 1);
    const page = new Page(origin, after, limits);
    for (const run of this.#runs(origin, after)) if (!page.add(run)) break;
    return { firstSeq: after + 1, texts: page.texts };
  }

  /** What was written down, then what was not yet. */
  *#runs(origin: RegionId, after: number): Iterable<Omit<ChangeRun, "origin">> {
    const pending = this.#rules.pendingChanges(origin);
    if (pending === undefined || after + 1 < pending.firstSeq) {
      const rows = this.#rows.iterate(origin, after) as IterableIterator<{
        readonly firstSeq: number;
        readonly texts: string;
      }>;
      for (const { firstSeq, texts } of rows) yield { firstSeq, texts: texts.split("\n") };
    }
    if (pending !== undefined) yield pending;
  }
}

/** Changes from a seq on, until it is full. */
class Page {
  readonly texts: string[] = [];
  readonly #origin: RegionId;
  readonly #limits: ChangeLimits;
  #next: number;
  #chars = 0;

  constructor(origin: RegionId, after: number, limits: ChangeLimits) {
    this.#origin = origin;
    this.#limits = limits;
    this.#next = after + 1;
  }

  /** @returns false when it is full */
  add({ firstSeq, texts }: Omit<ChangeRun, "origin">): boolean {
    if (firstSeq > this.#next) throw notKept(this.#origin, this.#next);
    const { countMax, charsMax } = this.#limits;
    for (let at = this.#next - firstSeq; at < texts.length; at += 1) {
      const text = texts[at] as string;
      const isFull = this.texts.length >= countMax || this.#chars + text.length > charsMax;
      if (isFull && this.texts.length > 0) return false;
      this.texts.push(text);
      this.#chars += text.length;
      this.#next += 1;
    }
    return true;
  }
}

function notKept(origin: string, seq: number): ReplicationError {
  return new ReplicationError(
    "COMPACTED",
    `change ${seq} of region "${origin}" is not kept any more`,
    { hint: "the region that needs it must be given a full copy" },
  );
}
