import { type LogIndex, type Term, unreachable } from "../../../base/index.js";
import {
  chunkCount,
  type Refusal,
  type SnapshotOffer,
  type SnapshotReply,
  sameOffer,
} from "./messages.js";
import type {
  ReceiverEffect,
  ReceiverInput,
  ReceiverState,
  ReceiverStep,
  Ticket,
  Transfer,
} from "./receiver-state.js";

type InputOf<Kind extends ReceiverInput["kind"]> = Extract<ReceiverInput, { kind: Kind }>;
type Completion = InputOf<"synced" | "verified" | "installed" | "install_failed" | "stage_failed">;

/** The other side of a transfer: what to keep, what to answer, when it is whole. Pure. */
export function stepReceiver(state: ReceiverState, input: ReceiverInput): ReceiverStep {
  switch (input.kind) {
    case "recovered":
      return onRecovered(state, input);
    case "term":
      return onTerm(state, input.term);
    case "offer":
      return onOffer(state, input);
    case "chunk":
      return onChunk(state, input);
    case "finish":
      return onFinish(state, input);
    case "abort":
      return onAbort(state, input);
    case "tick":
      return onTick(state);
    default:
      return onCompletion(state, input);
  }
}

function reply(ticket: Ticket, reply: SnapshotReply): ReceiverEffect {
  return { kind: "reply", ticket, reply };
}

function refusal(state: ReceiverState, to: { ticket: Ticket; id: string }, reason: Refusal) {
  const { ticket, id } = to;
  return reply(ticket, { kind: "refuse", id, reason, term: state.term, index: 0 as LogIndex });
}

function only(state: ReceiverState, effect: ReceiverEffect): ReceiverStep {
  return { state, effects: [effect] };
}

/** Ends the transfer, if there is one, and answers all that wait for it. */
function drop(state: ReceiverState, reason: Refusal | "expired"): ReceiverStep {
  const { transfer } = state;
  if (transfer === null) return { state, effects: [] };
  const { id } = transfer.offer;
  const tickets = [...transfer.waiting.map(({ ticket }) => ticket), ...transfer.asking];
  const answered = reason === "expired" ? "aborted" : reason;
  return {
    state: { ...state, transfer: null },
    effects: [
      ...tickets.map((ticket) => refusal(state, { ticket, id }, answered)),
      { kind: "discard", reason },
    ],
  };
}

function onRecovered(state: ReceiverState, input: InputOf<"recovered">): ReceiverStep {
  const { offer, chunks, whole } = input;
  const term = state.term > offer.term ? state.term : offer.term;
  const transfer = { ...newTransfer(offer), written: chunks, durable: chunks };
  if (!whole) return { state: { ...state, term, transfer }, effects: [] };
  const installing = { ...transfer, phase: "installing" } as const;
  return only({ ...state, term, transfer: installing }, { kind: "received", offer });
}

function newTransfer(offer: SnapshotOffer): Transfer {
  return {
    offer,
    phase: "receiving",
    written: 0,
    durable: 0,
    syncing: false,
    waiting: [],
    asking: [],
    attempts: 0,
    idleTicks: 0,
  };
}

function onTerm(state: ReceiverState, term: Term): ReceiverStep {
  if (term <= state.term) return { state, effects: [] };
  const raised = { ...state, term };
  return state.transfer?.phase === "installing"
    ? { state: raised, effects: [] }
    : drop(raised, "older_term");
}

