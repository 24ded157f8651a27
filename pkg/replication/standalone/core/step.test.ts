import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LogIndex, Term } from "../../../base/index.js";
import type { Effect, Input as SharedInput } from "../../driver/effects.js";
import type { StandaloneInput } from "./inputs.js";
import { assertStandaloneInvariants, INITIAL_STATE, type StandaloneState } from "./state.js";
import { standaloneCore } from "./step.js";

type Input = SharedInput | StandaloneInput;

const at = (index: number) => index as LogIndex;
const position = (index: number) => ({ index: at(index), term: 1 as Term });
const payload = new Uint8Array([1]);

const recovered = (last: number, applied: number): StandaloneInput => ({
  kind: "recovered",
  hard: { term: 1 as Term, votedFor: null, commit: at(0), epoch: 0 },
  last: position(last),
  applied: position(applied),
});
const propose = (...tickets: number[]): Input => ({
  kind: "propose",
  proposals: tickets.map((ticket) => ({ ticket, payload })),
});
const persisted = (upTo: number): Input => ({ kind: "persisted", seq: 0, upTo: at(upTo) });
const applied = (upTo: number): Input => ({ kind: "applied", upTo: position(upTo) });
const applyRefused = (upTo: number): Input => ({ kind: "apply_refused", position: position(upTo) });

function run(inputs: readonly Input[], from: StandaloneState = INITIAL_STATE) {
  let state = from;
  const effects: Effect[] = [];
  for (const input of inputs) {
    const step = standaloneCore.step(state, input);
    standaloneCore.assertInvariants(step.state);
    state = step.state;
    effects.push(...step.effects);
  }
  return { state, effects };
}

const ready = run([recovered(0, 0), persisted(0)]).state;
const kinds = (effects: readonly Effect[]) => effects.map((effect) => effect.kind);

describe("standalone core", () => {
  it("SA-2 an empty log makes its hard state durable before the node is ready", () => {
    const first = run([recovered(0, 0)]);
    expect(kinds(first.effects)).toEqual(["persist"]);
    expect(standaloneCore.view(first.state).state).toBe("starting");
    expect(standaloneCore.view(ready)).toMatchObject({ state: "ready", isLeader: true, term: 1 });
  });

  it("SA-2 what survived in the log is durable, then applied, then the node is ready (FC-008)", () => {
    const { state, effects } = run([recovered(7, 3), persisted(7)]);
    expect(effects.at(-1)).toEqual({ kind: "apply", upTo: 7 });
    expect(standaloneCore.view(state).isLeader).toBe(false);
    const half = run([applied(5)], state);
    expect(standaloneCore.view(half.state).state).toBe("starting");
    expect(standaloneCore.view(run([applied(7)], half.state).state).state).toBe("ready");
  });

  it("SA-2 the term never goes below that of the log or the hard state (FC-004)", () => {
    const input = recovered(1, 1) as Extract<Input, { kind: "recovered" }>;
    const { state } = run([{ ...input, hard: { ...input.hard, term: 9 as Term } }]);
    expect(state.term).toBe(9);
  });

  it("SA-3 writes get consecutive indexes in the order of arrival", () => {
    const { state, effects } = run([propose(11, 12), propose(13)], ready);
    const entries = effects.flatMap((effect) => (effect.kind === "persist" ? effect.entries : []));
    expect(entries.map((entry) => entry.index)).toEqual([1, 2, 3]);
    expect(state.last).toBe(3);
  });

  it("SA-5 nothing is applied before it is durable (FC-007, FC-008)", () => {
    const proposed = run([propose(1)], ready);
    expect(kinds(proposed.effects)).toEqual(["persist"]);
    expect(run([persisted(1)], proposed.state).effects).toEqual([{ kind: "apply", upTo: 1 }]);
  });

  it("SA-5 what becomes durable while the state machine works is asked for at once", () => {
    const { state, effects } = run([propose(1), persisted(1), propose(2, 3), persisted(3)], ready);
    expect(effects.filter((effect) => effect.kind === "apply")).toEqual([
      { kind: "apply", upTo: 1 },
      { kind: "apply", upTo: 3 },
    ]);
    expect(kinds(run([applied(1), applied(3)], state).effects)).not.toContain("apply");
  });

  it("SA-6 a log without room gives the indexes of the newest batch back (FC-036)", () => {
    const refused: Input = { kind: "persist_refused", seq: 0, from: at(3) };
    const { state, effects } = run([propose(1, 2), propose(3), refused], ready);
    expect(effects).toContainEqual({
      kind: "refuse",
      tickets: [3],
      code: "OVERLOADED",
      reason: "the log's disk is full",
    });
    expect(state.last).toBe(2);
    expect(standaloneCore.view(state)).toMatchObject({ state: "read_only" });
    const answers = run([persisted(2), applied(2)], state).effects;
    expect(answers.flatMap((effect) => (effect.kind === "answer" ? effect.ticket : []))).toEqual([
      1, 2,
    ]);
  });

  it("SA-7 a partly applied batch is answered as far as it was applied", () => {
    const { state } = run([propose(1, 2, 3), persisted(3)], ready);
    const first = run([applied(2)], state);
    const tickets = (effects: readonly Effect[]) =>
      effects.flatMap((effect) => (effect.kind === "answer" ? effect.ticket : []));
    expect(tickets(first.effects)).toEqual([1, 2]);
    expect(tickets(run([applied(3)], first.state).effects)).toEqual([3]);
  });

  it("SA-8 a state machine that fell back is brought forward by the log, answering nobody twice", () => {
    const full = run(
      [propose(1, 2), persisted(2), applied(2), propose(3), persisted(3), applyRefused(1)],
      ready,
    );
    expect(standaloneCore.view(full.state)).toMatchObject({ state: "read_only", appliedIndex: 1 });
    expect(run([propose(4)], full.state).effects).toMatchObject([
      { kind: "refuse", code: "OVERLOADED" },
    ]);
    const again = run([{ kind: "apply_retry" }], full.state);
    expect(again.effects).toEqual([{ kind: "apply", upTo: 3 }]);
    const done = run([applied(3)], again.state);
    expect(done.effects.filter((effect) => effect.kind === "answer")).toMatchObject([
      { ticket: 3 },
    ]);
    expect(standaloneCore.view(done.state).state).toBe("ready");
  });

  it("SA-8 a retry with nothing to retry does nothing", () => {
    expect(run([{ kind: "apply_retry" }], ready).effects).toEqual([]);
  });

  it("SA-9 writes are refused while space is short and taken again afterwards", () => {
    const low = run([{ kind: "disk", low: true }], ready);
    expect(low.effects).toMatchObject([{ kind: "note", event: "writes_refused" }]);
    const back = run([{ kind: "disk", low: false }], low.state);
    expect(back.effects).toMatchObject([{ kind: "note", event: "writes_resumed" }]);
    expect(kinds(run([propose(1)], back.state).effects)).toEqual(["persist"]);
  });
});

