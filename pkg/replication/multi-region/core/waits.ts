import type { RequestId } from "../../../base/index.js";
import type { Turn } from "./turn.js";
import { seqOf } from "./vectors.js";

/** MR-38: a client waits until another region has what it wrote. */
export function onWait(turn: Turn, request: RequestId, seq: number): void {
  const { s, options, rules } = turn;
  const isThere = [...s.senders].some(([region, { position }]) => {
    const acknowledged = position === null ? 0 : seqOf(position, options.self);
    return !s.view.lost.has(region) && rules.isThere(seq, acknowledged);
  });
  if (isThere || !s.leading || s.waits.length >= options.waitsMax) {
    turn.effects.push({ kind: "release", request, reached: isThere });
    return;
  }
  s.waits = [...s.waits, { request, seq }];
}

export function onForsake(turn: Turn, request: RequestId): void {
  turn.s.waits = turn.s.waits.filter((wait) => wait.request !== request);
}

/** @param acknowledged - changes of this region that another one has said it contains */
export function releaseWaits(turn: Turn, acknowledged: number): void {
  const { s, rules } = turn;
  if (s.waits.length === 0) return;
  const over = s.waits.filter(({ seq }) => rules.isThere(seq, acknowledged));
  if (over.length === 0) return;
  s.waits = s.waits.filter((wait) => !over.includes(wait));
  for (const { request } of over) turn.effects.push({ kind: "release", request, reached: true });
}

/** Whether another region will get them is not known to this node any more. */
export function endWaits(turn: Turn): void {
  for (const { request } of turn.s.waits) {
    turn.effects.push({ kind: "release", request, reached: false });
  }
  turn.s.waits = [];
}