function onOffer(state: ReceiverState, input: InputOf<"offer">): ReceiverStep {
  const { ticket, offer } = input;
  const refuse = (reason: Refusal) => only(state, refusal(state, { ticket, id: offer.id }, reason));
  if (offer.term < state.term) return refuse("older_term");
  if (state.last?.id === offer.id) return onEnded(state, { ticket, id: offer.id });
  const { transfer } = state;
  if (transfer?.offer.id === offer.id) {
    return sameOffer(transfer.offer, offer) ? onKnown(state, transfer, ticket) : refuse("changed");
  }
  if (transfer !== null) {
    if (transfer.phase !== "receiving") return refuse("busy");
    const sameTerm = transfer.offer.term === offer.term;
    if (sameTerm && offer.position.index < transfer.offer.position.index) return refuse("outdated");
  }
  if (!offer.force && offer.position.index <= input.applied) {
    const { id } = offer;
    const { term } = state;
    return only(
      state,
      reply(ticket, { kind: "refuse", id, reason: "not_newer", term, index: input.applied }),
    );
  }
  if (offer.chunkBytes > state.limits.chunkBytesMax) return refuse("too_large");
  if (!input.hasRoom) return refuse("no_room");
  const cleared = drop(state, "replaced");
  const begun = { ...newTransfer(offer), syncing: true, waiting: [{ ticket, index: -1 }] };
  return {
    state: { ...cleared.state, term: offer.term, transfer: begun },
    effects: [
      ...cleared.effects,
      { kind: "begin", offer },
      { kind: "sync", id: offer.id, chunks: 0 },
    ],
  };
}

/** The sender lost its link, or its answer. */
function onKnown(state: ReceiverState, transfer: Transfer, ticket: Ticket): ReceiverStep {
  const { id } = transfer.offer;
  const heard = { ...state, transfer: { ...transfer, idleTicks: 0 } };
  if (transfer.phase === "installing")
    return only(heard, reply(ticket, { kind: "installing", id }));
  return only(heard, reply(ticket, { kind: "ack", id, next: transfer.durable }));
}

/** A message of a transfer that is over. */
function onEnded(state: ReceiverState, to: { ticket: Ticket; id: string }): ReceiverStep {
  if (state.last?.id !== to.id) return only(state, refusal(state, to, "unknown"));
  if (!state.last.installed) return only(state, refusal(state, to, "failed"));
  return only(state, reply(to.ticket, { kind: "installed", id: to.id }));
}

function onChunk(state: ReceiverState, input: InputOf<"chunk">): ReceiverStep {
  const { ticket, id, index } = input;
  const transfer = state.transfer;
  if (transfer?.offer.id !== id) return onEnded(state, input);
  const heard = { ...transfer, idleTicks: 0 };
  const keep = (after: Transfer, effect: ReceiverEffect) =>
    only({ ...state, transfer: after }, effect);
  const { written, durable } = transfer;
  const full = heard.waiting.length + heard.asking.length >= state.limits.waitingMax;
  if (index < durable || (full && index < written)) {
    return keep(heard, reply(ticket, { kind: "ack", id, next: durable }));
  }
  if (index < written) {
    const waiting = [...heard.waiting, { ticket, index }];
    return { state: { ...state, transfer: { ...heard, waiting } }, effects: [] };
  }
  if (index > written || full || written === chunkCount(transfer.offer)) {
    return keep(heard, reply(ticket, { kind: "resend", id, next: written, reason: "gap" }));
  }
  if (input.check === "intact") return store(state, heard, ticket);
  const attempts = transfer.attempts + 1;
  if (input.check === "corrupt" && attempts < state.limits.attemptsMax) {
    const again = { kind: "resend", id, next: written, reason: "corrupt" } as const;
    return keep({ ...heard, attempts }, reply(ticket, again));
  }
  const dropped = drop(state, input.check);
  return { ...dropped, effects: [refusal(state, input, input.check), ...dropped.effects] };
}

function store(state: ReceiverState, transfer: Transfer, ticket: Ticket): ReceiverStep {
  const index = transfer.written;
  const written = index + 1;
  const waiting = [...transfer.waiting, { ticket, index }];
  const { id } = transfer.offer;
  const effects: ReceiverEffect[] = [{ kind: "write", index }];
  if (!transfer.syncing) effects.push({ kind: "sync", id, chunks: written });
  const after = { ...transfer, written, waiting, attempts: 0, syncing: true };
  return { state: { ...state, transfer: after }, effects };
}

