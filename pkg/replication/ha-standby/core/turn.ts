import { invariant, type LogIndex, type NodeId, type Term } from "../../../base/index.js";
import type { Entry, EntryKind } from "../../ports/index.js";
import { appended, lastPosition, truncated } from "../../progress/index.js";
import type { HaMessage } from "../messages.js";
import type { ArbiterRequest, HaEffect, HaNote, HaStep } from "./effects.js";
import type { HaOptions } from "./options.js";
import type { Rules } from "./rules.js";
import type { HaState, Leadership, Peer } from "./state.js";

type Draft = { -readonly [Key in keyof HaState]: HaState[Key] };

/** What one core is made of. */
export interface CoreParts {
  readonly options: HaOptions;
  readonly rules: Rules;
}

/**
 * One step under way: a private copy of the state, and what the step asks for. Handlers change
 * `s` field by field (never what a field holds) and the step ends with `finishTurn`.
 */
export interface Turn {
  readonly options: HaOptions;
  readonly rules: Rules;
  readonly s: Draft;
  readonly persist: { entries: Entry[]; cutFrom: LogIndex | null; promise: boolean };
  readonly outbox: { readonly to: NodeId; readonly body: HaMessage }[];
  readonly effects: HaEffect[];
  readonly notes: HaEffect[];
}

export function beginTurn(parts: CoreParts, state: HaState): Turn {
  return {
    options: parts.options,
    rules: parts.rules,
    s: { ...state },
    persist: { entries: [], cutFrom: null, promise: false },
    outbox: [],
    effects: [],
    notes: [],
  };
}

export function send(turn: Turn, to: NodeId, body: HaMessage): void {
  turn.outbox.push({ to, body });
}

export function note(turn: Turn, event: HaNote, reason: string): void {
  turn.notes.push({ kind: "note", event, reason });
}

export function refuse(
  turn: Turn,
  tickets: readonly number[],
  code: Extract<HaEffect, { kind: "refuse" }>["code"],
  reason: string,
): void {
  if (tickets.length > 0) turn.effects.push({ kind: "refuse", tickets, code, reason });
}

export function takeId(turn: Turn): number {
  turn.s.nextId += 1;
  return turn.s.nextId;
}

export function askArbiter(turn: Turn, request: ArbiterRequest): number {
  const id = takeId(turn);
  turn.effects.push({ kind: "ask_arbiter", id, request });
  return id;
}

export function leadershipOf(turn: Turn): Leadership {
  invariant(turn.s.lead !== null, "a primary knows its standbys");
  return turn.s.lead;
}

export function setLead(turn: Turn, change: Partial<Leadership>): void {
  turn.s.lead = { ...leadershipOf(turn), ...change };
}

export function setPeer(turn: Turn, id: NodeId, change: Partial<Peer>): void {
  const lead = leadershipOf(turn);
  const peer = lead.peers.get(id);
  if (peer === undefined) return;
  turn.s.lead = { ...lead, peers: new Map(lead.peers).set(id, { ...peer, ...change }) };
}

/** HA-1: the epoch only grows, and within one epoch it is given to one node only. */
export function setEpoch(turn: Turn, epoch: Term, to: NodeId | null): void {
  const { hard } = turn.s;
  invariant(epoch >= hard.term, "an epoch never falls");
  if (epoch === hard.term && hard.votedFor === to) return;
  invariant(epoch > hard.term || hard.votedFor === null, "an epoch is given once");
  turn.s.hard = { ...hard, term: epoch, votedFor: to, epoch };
  turn.persist.promise = true;
}

export function appendOwn(
  turn: Turn,
  items: readonly { readonly kind: EntryKind; readonly payload: Uint8Array }[],
): LogIndex {
  const first = turn.s.log.last + 1;
  const term = turn.s.hard.term;
  const entries = items.map(({ kind, payload }, offset) => ({
    index: (first + offset) as LogIndex,
    term,
    kind,
    payload,
  }));
  appendEntries(turn, entries);
  return first as LogIndex;
}

export function appendEntries(turn: Turn, entries: readonly Entry[]): void {
  const { s, persist } = turn;
  let from = 0;
  entries.forEach(({ index, term }, at) => {
    invariant(index === s.log.last + at - from + 1, "entries follow each other");
    if (term === entries[at + 1]?.term) return;
    s.log = appended(s.log, term, at + 1 - from);
    from = at + 1;
  });
  persist.entries = persist.entries.length === 0 ? [...entries] : [...persist.entries, ...entries];
}

/** Forgets the log from `from` on. */
export function cutLog(turn: Turn, from: LogIndex): void {
  const { s, persist } = turn;
  invariant(from > s.hard.commit, "what is committed is never cut");
  forgetFrom(turn, from);
  persist.cutFrom = persist.cutFrom === null || from < persist.cutFrom ? from : persist.cutFrom;
}

/** The log ends before `from` now, whatever was under way. */
export function forgetFrom(turn: Turn, from: LogIndex): void {
  const { s } = turn;
  const end = (from - 1) as LogIndex;
  s.log = truncated(s.log, from);
  s.durable = Math.min(s.durable, end) as LogIndex;
  s.logged = Math.min(s.logged, end) as LogIndex;
  s.persists = s.persists.map((one) => (one.last > end ? { ...one, last: end } : one));
}

/** Ends the step: persist first, then messages, then the rest, then notes. */
export function finishTurn(turn: Turn): HaStep<HaState> {
  const { s } = turn;
  const persist = takePersist(turn);
  const effects: HaEffect[] = persist === undefined ? [] : [persist];
  if (turn.outbox.length > 0) {
    const promise = s.persists.findLast((one) => one.promise);
    const hold = turn.rules.mustHold(promise !== undefined);
    for (const { to, body } of turn.outbox) {
      if (!hold || promise === undefined) effects.push({ kind: "send", to, body });
      else if (s.held.length < turn.options.limits.heldMessagesMax) {
        s.held = [...s.held, { seq: promise.seq, to, body }];
      }
    }
  }
  effects.push(...turn.effects, ...turn.notes);
  return { state: s, effects };
}

function takePersist(turn: Turn): HaEffect | undefined {
  const { s, persist } = turn;
  const { entries, cutFrom, promise } = persist;
  if (entries.length === 0 && cutFrom === null && !promise) return undefined;
  s.persistSeq += 1;
  const seq = s.persistSeq;
  s.persists = [...s.persists, { seq, last: s.log.last, promise }];
  return {
    kind: "persist",
    seq,
    ...(cutFrom === null ? {} : { truncateFrom: cutFrom }),
    hard: s.hard,
    entries,
  };
}

/** Messages whose promise is durable now. */
export function releaseHeld(turn: Turn): void {
  const { s } = turn;
  if (s.held.length === 0) return;
  const ready = s.held.filter((message) => message.seq <= s.persistedSeq);
  if (ready.length === 0) return;
  s.held = s.held.filter((message) => message.seq > s.persistedSeq);
  for (const { to, body } of ready) turn.effects.push({ kind: "send", to, body });
}

/** The last entry that survives a power cut. */
export function durablePosition(turn: Turn) {
  const { s } = turn;
  return lastPosition(
    s.durable < s.log.last ? truncated(s.log, (s.durable + 1) as LogIndex) : s.log,
  );
}
