import type { Clock, Timers } from "../../runtime/index.js";
import type { HaState } from "./core/state.js";

export interface HandOverParts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly timing: { readonly tickMs: number; readonly handOverMs: number };
  state(): HaState;
}

/** A primary that was told to stop hands over; resolves when it has, or its successor takes too long. */
export async function handedOver({ clock, timers, timing, state }: HandOverParts): Promise<void> {
  const untilMs = clock.monotonicMs() + timing.handOverMs;
  const hasHeir = () => (state().lead?.switchover ?? null) !== null;
  while (hasHeir() && clock.monotonicMs() < untilMs) {
    await new Promise<void>((done) => void timers.after(timing.tickMs, done));
  }
}
