import type { RegionId } from "../../../base/index.js";
import type { ChangesAnswer, ChangesRun, Vector } from "./messages.js";
import { NOTHING, type Sender, type SentMessage } from "./state.js";
import { note, senderOf, setSender, type Turn, takeTicket } from "./turn.js";
import { includes, join, seqOf } from "./vectors.js";
import { releaseWaits } from "./waits.js";

/** Does what is due towards a region: asks where it is, reads changes for it, or tells it news. */
export function tendSender(turn: Turn, region: RegionId): void {
  const { s, options } = turn;
  const sender = senderOf(turn, region);
  if (sender.loading !== null || s.now < sender.retryAt || s.view.lost.has(region)) return;
  if (sender.position === null || sender.refused !== null || sender.needsCopy) {
    if (sender.inFlight.length === 0) sendMessage(turn, region, []);
    return;
  }
  if (sender.inFlight.length >= options.windowMax) return;
  if (sender.held !== null) {
    if (sender.inFlight.length === 0) tendHeld(turn, region, sender.held);
    return;
  }
  const backlog = seqOf(s.view.have, options.self) - sender.next;
  if (backlog > 0) {
    tendBacklog(turn, region, backlog);
    return;
  }
  if (sender.inFlight.length > 0) return;
  const orphan = orphanOf(turn, sender.position);
  if (orphan !== undefined) passOn(turn, region, orphan, seqOf(sender.position, orphan));
  else if (
    s.now - sender.toldAt >= options.tellTicks &&
    turn.rules.isNews(s.view.have, sender.told)
  )
    sendMessage(turn, region, []);
}

/** A region that was given up and will not tell its last changes itself to the one that lacks them. */
function orphanOf({ s }: Turn, position: Vector): RegionId | undefined {
  return [...s.view.lost].find((lost) => seqOf(s.view.have, lost) > seqOf(position, lost));
}

function passOn(turn: Turn, region: RegionId, origin: RegionId, after: number): void {
  note(turn, "region_relayed", region, `changes of ${origin} behind ${after}`);
  load(turn, region, origin, after);
}

function tendBacklog(turn: Turn, region: RegionId, backlog: number): void {
  const { now } = turn.s;
  const { batchChanges, batchTicks, self } = turn.options;
  const since = senderOf(turn, region).waitingSince ?? now;
  const isAwaited = turn.s.waits.length > 0;
  if (isAwaited || backlog >= batchChanges || now - since >= batchTicks) {
    load(turn, region, self, senderOf(turn, region).next);
  } else if (senderOf(turn, region).waitingSince === null) {
    setSender(turn, region, { waitingSince: now });
  }
}

/** What it waits for may come from where it was made; after a while this region passes it on. */
function tendHeld(turn: Turn, region: RegionId, held: { missing: Vector; since: number }): void {
  const { s, options } = turn;
  const position = senderOf(turn, region).position ?? NOTHING;
  if (s.now - held.since >= options.relayTicks) {
    for (const [origin, seq] of held.missing) {
      const isOwn = origin === options.self || origin === region;
      if (isOwn || seqOf(position, origin) >= seq || seqOf(s.view.have, origin) < seq) continue;
      passOn(turn, region, origin, seqOf(position, origin));
      return;
    }
  }
  const own = seqOf(position, options.self);
  if (seqOf(s.view.have, options.self) > own) load(turn, region, options.self, own);
  else sendMessage(turn, region, []);
}

function load(turn: Turn, region: RegionId, origin: RegionId, after: number): void {
  const ticket = takeTicket(turn);
  const { messageChangesMax, messageCharsMax } = turn.options;
  setSender(turn, region, { loading: { ticket, origin }, waitingSince: null });
  turn.effects.push({
    kind: "load",
    region,
    ticket,
    origin,
    after,
    countMax: messageChangesMax,
    charsMax: messageCharsMax,
  });
}

function sendMessage(turn: Turn, region: RegionId, runs: readonly ChangesRun[]): void {
  const { self } = turn.options;
  const contains = turn.s.view.have;
  const ticket = takeTicket(turn);
  const sender = senderOf(turn, region);
  const own = runs.find(({ origin }) => origin === self);
  const upTo = own === undefined ? sender.next : own.firstSeq + own.texts.length - 1;
  const inFlight = [...sender.inFlight, { ticket, upTo, contains }];
  // It may have said meanwhile that it contains more, by what another leader of ours had sent.
  const next = Math.max(sender.next, upTo);
  setSender(turn, region, { inFlight, next, toldAt: turn.s.now, waitingSince: null });
  const message = { from: self, contains, runs };
  turn.effects.push({ kind: "send", region, ticket, message });
}

/** What is newer than the view stays behind: a message says that its changes are contained. */
export function onLoaded(turn: Turn, region: RegionId, ticket: number, run: ChangesRun): void {
  if (senderOf(turn, region).loading?.ticket !== ticket) return;
  setSender(turn, region, { loading: null });
  const { origin, firstSeq } = run;
  const known = Math.max(0, seqOf(turn.s.view.have, origin) + 1 - firstSeq);
  const texts = run.texts.slice(0, known);
  if (texts.length === 0) setSender(turn, region, { retryAt: turn.s.now + 1 });
  else sendMessage(turn, region, [{ origin, firstSeq, texts }]);
}

