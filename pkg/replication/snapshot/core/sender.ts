import { invariant, type LogIndex, type Term, unreachable } from "../../../base/index.js";
import { type SnapshotLimits, windowChunks } from "./limits.js";
import type { Refusal, SnapshotReply } from "./messages.js";

/** Which message an answer is for; answers of an earlier round only move `acked`. */
export interface SentMessage {
  readonly round: number;
  readonly kind: "offer" | "chunk" | "finish";
}

export type SenderInput =
  | { readonly kind: "start" }
  /** The chunk at `index` is in memory. */
  | { readonly kind: "loaded"; readonly index: number }
  | { readonly kind: "source_failed" }
  | { readonly kind: "reply"; readonly to: SentMessage; readonly reply: SnapshotReply }
  /** No answer will come; the message may have arrived. */
  | { readonly kind: "lost"; readonly to: SentMessage }
  | { readonly kind: "abort" }
  | { readonly kind: "tick" };

export type SenderEffect =
  | { readonly kind: "load"; readonly index: number }
  /** Chunks below are not needed any more. */
  | { readonly kind: "free"; readonly below: number }
  | { readonly kind: "send_offer"; readonly round: number }
  | { readonly kind: "send_chunk"; readonly round: number; readonly index: number }
  | { readonly kind: "send_finish"; readonly round: number }
  | { readonly kind: "send_abort" }
  | { readonly kind: "ended"; readonly outcome: SenderOutcome };

export type SenderOutcome =
  | { readonly kind: "installed" }
  /** The receiver has applied up to `index` without it. */
  | { readonly kind: "not_needed"; readonly index: LogIndex }
  | { readonly kind: "older_term"; readonly term: Term }
  /** The receiver needs what was freed here: only a fresh copy under a new id helps. */
  | { readonly kind: "restart"; readonly reason: "receiver_lost_chunks" | Refusal }
  | { readonly kind: "failed"; readonly reason: SenderFailure };

export type SenderFailure = Refusal | "stalled" | "source_failed" | "protocol";

export interface SenderState {
  readonly phase: "new" | "offering" | "streaming" | "finishing" | "ended";
  readonly chunks: number;
  readonly limits: SnapshotLimits;
  /** Grows with every rewind. */
  readonly round: number;
  /** 0 <= acked <= sent <= loaded <= chunks. Chunks below `acked` survive at the receiver. */
  readonly acked: number;
  readonly sent: number;
  readonly loaded: number;
  /** The chunk at `loaded` was asked for. */
  readonly loading: boolean;
  /** Chunks without an answer yet, of any round; never more than a window. */
  readonly flying: number;
  /** Until the offer, or the question whether it is installed, is sent again; 0: none is due. */
  readonly waitTicks: number;
  /** Since something moved. */
  readonly quietTicks: number;
  /** Times the chunk at `acked` or behind it arrived damaged. */
  readonly attempts: number;
}

export interface SenderStep {
  readonly state: SenderState;
  readonly effects: readonly SenderEffect[];
}

export function newSender(chunks: number, limits: SnapshotLimits): SenderState {
  return {
    phase: "new",
    chunks,
    limits,
    round: 0,
    acked: 0,
    sent: 0,
    loaded: 0,
    loading: false,
    flying: 0,
    waitTicks: 0,
    quietTicks: 0,
    attempts: 0,
  };
}

/** One side of a transfer: what to read, what to send, when to give up. Pure. */
export function stepSender(state: SenderState, input: SenderInput): SenderStep {
  if (state.phase === "ended") return { state, effects: [] };
  switch (input.kind) {
    case "start":
      invariant(state.phase === "new", "a sender starts once");
      return pump(offerAgain(state, 0), [{ kind: "send_offer", round: state.round + 1 }]);
    case "loaded":
      invariant(state.loading && input.index === state.loaded, "chunks are loaded in order");
      return pump({ ...state, loaded: state.loaded + 1, loading: false }, []);
    case "source_failed":
      return abort(state, { kind: "failed", reason: "source_failed" });
    case "abort":
      return abort(state, { kind: "failed", reason: "aborted" });
    case "tick":
      return onTick(state);
    case "lost":
      return onLost(landed(state, input.to), input.to);
    case "reply":
      return onReply(landed(state, input.to), input.to, input.reply);
    default:
      return unreachable(input);
  }
}

function landed(state: SenderState, to: SentMessage): SenderState {
  return to.kind === "chunk" ? { ...state, flying: state.flying - 1 } : state;
}

/** Back to the question where the receiver is; whatever is on its way belongs to the past. */
function offerAgain(state: SenderState, waitTicks: number): SenderState {
  return { ...state, phase: "offering", round: state.round + 1, sent: state.acked, waitTicks };
}

function end(state: SenderState, outcome: SenderOutcome): SenderStep {
  return { state: { ...state, phase: "ended" }, effects: [{ kind: "ended", outcome }] };
}

function abort(state: SenderState, outcome: SenderOutcome): SenderStep {
  const ended = end(state, outcome);
  return { ...ended, effects: [{ kind: "send_abort" }, ...ended.effects] };
}