function onFinish(state: ReceiverState, input: InputOf<"finish">): ReceiverStep {
  const { ticket, id } = input;
  const transfer = state.transfer;
  if (transfer?.offer.id !== id) return onEnded(state, input);
  const heard = { ...transfer, idleTicks: 0 };
  const keep = (effect: ReceiverEffect) => only({ ...state, transfer: heard }, effect);
  if (transfer.phase === "installing") return keep(reply(ticket, { kind: "installing", id }));
  if (transfer.syncing || transfer.durable < chunkCount(transfer.offer)) {
    const next = transfer.durable;
    return keep(reply(ticket, { kind: "resend", id, next, reason: "gap" }));
  }
  if (heard.asking.length >= state.limits.waitingMax) return keep(refusal(state, input, "busy"));
  const asking = [...heard.asking, ticket];
  const after = { ...state, transfer: { ...heard, phase: "verifying", asking } as const };
  return transfer.phase === "verifying"
    ? { state: after, effects: [] }
    : only(after, { kind: "verify", id });
}

function onAbort(state: ReceiverState, input: InputOf<"abort">): ReceiverStep {
  const { ticket, id } = input;
  const transfer = state.transfer;
  if (transfer?.offer.id !== id) return onEnded(state, input);
  if (transfer.phase === "installing")
    return only(state, reply(ticket, { kind: "installing", id }));
  const dropped = drop(state, "aborted");
  return { ...dropped, effects: [refusal(state, input, "aborted"), ...dropped.effects] };
}

function onTick(state: ReceiverState): ReceiverStep {
  const { transfer } = state;
  if (transfer?.phase !== "receiving") return { state, effects: [] };
  const idleTicks = transfer.idleTicks + 1;
  if (idleTicks >= state.limits.idleTicksMax) return drop(state, "expired");
  return { state: { ...state, transfer: { ...transfer, idleTicks } }, effects: [] };
}

/** What the disk and the mode have done; of an earlier transfer it means nothing any more. */
function onCompletion(state: ReceiverState, input: Completion): ReceiverStep {
  const { transfer } = state;
  if (transfer?.offer.id !== input.id) return { state, effects: [] };
  const { id } = input;
  switch (input.kind) {
    case "synced":
      return onSynced(state, transfer, input.chunks);
    case "verified":
      return input.intact ? onIntact(state, transfer) : drop(state, "corrupt");
    case "stage_failed":
      return drop(state, "failed");
    case "installed": {
      const last = { id, installed: true };
      return only({ ...state, transfer: null, last }, { kind: "discard", reason: "installed" });
    }
    case "install_failed": {
      const last = { id, installed: false };
      return only({ ...state, transfer: null, last }, { kind: "discard", reason: "failed" });
    }
    default:
      return unreachable(input);
  }
}

function onSynced(state: ReceiverState, transfer: Transfer, durable: number): ReceiverStep {
  const { id } = transfer.offer;
  const effects = transfer.waiting
    .filter(({ index }) => index < durable)
    .map(({ ticket }) => reply(ticket, { kind: "ack", id, next: durable }));
  const waiting = transfer.waiting.filter(({ index }) => index >= durable);
  const syncing = transfer.written > durable;
  if (syncing) effects.push({ kind: "sync", id, chunks: transfer.written });
  return { state: { ...state, transfer: { ...transfer, durable, waiting, syncing } }, effects };
}

function onIntact(state: ReceiverState, transfer: Transfer): ReceiverStep {
  const { offer, asking } = transfer;
  const installing = { ...transfer, phase: "installing", asking: [] } as const;
  return {
    state: { ...state, transfer: installing },
    effects: [
      ...asking.map((ticket) => reply(ticket, { kind: "installing", id: offer.id })),
      { kind: "received", offer },
    ],
  };
}
