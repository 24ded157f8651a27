import type { LogIndex } from "../../../pkg/base/index.js";
import type { HardState } from "../../../pkg/replication/ports/index.js";
import type {
  LogTerms,
  RaftEffect,
  RaftInput,
  RaftState,
} from "../../../pkg/replication/raft/index.js";

type Persist = Extract<RaftEffect, { kind: "persist" }>;
type InputOf<Kind extends RaftInput["kind"]> = Extract<RaftInput, { kind: Kind }>;

/** The term of an entry; undefined outside the log. */
export function termIn(log: LogTerms, index: number): number | undefined {
  if (index === log.base.index) return log.base.term;
  if (index < log.base.index || index > log.last) return undefined;
  return log.runs.findLast((run) => run.first <= index)?.term;
}

/**
 * What one disk has been reported to keep, and what it was asked to keep since. What it really
 * keeps shows when a process starts on it again.
 */
export class DiskImage {
  /** As the node on it last knew it. */
  log: LogTerms = { base: { index: 0 as never, term: 0 as never }, runs: [], last: 0 as never };
  durable = 0;
  hard: HardState | undefined;
  #asked: Persist[] = [];

  /** True when the entry, or a snapshot that holds it, is safe from a power cut. */
  covers(index: number, term: number): boolean {
    if (index <= this.log.base.index) return true;
    return index <= this.durable && termIn(this.log, index) === term;
  }

  onEffect(effect: RaftEffect): void {
    if (effect.kind === "persist") {
      this.#asked.push(effect);
      if (effect.truncateFrom !== undefined) this.#shorten(effect.truncateFrom - 1);
    } else if (effect.kind === "install" && !effect.keepTail) {
      this.#shorten(effect.position.index);
    }
  }

  onInput(input: RaftInput, after: RaftState): void {
    if (input.kind === "persisted") this.#onPersisted(input);
    else if (input.kind === "installed") {
      this.durable = Math.max(this.durable, input.position.index);
    }
    this.log = after.log;
  }

  #onPersisted({ seq, upTo }: InputOf<"persisted">): void {
    for (const persist of this.#asked) {
      if (persist.seq <= seq && persist.hard !== undefined) this.hard = persist.hard;
    }
    this.#asked = this.#asked.filter((persist) => persist.seq > seq);
    const cuts = this.#asked.map((persist) => persist.truncateFrom ?? Number.POSITIVE_INFINITY);
    this.durable = Math.max(this.durable, Math.min(upTo, ...cuts.map((cut) => cut - 1)));
  }

  #shorten(last: number): void {
    this.durable = Math.min(this.durable, last);
  }

  /** @returns what was reported durable and is not there, in words */
  onRecovered(found: InputOf<"recovered">): string | undefined {
    this.#asked = [];
    const log = { base: found.base, runs: found.terms, last: found.last.index as LogIndex };
    const before = this.log;
    this.log = log;
    const lost = this.#lost(found, before);
    this.durable = found.last.index;
    this.hard = found.hard;
    return lost;
  }

  #lost(found: InputOf<"recovered">, before: LogTerms): string | undefined {
    if (found.last.index < this.durable) {
      return `entries ${found.last.index + 1} to ${this.durable} were durable and are gone`;
    }
    const term = termIn(before, this.durable);
    const isCut = this.durable < found.base.index;
    if (term !== undefined && !isCut && termIn(this.log, this.durable) !== term) {
      return `entry ${this.durable} was durable and is another now`;
    }
    const { hard } = this;
    if (hard === undefined) return undefined;
    if (found.hard.term < hard.term) return `term ${hard.term} was durable and is gone`;
    const sameTerm = found.hard.term === hard.term;
    if (sameTerm && hard.votedFor !== null && found.hard.votedFor !== hard.votedFor) {
      return `the vote of term ${hard.term} was durable and is gone`;
    }
    return found.hard.commit < hard.commit ? `commit ${hard.commit} was durable` : undefined;
  }
}