function onTick(state: SenderState): SenderStep {
  const quietTicks = state.quietTicks + 1;
  if (quietTicks >= state.limits.stallTicksMax) {
    return abort(state, { kind: "failed", reason: "stalled" });
  }
  const next = { ...state, quietTicks };
  if (state.waitTicks === 0) return { state: next, effects: [] };
  const waiting = { ...next, waitTicks: state.waitTicks - 1 };
  if (waiting.waitTicks > 0) return { state: waiting, effects: [] };
  const kind = state.phase === "offering" ? "send_offer" : "send_finish";
  return { state: waiting, effects: [{ kind, round: state.round }] };
}

function onLost(state: SenderState, to: SentMessage): SenderStep {
  if (to.round !== state.round) return pump(state, []);
  return { state: offerAgain(state, state.limits.retryTicks), effects: [] };
}

function onReply(state: SenderState, to: SentMessage, reply: SnapshotReply): SenderStep {
  const current = to.round === state.round;
  switch (reply.kind) {
    case "ack":
      return onAck(state, to, reply.next);
    case "resend":
      return current ? onResend(state, to, reply) : pump(state, []);
    case "installing": {
      if (!current) return pump(state, []);
      const waitTicks = state.limits.retryTicks;
      return { state: { ...state, phase: "finishing", waitTicks, quietTicks: 0 }, effects: [] };
    }
    case "installed":
      return end(state, { kind: "installed" });
    case "refuse":
      return current ? onRefuse(state, reply) : pump(state, []);
    default:
      return unreachable(reply);
  }
}

function onAck(state: SenderState, to: SentMessage, next: number): SenderStep {
  if (next > state.loaded) return abort(state, { kind: "failed", reason: "protocol" });
  const answersOffer = to.round === state.round && to.kind === "offer";
  if (answersOffer && next < state.acked) {
    return abort(state, { kind: "restart", reason: "receiver_lost_chunks" });
  }
  const effects: SenderEffect[] = [];
  let after = state;
  if (next > state.acked) {
    effects.push({ kind: "free", below: next });
    after = { ...after, acked: next, sent: Math.max(next, state.sent), quietTicks: 0, attempts: 0 };
  }
  if (answersOffer) after = { ...after, phase: "streaming", quietTicks: 0 };
  return pump(after, effects);
}

function onResend(
  state: SenderState,
  to: SentMessage,
  reply: Extract<SnapshotReply, { kind: "resend" }>,
): SenderStep {
  if (to.kind === "offer" || reply.next > state.sent) {
    return abort(state, { kind: "failed", reason: "protocol" });
  }
  // An answer that was overtaken, or a receiver that lost what it had: its answer to the offer tells.
  if (to.kind === "finish" || reply.next < state.acked) {
    return { state: offerAgain(state, state.limits.retryTicks), effects: [] };
  }
  const attempts = state.attempts + (reply.reason === "corrupt" ? 1 : 0);
  if (attempts >= state.limits.attemptsMax) {
    return abort(state, { kind: "failed", reason: "corrupt" });
  }
  return pump({ ...state, attempts, sent: reply.next, round: state.round + 1 }, []);
}

function onRefuse(
  state: SenderState,
  reply: Extract<SnapshotReply, { kind: "refuse" }>,
): SenderStep {
  switch (reply.reason) {
    case "unknown":
    case "busy":
      return { state: offerAgain(state, state.limits.retryTicks), effects: [] };
    case "not_newer":
      return end(state, { kind: "not_needed", index: reply.index });
    case "older_term":
      return end(state, { kind: "older_term", term: reply.term });
    case "foreign":
    case "changed":
      return end(state, { kind: "restart", reason: reply.reason });
    default:
      return end(state, { kind: "failed", reason: reply.reason });
  }
}

/** Loads and sends what the window allows, and asks for the end when everything has arrived. */
function pump(state: SenderState, effects: SenderEffect[]): SenderStep {
  const window = windowChunks(state.limits);
  let { sent, flying, loading } = state;
  if (!loading && state.loaded < state.chunks && state.loaded - state.acked < window) {
    loading = true;
    effects.push({ kind: "load", index: state.loaded });
  }
  if (state.phase !== "streaming") return { state: { ...state, loading }, effects };
  while (sent < state.loaded && flying < window) {
    effects.push({ kind: "send_chunk", round: state.round, index: sent });
    sent += 1;
    flying += 1;
  }
  const after = { ...state, sent, flying, loading };
  if (state.acked < state.chunks) return { state: after, effects };
  effects.push({ kind: "send_finish", round: state.round });
  return { state: { ...after, phase: "finishing", waitTicks: 0 }, effects };
}

/** @throws InvariantViolation */
export function assertSender(state: SenderState): void {
  const { acked, sent, loaded, chunks, flying, limits } = state;
  const window = windowChunks(limits);
  invariant(0 <= acked && acked <= sent, "what arrived was sent");
  invariant(sent <= loaded && loaded <= chunks, "what was sent was loaded");
  invariant(loaded - acked <= window, "memory holds a window at most");
  invariant(flying >= 0 && flying <= window, "a window at most is on its way");
  invariant(state.attempts < limits.attemptsMax, "damaged chunks are sent again a few times only");
  if (state.phase === "finishing") invariant(acked === chunks, "everything arrived before the end");
}
