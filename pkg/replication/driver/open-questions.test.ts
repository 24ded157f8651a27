import { describe, expect, it } from "vitest";
import type { NodeId } from "../../base/index.js";
import { OpenQuestions, TAKEN } from "./open-questions.js";

const n1 = "n1" as NodeId;
const message = (type: number) => ({ type, payload: null });

function world() {
  let nowMs = 0;
  const clock = { monotonicMs: () => nowMs, wallMs: () => nowMs };
  const open = new OpenQuestions(clock, 1_000);
  const pass = (ms: number) => {
    nowMs += ms;
    open.sweep();
  };
  return { open, pass };
}

describe("open questions", () => {
  it("RB-1 one answer goes to the oldest question and tells those it covers that they were heard", async () => {
    const { open } = world();
    const asked = [5, 9, 12].map((upTo) => open.ask(n1, "append_response", upTo));
    expect(open.answer(n1, "append_response", message(4), 9)).toBe(true);
    expect(await Promise.all(asked.slice(0, 2))).toEqual([message(4), TAKEN]);
    expect(open.answer(n1, "append_response", message(4), 12)).toBe(true);
    expect(await asked[2]).toEqual(message(4));
    expect(open.answer(n1, "append_response", message(4), 12)).toBe(false);
  });

  it("RB-1 a refusal answers one question; kinds and peers are strangers to each other", async () => {
    const { open } = world();
    const first = open.ask(n1, "append_response", 5);
    const second = open.ask(n1, "append_response", 9);
    expect(open.answer(n1, "heartbeat_response", message(4), 9)).toBe(false);
    expect(open.answer("n2" as NodeId, "append_response", message(4), 9)).toBe(false);
    expect(open.answer(n1, "append_response", message(7), 0)).toBe(true);
    expect(await first).toEqual(message(7));
    open.answer(n1, "append_response", message(8), 0);
    expect(await second).toEqual(message(8));
  });

  it("RB-2 a question nobody waits for any more is dropped, and so are all at the end", async () => {
    const { open, pass } = world();
    const old = open.ask(n1, "vote_response", 0);
    const oldFate = old.catch((error: { code: string }) => error.code);
    pass(600);
    const young = open.ask(n1, "vote_response", 0);
    const youngFate = young.catch((error: { code: string }) => error.code);
    pass(600);
    expect(await oldFate).toBe("NO_LEADER");
    open.close();
    expect(await youngFate).toBe("NO_LEADER");
  });
});
