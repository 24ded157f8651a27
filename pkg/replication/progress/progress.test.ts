import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LogIndex } from "../../base/index.js";
import {
  assertProgress,
  createProgress,
  maySend,
  onAcknowledged,
  onAsked,
  onRejected,
  onRoundAnswered,
  onSent,
  type Progress,
  toProbe,
  toSnapshot,
} from "./progress.js";

const at = (index: number) => index as LogIndex;
const limits = { inflightMessagesMax: 2, inflightBytesMax: 100 };
const LOSS_TICKS = 3;
const streaming = onAcknowledged(onAsked(createProgress(at(6)), 0), at(5));
const sent = (progress: Progress, upTo: number, tick = 1) =>
  onSent(onAsked(progress, tick), { upTo: at(upTo), bytes: 10, at: tick });
const answered = (progress: Progress, tick: number, verified: number) =>
  onRoundAnswered(progress, { at: tick, verified: at(verified) }, LOSS_TICKS);

describe("progress", () => {
  it("RA-24 a probe sends one message until it is answered", () => {
    const probe = createProgress(at(6));
    expect(maySend(probe, limits)).toBe(true);
    expect(maySend(onAsked(probe, 1), limits)).toBe(false);
    expect(maySend(answered(onAsked(probe, 1), 4, 0), limits)).toBe(false);
    expect(maySend(answered(onAsked(probe, 1), 5, 0), limits)).toBe(true);
    const refused = onRejected(onAsked(probe, 1), { prevIndex: at(5), retryAt: at(3) });
    expect(refused).toMatchObject({ phase: "probe", next: 3, paused: false });
    expect(streaming).toMatchObject({ phase: "replicate", match: 5, next: 6 });
  });

  it("RA-24 a stream fills its window and no more", () => {
    const full = sent(sent(streaming, 7), 9);
    expect(maySend(full, limits)).toBe(false);
    expect(maySend(onAcknowledged(full, at(7)), limits)).toBe(true);
    const heavy = onSent(streaming, { upTo: at(7), bytes: 100, at: 1 });
    expect(maySend(heavy, limits)).toBe(false);
  });

  it("RA-24 what brings nothing new for too long was lost", () => {
    const progress = sent(answered(streaming, 1, 5), 7, 3);
    expect(answered(progress, 6, 5)).toBe(progress);
    expect(answered(progress, 7, 5)).toMatchObject({ phase: "probe", next: 6, inflight: [] });
    expect(answered(progress, 99, 7)).toMatchObject({ phase: "replicate", next: 8 });
  });

  it("RA-24 a receiver that works off a full window has lost nothing, however long it takes", () => {
    let progress = sent(sent(sent(streaming, 7, 1), 8, 1), 9, 1);
    for (const [tick, verified] of [
      [4, 6],
      [7, 7],
      [10, 8],
    ] as const) {
      progress = answered(progress, tick, verified);
      expect(progress).toMatchObject({ phase: "replicate", next: 10 });
    }
    expect(answered(progress, 14, 8)).toMatchObject({ phase: "probe", next: 6 });
  });

  it("RA-24 what is missing under a refusal was lost, as the next round shows", () => {
    const refused = onRejected(sent(sent(streaming, 7, 3), 8, 3), {
      prevIndex: at(7),
      retryAt: at(6),
    });
    expect(refused).toMatchObject({ phase: "replicate", next: 9, refused: true });
    expect(answered(refused, 3, 5)).toMatchObject({ phase: "replicate", next: 9 });
    expect(answered(refused, 4, 5)).toMatchObject({ phase: "probe", next: 6, refused: false });
    expect(answered(refused, 4, 8)).toMatchObject({ phase: "replicate", next: 9 });
  });

  it("RA-24 late and doubled words change nothing", () => {
    expect(onAcknowledged(streaming, at(3))).toBe(streaming);
    expect(onRejected(streaming, { prevIndex: at(9), retryAt: at(2) })).toBe(streaming);
    const probe = createProgress(at(6));
    expect(onRejected(probe, { prevIndex: at(2), retryAt: at(1) })).toBe(probe);
  });

  it("RA-21 while a snapshot is under way nothing else is sent", () => {
    const waiting = toSnapshot(streaming, at(50));
    expect(maySend(waiting, limits)).toBe(false);
    expect(onAcknowledged(waiting, at(20))).toMatchObject({ phase: "snapshot", match: 20 });
    expect(onAcknowledged(waiting, at(50))).toMatchObject({ phase: "replicate", next: 51 });
  });

  it("RA-24 holds its invariants, and the match never falls, whatever comes", () => {
    const index = fc.nat(30).map(at);
    const event = fc.oneof(
      index.map((match) => (p: Progress) => onAcknowledged(p, match)),
      fc.tuple(index, index).map(
        ([prevIndex, retryAt]) =>
          (p: Progress) =>
            onRejected(p, { prevIndex, retryAt }),
      ),
      fc.tuple(index, fc.nat(9)).map(
        ([upTo, at]) =>
          (p: Progress) =>
            onSent(p, { upTo, bytes: 3, at }),
      ),
      fc.tuple(index, fc.nat(9)).map(
        ([verified, tick]) =>
          (p: Progress) =>
            answered(p, tick, verified),
      ),
      fc.constantFrom((p: Progress) => onAsked(p, 1), toProbe),
      index.map((min) => (p: Progress) => (min >= p.next ? toSnapshot(p, min) : p)),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        let progress = createProgress(at(10));
        for (const next of events) {
          const after = next(progress);
          assertProgress(after);
          expect(after.match).toBeGreaterThanOrEqual(progress.match);
          progress = after;
        }
      }),
    );
  });
});
