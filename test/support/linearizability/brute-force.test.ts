import { describe, expect, it } from "vitest";
import { type SeededRandom, seededRandom } from "../seeded-random.js";
import { hasOrder } from "./brute-force.js";
import { checkLinearizability, type Operation } from "./index.js";
import { mutateHistory, randomHistory, wildHistory } from "./random-history.js";

const HISTORIES = 2000;
const WILD = 10_000;
const MIXES = [
  [4, 4, 2, 1],
  [2, 2, 5, 2],
  [5, 3, 0, 0],
  [2, 3, 1, 3],
] as const;

function smallHistory(random: SeededRandom): Operation[] {
  return randomHistory(random, {
    operations: random.between(3, 8),
    keys: 1,
    clients: random.between(2, 5),
    values: random.pick([0, 0, 2, 3]),
    unknownPercent: random.pick([0, 20, 60]),
    versionPercent: random.pick([0, 50, 100]),
    mix: random.pick(MIXES),
  });
}

describe("against every order there is", () => {
  it(`LN-1 the checker accepts ${HISTORIES} histories of a correct register`, () => {
    for (let seed = 0; seed < HISTORIES; seed += 1) {
      const history = smallHistory(seededRandom(`correct ${seed}`));
      expect(hasOrder(history), `seed ${seed}`).toBe(true);
      expect(checkLinearizability(history).text, `seed ${seed}`).toMatch(/^linearizable/);
    }
  });

  it(`LN-2 the checker and the brute force agree on ${HISTORIES} changed histories`, () => {
    const seen = { linearizable: 0, violation: 0 };
    for (let seed = 0; seed < HISTORIES; seed += 1) {
      const random = seededRandom(`changed ${seed}`);
      let history = smallHistory(random);
      for (let i = random.between(2, 8); i > 0; i -= 1) history = mutateHistory(random, history);
      const expected = hasOrder(history) ? "linearizable" : "violation";
      const report = checkLinearizability(history);
      expect(report.verdict, `seed ${seed}\n${report.text}`).toBe(expected);
      seen[expected] += 1;
    }
    expect(seen.linearizable).toBeGreaterThan(HISTORIES / 4);
    expect(seen.violation).toBeGreaterThan(HISTORIES / 4);
  });

  it(`LN-2 they agree on ${WILD} histories drawn without a register`, () => {
    const seen = { linearizable: 0, violation: 0 };
    for (let seed = 0; seed < WILD; seed += 1) {
      const random = seededRandom(`wild ${seed}`);
      const history = wildHistory(random, random.between(3, 7));
      const expected = hasOrder(history) ? "linearizable" : "violation";
      const report = checkLinearizability(history, { explainedKeysMax: 0 });
      expect(report.verdict, `seed ${seed}\n${JSON.stringify(history)}`).toBe(expected);
      seen[expected] += 1;
    }
    expect(seen.linearizable).toBeGreaterThan(WILD / 10);
    expect(seen.violation).toBeGreaterThan(WILD / 10);
  });
});
