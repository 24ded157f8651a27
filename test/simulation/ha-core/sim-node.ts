import { type LogIndex, NO_POSITION, type NodeId, type Position } from "../../../pkg/base/index.js";
import {
  createHaCore,
  type HaCore,
  type HaEffect,
  type HaInput,
  type HaOptions,
  type HaState,
  type Rules,
} from "../../../pkg/replication/ha-standby/core/index.js";
import type { Entry, HardState } from "../../../pkg/replication/ports/index.js";
import type { SeededRandom } from "../../support/index.js";

export const TICK = 100;
/** A driver that was late by more than this tells the core before anything else. */
export const DRIVER_STALL = 1.5 * TICK;

export type Persist = Extract<HaEffect, { kind: "persist" }>;

const NO_HARD: HardState = {
  term: 0 as HardState["term"],
  votedFor: null,
  commit: 0 as LogIndex,
  epoch: 0,
};

/** A log with its hard state: once as the driver sees it, once as the disk would survive it. */
export class LogImage {
  hard: HardState = NO_HARD;
  base: Position = NO_POSITION;
  /** Every entry up to the base: what only the state machine knows of now. */
  past: readonly Entry[] = [];
  entries: Entry[] = [];

  get last(): Position {
    const entry = this.entries.at(-1);
    return entry === undefined ? this.base : { index: entry.index, term: entry.term };
  }

  at(index: number): Entry | undefined {
    return this.entries[index - this.base.index - 1];
  }

  /** This very entry is here, in the log or in what was made of it. */
  holds(entry: Entry): boolean {
    const { index, payload } = entry;
    return (this.past[index - 1] ?? this.at(index))?.payload === payload;
  }

  /** The history up to there. */
  upTo(index: number): readonly Entry[] {
    return [...this.past, ...this.entries.slice(0, Math.max(0, index - this.base.index))];
  }

  take(op: Persist, entriesMax = Number.POSITIVE_INFINITY): void {
    if (op.truncateFrom !== undefined) {
      this.entries.length = Math.max(0, op.truncateFrom - this.base.index - 1);
    }
    if (op.hard !== undefined) this.hard = op.hard;
    const news = op.entries.filter((entry) => entry.index > this.base.index);
    this.entries.push(...news.slice(0, entriesMax));
  }

  compact(upTo: number): void {
    const entry = this.at(upTo);
    if (upTo <= this.base.index || entry === undefined) return;
    this.past = this.upTo(upTo);
    this.entries = this.entries.slice(upTo - this.base.index);
    this.base = { index: entry.index, term: entry.term };
  }

  restore(position: Position, past: readonly Entry[]): void {
    this.base = position;
    this.past = past;
    this.entries = [];
    this.hard = { ...this.hard, commit: position.index };
  }

  terms(): { first: LogIndex; term: Entry["term"] }[] {
    const runs: { first: LogIndex; term: Entry["term"] }[] = [];
    for (const { index, term } of this.entries) {
      if (runs.at(-1)?.term !== term) runs.push({ first: index, term });
    }
    return runs;
  }

  copy(): LogImage {
    const image = new LogImage();
    image.hard = this.hard;
    image.base = this.base;
    image.past = this.past;
    image.entries = [...this.entries];
    return image;
  }
}

/** What a state machine of this history looks like, for comparing. */
export function digestAfter(before: number, entry: Entry): number {
  let sum = Math.imul(before ^ entry.index, 0x9e3779b1) ^ Math.imul(entry.term, 0x85ebca6b);
  for (const byte of entry.payload) sum = Math.imul(sum ^ byte, 0x01000193);
  return sum | 0;
}

/** One simulated process with its disk. The world drives it; it holds no behaviour of its own. */
export class SimNode {
  disk: string;
  core: HaCore;
  state: HaState;
  live = new LogImage();
  durable = new LogImage();
  pending: Persist[] = [];
  syncing = false;
  issuedSeq = 0;
  reportedSeq = 0;
  applied = 0;
  appliedDurable = 0;
  /** Digest of the state machine by position. */
  digests = new Map<number, number>([[0, 0]]);
  up = false;
  life = 0;
  wipes = 0;
  pausedUntil = 0;
  lastTickAt = 0;
  slowUntil = 0;
  logFull = false;
  storageFull = false;
  /** A primary's word reached this process since it started. */
  contact = false;
  /** Copies of another node's state, ready to be put in place, by position. */
  readonly copies = new Map<string, { digest: number; past: readonly Entry[] }>();
  readonly queue: HaInput[] = [];
  running = false;

  constructor(
    readonly id: NodeId,
    readonly optionsOf: (disk: string) => HaOptions,
    readonly rules: Rules,
    /** Length of its tick in units: clocks drift. */
    readonly tickUnits: number,
    readonly clock: () => number,
  ) {
    this.disk = `${id}-disk-0`;
    this.core = createHaCore(optionsOf(this.disk), rules);
    this.state = this.core.initial;
  }

  /** Its process runs: whatever it is asked now, it answers without noticing a gap. */
  isOnTime(): boolean {
    return this.pausedUntil <= this.clock() && this.clock() - this.lastTickAt <= DRIVER_STALL;
  }

  isServing(): boolean {
    return this.up && this.core.view(this.state).isLeader;
  }

  /** Power off: what was not synced may be gone, from any point on. */
  crash(random: SeededRandom): void {
    this.up = false;
    this.life += 1;
    const survive = random.below(this.pending.length + 1);
    for (let at = 0; at < survive; at += 1) this.durable.take(this.pending[at] as Persist);
    const torn = this.pending[survive];
    if (torn !== undefined && random.chance(1, 2)) {
      this.durable.take(tornOf(torn, random.below(3)), random.below(torn.entries.length + 1));
    }
    this.pending = [];
    this.syncing = false;
    this.queue.length = 0;
    this.applied = random.between(this.appliedDurable, this.applied);
    this.appliedDurable = this.applied;
  }

  /** A new disk: nothing of the old one is left. */
  wipe(): void {
    this.wipes += 1;
    this.disk = `${this.id}-disk-${this.wipes}`;
    this.durable = new LogImage();
    this.applied = 0;
    this.appliedDurable = 0;
    this.digests = new Map([[0, 0]]);
  }

  /** The process starts and reads its disk. */
  boot(): HaInput {
    this.up = true;
    this.contact = false;
    this.issuedSeq = 0;
    this.reportedSeq = 0;
    this.core = createHaCore(this.optionsOf(this.disk), this.rules);
    this.state = this.core.initial;
    this.live = this.durable.copy();
    this.applied = Math.max(this.applied, this.live.base.index);
    const { hard, base, last } = this.live;
    const term = this.live.at(this.applied)?.term ?? base.term;
    return {
      kind: "recovered",
      hard,
      base,
      last,
      applied: { index: this.applied as LogIndex, term },
      terms: this.live.terms(),
    };
  }
}

/** Records reach the disk in order: the cut, then the hard state, then entries. */
function tornOf(persist: Persist, stage: number): Persist {
  const { seq, truncateFrom, hard, entries } = persist;
  return {
    kind: "persist",
    seq,
    ...(truncateFrom === undefined ? {} : { truncateFrom }),
    ...(stage < 1 || hard === undefined ? {} : { hard }),
    entries: stage < 2 ? [] : entries,
  };
}
