import { invariant, type LogIndex, type NodeId, type Term } from "../../../base/index.js";
import type { Entry, EntryKind } from "../../ports/index.js";
import { appended, truncated } from "../../progress/index.js";
import type { RaftMessage } from "../messages.js";
import type { RaftEffect, RaftNote, RaftStep } from "./effects.js";
import { decodeMembership, type Membership, NO_MEMBERS } from "./membership.js";
import type { RaftOptions } from "./options.js";
import type { Rules } from "./rules.js";
import type { Leadership, Peer, RaftState } from "./state.js";

type Draft = { -readonly [Key in keyof RaftState]: RaftState[Key] };

/** What one core is made of. */
export interface CoreParts {
  readonly options: RaftOptions;
  readonly rules: Rules;
}

/**
 * One step under way: a private copy of the state, and what the step asks for. Handlers change
 * `s` field by field (never what a field holds) and the step ends with `finish`.
 */
export interface Turn {
  readonly options: RaftOptions;
  readonly rules: Rules;
  readonly s: Draft;
  readonly persist: { entries: Entry[]; cutFrom: LogIndex | null; promise: boolean };
  readonly outbox: { readonly to: NodeId; readonly body: RaftMessage }[];
  readonly effects: RaftEffect[];
  readonly notes: RaftEffect[];
}

export function beginTurn(parts: CoreParts, state: RaftState): Turn {
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

export function send(turn: Turn, to: NodeId, body: RaftMessage): void {
  turn.outbox.push({ to, body });
}

export function note(turn: Turn, event: RaftNote, reason: string): void {
  turn.notes.push({ kind: "note", event, reason });
}

export function refuse(
  turn: Turn,
  tickets: readonly number[],
  code: Extract<RaftEffect, { kind: "refuse" }>["code"],
  reason: string,
): void {
  if (tickets.length > 0) turn.effects.push({ kind: "refuse", tickets, code, reason });
}

/** The membership in force: the newest in the log. */
export function membershipOf(state: RaftState): Membership {
  return state.configs.at(-1)?.membership ?? NO_MEMBERS;
}

export function configIndexOf(state: RaftState): LogIndex {
  return state.configs.at(-1)?.index ?? (0 as LogIndex);
}

/** The newest membership at or below the commit. */
export function committedConfig(state: RaftState) {
  return state.configs.findLast((config) => config.index <= state.hard.commit);
}

/** A log of nothing but the founding entry, or of nothing. */
export function isFresh(state: RaftState): boolean {
  return state.log.last <= 1 && state.log.base.index === 0;
}

export function leadershipOf(turn: Turn): Leadership {
  invariant(turn.s.lead !== null, "a leader knows its peers");
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

/** A whole number from 0 to `bound - 1`, from the generator in the state (xorshift, 32 bits). */
export function draw(turn: Turn, bound: number): number {
  let x = turn.s.random;
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  turn.s.random = x >>> 0 || 1;
  return turn.s.random % bound;
}

/** RA-1: the term only grows; RA-4: the vote goes with it. */
export function setTerm(turn: Turn, term: Term): void {
  const { hard } = turn.s;
  const grew = term > hard.term;
  const votedFor = turn.rules.voteAfter(hard.votedFor, grew);
  if (!grew && votedFor === hard.votedFor) return;
  turn.s.hard = { ...hard, term, votedFor };
  turn.persist.promise = true;
}

export function setVote(turn: Turn, votedFor: NodeId): void {
  if (turn.s.hard.votedFor === votedFor) return;
  turn.s.hard = { ...turn.s.hard, votedFor };
  turn.persist.promise = true;
}

/** A leader's new entries, all of its own term. */
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

/** Adds entries to the end of the log; a membership is in force at once (section 6). */
export function appendEntries(turn: Turn, entries: readonly Entry[]): void {
  for (const entry of entries) {
    invariant(entry.index === turn.s.log.last + 1, "entries follow each other");
    turn.s.log = appended(turn.s.log, entry.term, 1);
    turn.persist.entries.push(entry);
    if (entry.kind !== "config") continue;
    const membership = decodeMembership(entry.payload);
    invariant(membership !== undefined, "a membership in the log can be read");
    turn.s.configs = [...turn.s.configs, { index: entry.index, membership }];
  }
}

/** Forgets the log from `from` on, with the memberships in it (RA-20). */
export function cutLog(turn: Turn, from: LogIndex): void {
  const { s, persist, rules } = turn;
  invariant(from > s.hard.commit, "what is committed is never cut");
  const end = (from - 1) as LogIndex;
  s.log = truncated(s.log, from);
  s.durable = Math.min(s.durable, end) as LogIndex;
  s.verified = Math.min(s.verified, end) as LogIndex;
  s.persists = s.persists.map((one) => (one.last > end ? { ...one, last: end } : one));
  const configs = s.configs.filter((config) => rules.keepsConfig(config.index, from));
  if (configs.length !== s.configs.length) s.configs = configs;
  persist.cutFrom = persist.cutFrom === null || from < persist.cutFrom ? from : persist.cutFrom;
}

/** Ends the step: persist first, then messages, then the rest, then notes. */
export function finishTurn(turn: Turn): RaftStep<RaftState> {
  const { s } = turn;
  const persist = takePersist(turn);
  const effects: RaftEffect[] = persist === undefined ? [] : [persist];
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

function takePersist(turn: Turn): RaftEffect | undefined {
  const { s, persist } = turn;
  const { entries, cutFrom, promise } = persist;
  if (entries.length === 0 && cutFrom === null && !promise) return undefined;
  s.persistSeq += 1;
  const seq = s.persistSeq;
  s.persists = [...s.persists, { seq, last: s.log.last, promise, at: s.now }];
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
