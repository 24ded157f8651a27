import { expect, test } from "vitest";
import type { LogIndex } from "../../base/index.js";
import { noMetrics } from "../../runtime/index.js";
import { AppendToSent } from "./append-to-sent.js";

const at = (index: number) => index as LogIndex;

function make() {
  const seen: number[] = [];
  let nowMs = 0;
  const elapse = (toMs: number) => {
    nowMs = toMs;
  };
  const histogram = () => ({ observe: (value: number) => void seen.push(value) });
  const clock = { monotonicMs: () => nowMs, wallMs: () => 0 };
  return { delay: new AppendToSent({ metrics: { ...noMetrics, histogram }, clock }), seen, elapse };
}

test("HB-50 a batch counts from the append of its oldest entry, once, whoever else is sent it", () => {
  const { delay, seen, elapse } = make();
  delay.appended(at(3));
  elapse(2_000);
  delay.appended(at(9));
  elapse(5_000);
  delay.sending(4, () => {});
  delay.sending(4, () => {});
  delay.sending(9, () => elapse(6_000));
  expect(seen).toEqual([5, 4]);
});

test("HB-50 what leaves in the step that appended it counts the sending alone", () => {
  const { delay, seen, elapse } = make();
  delay.sending(2, () => elapse(1_000));
  delay.appended(at(2));
  delay.sending(2, () => elapse(9_000));
  expect(seen).toEqual([1]);
});

test("HB-50 what nobody was there to be sent is not counted when it is caught up with", () => {
  const { delay, seen, elapse } = make();
  delay.appended(at(5));
  delay.skip(at(7));
  elapse(60_000);
  delay.sending(7, () => {});
  expect(seen).toEqual([]);
});