/** MR-37: nothing is left out; the region is asked again, should somebody have given it a copy. */
export function onNotKept(turn: Turn, region: RegionId, ticket: number): void {
  const { loading } = senderOf(turn, region);
  if (loading?.ticket !== ticket) return;
  setSender(turn, region, { loading: null });
  backOff(turn, region, { needsCopy: true });
  note(turn, "region_needs_copy", region, `changes of ${loading.origin} are not kept any more`);
}

export function onReply(turn: Turn, region: RegionId, ticket: number, answer: ChangesAnswer): void {
  const sender = senderOf(turn, region);
  const sent = sender.inFlight.find((message) => message.ticket === ticket);
  if (sent === undefined) {
    // What went out behind it was answered first; that something is missing is true all the same.
    if (answer.kind === "early" && sender.position !== null) hold(turn, region, answer.missing);
    return;
  }
  const inFlight = sender.inFlight.filter((message) => message !== sent);
  if ("have" in answer && isAhead(turn, region, answer.have)) return;
  switch (answer.kind) {
    case "taken":
      setSender(turn, region, { inFlight });
      onTaken(turn, region, sent, answer);
      return;
    case "gap":
    case "busy":
      goBack(turn, region, answer.have);
      setSender(turn, region, { retryAt: turn.s.now + 1 });
      return;
    case "early":
      goBack(turn, region, answer.have);
      hold(turn, region, answer.missing);
      return;
    case "refused":
      backOff(turn, region, { refused: answer.reason });
      if (sender.refused === null) note(turn, "region_refuses", region, answer.reason);
      return;
    case "not_leader":
      // It is reached: however long it was away, its leader is soon found.
      setSender(turn, region, { failures: 0 });
      turn.effects.push({ kind: "retarget", region, leader: answer.leader });
      backOff(turn, region, {});
      return;
    case "failed":
      backOff(turn, region, {});
      return;
  }
}

function hold(turn: Turn, region: RegionId, missing: Vector): void {
  const { now } = turn.s;
  const sender = senderOf(turn, region);
  const since = isSameWait(sender, missing) ? (sender.held?.since ?? now) : now;
  const retryAt = now + turn.options.backoffTicks;
  setSender(turn, region, { held: { missing, since }, retryAt });
}

function isSameWait({ held, position }: Sender, missing: Vector): boolean {
  if (held === null || !includes(held.missing, missing)) return false;
  return !includes(position ?? NOTHING, held.missing);
}

/**
 * A region that contains more of this one's changes than there are: this one was put back to an old
 * copy, and would give the same numbers to other changes, which nobody would take.
 */
function isAhead(turn: Turn, region: RegionId, have: Vector): boolean {
  const { self } = turn.options;
  const [there, here] = [seqOf(have, self), seqOf(turn.s.view.have, self)];
  if (there <= here) return false;
  if (senderOf(turn, region).refused !== "ahead") {
    note(
      turn,
      "region_is_ahead",
      region,
      `it contains change ${there} of this one, the last is ${here}`,
    );
  }
  backOff(turn, region, { refused: "ahead" });
  return true;
}

function onTaken(
  turn: Turn,
  region: RegionId,
  sent: SentMessage,
  { have, learned }: ChangesAnswer & { readonly kind: "taken" },
): void {
  const sender = senderOf(turn, region);
  const { self } = turn.options;
  if (sender.needsCopy && seqOf(have, self) < seqOf(turn.s.view.floor, self)) {
    backOff(turn, region, {});
    return;
  }
  const isAsked = sender.position === null;
  if (isAsked) {
    note(turn, "region_reached", region, `it contains ${seqOf(have, self)} changes of this one`);
  }
  const position = join(sender.position ?? NOTHING, have);
  const own = seqOf(position, self);
  const isHeld = sender.held !== null && !includes(position, sender.held.missing);
  setSender(turn, region, {
    position,
    next: isAsked ? turn.rules.resumeAt(own, sender.next) : Math.max(own, sender.next),
    told: learned ? join(sender.told, sent.contains) : sender.told,
    failures: 0,
    held: isHeld ? sender.held : null,
    needsCopy: false,
    refused: null,
  });
  releaseWaits(turn, own);
}

/** The receiver's state is behind what was sent: everything since goes out again. */
function goBack(turn: Turn, region: RegionId, have: Vector): void {
  const { next } = senderOf(turn, region);
  setSender(turn, region, {
    position: have,
    next: turn.rules.resumeAt(seqOf(have, turn.options.self), next),
    inFlight: [],
    loading: null,
  });
}

/** The receiver must be asked anew where it is, after a pause. */
function backOff(turn: Turn, region: RegionId, change: Partial<Sender>): void {
  const { failures } = senderOf(turn, region);
  const { backoffTicks, backoffTicksMax } = turn.options;
  const pause = Math.min(backoffTicks * 2 ** Math.min(failures, 20), backoffTicksMax);
  setSender(turn, region, {
    position: null,
    inFlight: [],
    loading: null,
    held: null,
    failures: failures + 1,
    retryAt: turn.s.now + pause,
    ...change,
  });
}

export function onUnreachable(turn: Turn, region: RegionId, ticket: number): void {
  const sender = senderOf(turn, region);
  if (!sender.inFlight.some((message) => message.ticket === ticket)) return;
  if (sender.failures === 0) note(turn, "region_unreachable", region, "it does not answer");
  turn.effects.push({ kind: "retarget", region, leader: null });
  backOff(turn, region, {});
}
