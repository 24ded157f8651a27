import type { RegionId } from "../../../base/index.js";
import type { Proposed } from "./effects.js";
import type { ChangesAnswer, ChangesMessage, ChangesRun, Vector } from "./messages.js";
import { NOTHING, type Proposal, type Receiver } from "./state.js";
import { note, receiverOf, setReceiver, type Turn, takeTicket } from "./turn.js";
import { includes, join, seqOf } from "./vectors.js";

/** MR-33, MR-34: another region's changes go into this one's log, and are answered once applied. */
export function onRequest(turn: Turn, call: number, message: ChangesMessage): void {
  const refusal = refusalOf(turn, message.from);
  if (refusal !== undefined) {
    answer(turn, call, refusal);
    return;
  }
  const { from, runs } = message;
  const receiver = receiverOf(turn, from);
  const planned = join(turn.s.view.have, receiver.planned);
  const gap = runs.find(({ origin, firstSeq }) => firstSeq > seqOf(planned, origin) + 1);
  const texts = runs.flatMap((run) => newTexts(run, planned));
  if (gap !== undefined) {
    const missing = new Map([[gap.origin, gap.firstSeq - 1]]);
    answer(turn, call, { kind: "gap", have: contained(turn, receiver), missing });
  } else if (texts.length === 0) {
    onNothingNew(turn, call, message, receiver);
  } else if (receiver.proposals.length >= turn.options.proposalsMax) {
    answer(turn, call, { kind: "busy", have: contained(turn, receiver) });
  } else {
    const reached = runs.map(({ origin, firstSeq, texts: told }) => {
      return [origin, firstSeq + told.length - 1] as const;
    });
    setReceiver(turn, from, { planned: join(planned, new Map(reached)) });
    propose(turn, call, message, texts);
  }
}

function refusalOf(turn: Turn, from: RegionId): ChangesAnswer | undefined {
  const { leading, leader, view } = turn.s;
  if (!leading) return { kind: "not_leader", leader };
  if (!view.known.has(from)) return { kind: "refused", reason: "stranger" };
  return view.lost.has(from) ? { kind: "refused", reason: "lost" } : undefined;
}

function newTexts({ origin, firstSeq, texts }: ChangesRun, planned: Vector): readonly string[] {
  return texts.slice(Math.max(0, seqOf(planned, origin) + 1 - firstSeq));
}

/**
 * Everything in it is here or under way. What the other region contains is worth an entry of its
 * own, but not often: it only lets go of what is kept for it.
 */
function onNothingNew(turn: Turn, call: number, message: ChangesMessage, receiver: Receiver): void {
  const { s, options } = turn;
  const { from, contains } = message;
  const isHere = message.runs.every(
    ({ origin, firstSeq, texts }) => firstSeq + texts.length - 1 <= seqOf(s.view.have, origin),
  );
  const known = s.view.known.get(from) ?? NOTHING;
  const isNews = !includes(known, contains);
  const isBehind = seqOf(s.view.have, from) < seqOf(contains, from);
  const isSoon = s.now - receiver.learnedAt < options.tellTicks;
  const have = contained(turn, receiver);
  if (!isHere) answer(turn, call, { kind: "busy", have });
  else if (!isNews || isBehind || isSoon || receiver.proposals.length > 0) {
    answer(turn, call, { kind: "taken", have, learned: !isNews });
  } else propose(turn, call, message, []);
}

function propose(
  turn: Turn,
  call: number,
  { from, contains }: ChangesMessage,
  texts: readonly string[],
): void {
  const ticket = takeTicket(turn);
  const { proposals } = receiverOf(turn, from);
  const upTo = seqOf(contains, from);
  const proposal = { ticket, call, upTo };
  setReceiver(turn, from, { proposals: [...proposals, proposal], learnedAt: turn.s.now });
  const operation = { op: "receive", from, upTo, contains, texts } as const;
  turn.effects.push({ kind: "propose", ticket, operation });
}

export function onProposed(turn: Turn, ticket: number, outcome: Proposed): void {
  if (turn.s.givingUp === ticket) turn.s.givingUp = null;
  const found = [...turn.s.receivers].find(([, receiver]) =>
    receiver.proposals.some((proposal) => proposal.ticket === ticket),
  );
  if (found === undefined) return;
  const [from, receiver] = found;
  const proposal = receiver.proposals.find((candidate) => candidate.ticket === ticket) as Proposal;
  const proposals = receiver.proposals.filter((candidate) => candidate !== proposal);
  const isPlain = outcome.ok && outcome.stopped === null;
  setReceiver(turn, from, { proposals, planned: isPlain ? receiver.planned : NOTHING });
  if (outcome.ok && outcome.clockAheadMs > 0) {
    note(turn, "region_clock_ahead", from, `its clock is ${outcome.clockAheadMs} ms ahead`);
  }
  answer(turn, proposal.call, answerOf(from, proposal, outcome));
}

function answerOf(from: RegionId, { upTo }: Proposal, outcome: Proposed): ChangesAnswer {
  if (!outcome.ok) return { kind: "failed" };
  const { have, stopped } = outcome;
  if (stopped === null) return { kind: "taken", have, learned: seqOf(have, from) >= upTo };
  const kind = stopped.outcome === "early" ? "early" : "gap";
  return { kind, have, missing: stopped.missing };
}

/** This node does not lead any more: what became of what is under way it will not hear. */
export function endReceiving(turn: Turn): void {
  for (const { proposals } of turn.s.receivers.values()) {
    for (const { call } of proposals) answer(turn, call, { kind: "failed" });
  }
  turn.s.receivers = new Map();
}

function contained(turn: Turn, receiver: Receiver): Vector {
  return turn.rules.contained(turn.s.view.have, receiver.planned);
}

function answer(turn: Turn, call: number, body: ChangesAnswer): void {
  turn.effects.push({ kind: "answer", call, answer: body });
}
