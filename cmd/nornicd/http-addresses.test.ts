import { describe, expect, it } from "vitest";
import type { JsonValue } from "../../pkg/base/index.js";
import type { ReplicatorEvent } from "../../pkg/replication/index.js";
import { VirtualTime } from "../../test/support/index.js";
import { HttpAddresses } from "./http-addresses.js";

const REFRESH_MS = 5_000;

/** A node whose cluster answers what `told` holds at the moment. */
async function started(told: { now: Record<string, JsonValue> }) {
  const time = new VirtualTime();
  const replicator = { onEvent: () => () => {}, order: async () => told.now };
  const addresses = new HttpAddresses(replicator, time);
  addresses.start("http://n1:7474");
  await time.advance(0);
  return { time, addresses };
}

describe("where members serve HTTP", () => {
  it("HT-8 an address is renewed, and forgotten half a minute after its member said it (FC-151)", async () => {
    const told = { now: { n2: { http: "http://n2:1" } } as Record<string, JsonValue> };
    const { time, addresses } = await started(told);
    expect(addresses.of("n2")).toBe("http://n2:1");
    told.now = { n2: { http: "http://n2:2" } };
    await time.advance(REFRESH_MS);
    expect(addresses.of("n2")).toBe("http://n2:2");
    told.now = {};
    await time.advance(5 * REFRESH_MS);
    expect(addresses.of("n2")).toBe("http://n2:2");
    await time.advance(REFRESH_MS);
    expect(addresses.of("n2")).toBeUndefined();
    addresses.close();
  });

  it("HT-8 a member that serves no HTTP any more is not led to", async () => {
    const told = { now: { n2: { http: "http://n2:1" } } as Record<string, JsonValue> };
    const { time, addresses } = await started(told);
    told.now = { n2: {} };
    await time.advance(REFRESH_MS);
    expect(addresses.of("n2")).toBeUndefined();
    addresses.close();
  });

  it("HT-8 a member that has not said it yet is asked when it is looked for, one that serves no HTTP is not asked again", async () => {
    const told = { now: { n2: {}, n3: { http: null } } as Record<string, JsonValue> };
    const { addresses } = await started(told);
    expect(addresses.of("n2")).toBeUndefined();
    told.now = { n2: { http: "http://n2:1" }, n3: { http: "http://n3:1" } };
    expect(await addresses.find("n3")).toBeUndefined();
    expect(await addresses.find("n2")).toBe("http://n2:1");
    addresses.close();
  });

  it("HT-8 a new leader's place is asked for anew, known or not: it may have come back elsewhere", async () => {
    let tell: (event: ReplicatorEvent) => void = () => {};
    let now: JsonValue = { n2: { http: "http://n2:1" } };
    const onEvent = (listener: (event: ReplicatorEvent) => void) => {
      tell = listener;
      return () => {};
    };
    const addresses = new HttpAddresses({ onEvent, order: async () => now }, new VirtualTime());
    addresses.start("http://n1:7474");
    expect(await addresses.find("n2")).toBe("http://n2:1");
    now = { n2: { http: "http://n2:2" } };
    tell({ kind: "leader", leaderId: "n2" } as ReplicatorEvent);
    await expect.poll(() => addresses.of("n2")).toBe("http://n2:2");
    addresses.close();
  });

  it("HT-8 who does not answer is not waited for long", async () => {
    const time = new VirtualTime();
    const order = () => new Promise<JsonValue>(() => {});
    const addresses = new HttpAddresses({ onEvent: () => () => {}, order }, time);
    addresses.start("http://n1:7474");
    const found = addresses.find("n2");
    await time.advance(500);
    expect(await found).toBeUndefined();
    addresses.close();
  });

  it("HT-8 one that is looked for while a question is under way is asked again after it", async () => {
    const answers: ((told: JsonValue) => void)[] = [];
    const order = () => new Promise<JsonValue>((settle) => void answers.push(settle));
    const addresses = new HttpAddresses({ onEvent: () => () => {}, order }, new VirtualTime());
    addresses.start("http://n1:7474");
    const found = addresses.find("n2");
    answers[0]?.({ n2: {} });
    await expect.poll(() => answers.length).toBe(2);
    answers[1]?.({ n2: { http: "http://n2:1" } });
    expect(await found).toBe("http://n2:1");
    addresses.close();
  });
});
