import { describe, expect, test } from "vitest";
import type { JsonValue } from "../../pkg/base/index.js";
import { seededRandom } from "./seeded-random.js";
import { type MessageLink, SimMessages } from "./sim-messages.js";
import { VirtualTime } from "./virtual-time.js";

function world(defaults: Partial<MessageLink> = {}, seed = 1) {
  const time = new VirtualTime();
  const messages = new SimMessages({ time, random: seededRandom(seed), defaults });
  const got: JsonValue[] = [];
  messages.attach("b", (_from, message) => got.push(message));
  return { time, messages, got };
}

describe("SimMessages", () => {
  test("RT-30 a healthy link delivers all in order, as copies", async () => {
    const { time, messages, got } = world();
    const message = { n: [1, 2] };
    messages.send("a", "b", message);
    messages.send("a", "b", "é");
    await time.advance(1);
    expect(got).toEqual([{ n: [1, 2] }, "é"]);
    expect(got[0]).not.toBe(message);
  });

  test("RT-31 loss, doubling, reordering and spikes happen at their rate and are counted", async () => {
    const { time, messages, got } = world({
      drop: [1, 5],
      duplicate: [1, 4],
      delayMsMin: 0,
      delayMsMax: 20,
      spike: [1, 50],
      spikeMs: 500,
    });
    for (let i = 0; i < 2000; i += 1) {
      messages.send("a", "b", i);
      await time.advance(1);
    }
    await time.advance(1000);
    const { hits } = messages;
    expect(hits.sent).toBe(2000);
    expect(hits.dropped).toBeGreaterThan(300);
    expect(hits.dropped).toBeLessThan(500);
    expect(hits.duplicated).toBeGreaterThan(300);
    expect(hits.reordered).toBeGreaterThan(100);
    expect(hits.spiked).toBeGreaterThan(10);
    expect(got).toHaveLength(2000 - hits.dropped + hits.duplicated);
  });

  test("RT-32 a cut stops one direction, also what is under way, until it is healed", async () => {
    const { time, messages, got } = world({ delayMsMin: 5, delayMsMax: 5 });
    const back: JsonValue[] = [];
    messages.attach("a", (_from, message) => back.push(message));
    messages.send("a", "b", 1);
    messages.cut("a", "b");
    messages.send("b", "a", 2);
    await time.advance(5);
    messages.healAll();
    messages.send("a", "b", 3);
    messages.detach("a");
    messages.send("b", "a", 4);
    await time.advance(5);
    expect(got).toEqual([3]);
    expect(back).toEqual([2]);
    expect(messages.hits).toMatchObject({ cut: 1, absent: 1, delivered: 2 });
  });

  test("RT-24 the same seed gives the same trace, another seed another", async () => {
    const run = async (seed: number) => {
      const { time, messages } = world({ delayMsMin: 0, delayMsMax: 9, drop: [1, 3] }, seed);
      for (let i = 0; i < 50; i += 1) messages.send("a", "b", i);
      await time.advance(10);
      return time.trace.digest();
    };
    expect(await run(1)).toBe(await run(1));
    expect(await run(2)).not.toBe(await run(1));
  });
});
