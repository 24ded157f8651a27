import type { RegionId } from "../../../base/index.js";
import type { RegionEffect, RegionNote } from "./effects.js";
import type { RegionCoreOptions } from "./options.js";
import type { StreamRules } from "./rules.js";
import { NEW_RECEIVER, NEW_SENDER, type Receiver, type RegionState, type Sender } from "./state.js";

type Draft = { -readonly [Key in keyof RegionState]: RegionState[Key] };

/** One step under way: a private copy of the state, and what the step asks for. */
export interface Turn {
  readonly options: RegionCoreOptions;
  readonly rules: StreamRules;
  /** Handlers change fields of it, never what a field holds. */
  readonly s: Draft;
  readonly effects: RegionEffect[];
}

export function takeTicket(turn: Turn): number {
  turn.s.nextTicket += 1;
  return turn.s.nextTicket - 1;
}

export function note(turn: Turn, event: RegionNote, region: RegionId, reason: string): void {
  turn.effects.push({ kind: "note", event, region, reason });
}

export function senderOf(turn: Turn, region: RegionId): Sender {
  return turn.s.senders.get(region) ?? NEW_SENDER;
}

export function setSender(turn: Turn, region: RegionId, change: Partial<Sender>): void {
  const senders = new Map(turn.s.senders);
  turn.s.senders = senders.set(region, { ...senderOf(turn, region), ...change });
}

export function receiverOf(turn: Turn, region: RegionId): Receiver {
  return turn.s.receivers.get(region) ?? NEW_RECEIVER;
}

export function setReceiver(turn: Turn, region: RegionId, change: Partial<Receiver>): void {
  const receivers = new Map(turn.s.receivers);
  turn.s.receivers = receivers.set(region, { ...receiverOf(turn, region), ...change });
}