describe("standalone core: which phase takes writes", () => {
  const phases = {
    starting: INITIAL_STATE,
    ready,
    stopping: run([{ kind: "stop" }], ready).state,
  } satisfies Record<StandaloneState["phase"], StandaloneState>;
  const expected = {
    starting: "NO_LEADER",
    ready: undefined,
    stopping: "SHUTTING_DOWN",
  } satisfies Record<StandaloneState["phase"], string | undefined>;

  it.each(Object.keys(phases) as StandaloneState["phase"][])("SA-4 %s", (phase) => {
    const { effects } = run([propose(5)], phases[phase]);
    const refusal = effects.find((effect) => effect.kind === "refuse");
    expect(refusal?.code).toBe(expected[phase]);
    expect(effects.some((effect) => effect.kind === "persist")).toBe(expected[phase] === undefined);
  });

  it("SA-4 stopping twice says so once", () => {
    expect(kinds(run([{ kind: "stop" }, { kind: "stop" }], ready).effects)).toEqual(["note"]);
  });
});

/** A world that carries effects out in any lawful order. */
class World {
  state = ready;
  inLog = 0;
  synced = 0;
  applying: { upTo: number } | undefined;
  appliedTo = 0;
  readonly answers = new Map<number, number>();
  readonly proposed = new Set<number>();
  nextTicket = 1;

  step(input: Input): void {
    const { state, effects } = standaloneCore.step(this.state, input);
    assertStandaloneInvariants(state);
    this.state = state;
    for (const effect of effects) {
      if (effect.kind === "persist") this.inLog += effect.entries.length;
      if (effect.kind === "apply") {
        expect(effect.upTo).toBeLessThanOrEqual(this.synced);
        this.applying = { upTo: effect.upTo };
      }
      if (effect.kind === "answer") {
        expect(effect.index).toBeLessThanOrEqual(this.appliedTo);
        this.answers.set(effect.ticket, (this.answers.get(effect.ticket) ?? 0) + 1);
      }
      if (effect.kind === "refuse") {
        for (const ticket of effect.tickets)
          this.answers.set(ticket, (this.answers.get(ticket) ?? 0) + 1);
      }
    }
  }

  act(action: number): void {
    if (action <= 2) {
      const tickets = Array.from({ length: action + 1 }, () => this.nextTicket++);
      for (const ticket of tickets) this.proposed.add(ticket);
      this.step(propose(...tickets));
    } else if (action === 3) {
      this.synced = this.inLog;
      this.step(persisted(this.synced));
    } else if (action === 4 && this.applying !== undefined) {
      this.finishApply(this.applying.upTo);
    } else if (action === 5 && this.applying !== undefined) {
      const fallback = Math.max(0, this.appliedTo - 2);
      this.applying = undefined;
      this.appliedTo = fallback;
      this.step(applyRefused(fallback));
    } else if (action === 6) this.step({ kind: "apply_retry" });
    else if (action >= 7) this.step({ kind: "disk", low: action === 7 });
  }

  finishApply(upTo: number): void {
    this.applying = undefined;
    this.appliedTo = upTo;
    this.step(applied(upTo));
  }
}

describe("standalone core: any order of events", () => {
  it("SA-1 SA-7 invariants hold and every write is answered exactly once", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 8 }), { maxLength: 80 }), (actions) => {
        const world = new World();
        for (const action of actions) world.act(action);
        world.step({ kind: "disk", low: false });
        for (let round = 0; round < 4; round += 1) {
          world.act(3);
          world.act(6);
          if (world.applying !== undefined) world.finishApply(world.applying.upTo);
        }
        expect([...world.answers.keys()].sort((a, b) => a - b)).toEqual([...world.proposed]);
        expect([...world.answers.values()].every((times) => times === 1)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});
