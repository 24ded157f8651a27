import { describe, expect, test } from "vitest";
import type { Stream } from "../../pkg/runtime/index.js";
import { seededRandom } from "./seeded-random.js";
import { SimNetwork } from "./sim-network.js";
import { VirtualTime } from "./virtual-time.js";

async function pair(seed = 1) {
  const time = new VirtualTime();
  const network = new SimNetwork({ time, random: seededRandom(seed) });
  const accepted: Stream[] = [];
  await network.host("b").listen({ host: "b", port: 7000 }, { handshakeTimeoutMs: 1000 }, (s) => {
    accepted.push(s);
  });
  const dial = (timeoutMs = 100) =>
    network.host("a").connect({ host: "b", port: 7000 }, { timeoutMs });
  const client = await time.run(dial(), { ticksMax: 10 });
  return { time, network, dial, client, server: accepted[0] as Stream };
}

function record(stream: Stream) {
  const seen = { chunks: [] as number[], text: "", drains: 0, closes: [] as (Error | undefined)[] };
  stream.start({
    onData: (bytes) => {
      seen.chunks.push(bytes.length);
      seen.text += Buffer.from(bytes).toString("latin1");
    },
    onDrain: () => {
      seen.drains += 1;
    },
    onClose: (error) => seen.closes.push(error),
  });
  return seen;
}

describe("SimNetwork", () => {
  test("RT-33 bytes arrive complete, in order, cut anywhere, and only after start (FC-131)", async () => {
    const { time, client, server } = await pair();
    const text = Array.from({ length: 1000 }, (_, i) => String.fromCharCode(97 + (i % 26))).join(
      "",
    );
    client.write(Buffer.from(text.slice(0, 700)));
    client.write(Buffer.from(text.slice(700)));
    await time.advance(10);
    const seen = record(server);
    await time.advance(10);
    expect(seen.text).toBe(text);
    expect(seen.chunks.length).toBeGreaterThan(1);
    expect(client.pendingBytes).toBe(0);
  });

  test("RT-33 a cut direction holds bytes and end back until it is healed; the other works (FC-135)", async () => {
    const { time, network, dial, client, server } = await pair();
    const atServer = record(server);
    const atClient = record(client);
    network.setLink("a", "b", { cut: true });
    client.write(Buffer.from("late"));
    server.write(Buffer.from("on time"));
    await time.advance(10_000);
    expect([atServer.text, atClient.text]).toEqual(["", "on time"]);
    await expect(time.run(dial(), { ticksMax: 20 })).rejects.toMatchObject({ code: "ETIMEDOUT" });
    network.setLink("a", "b", { cut: false });
    await time.advance(10);
    expect(atServer.text).toBe("late");
  });

  test("RT-34 a reader that pauses makes write answer false; resuming drains (FC-136)", async () => {
    const { time, client, server } = await pair();
    const atClient = record(client);
    const atServer = record(server);
    server.pause();
    expect(client.write(new Uint8Array(200_000))).toBe(true);
    expect(client.write(new Uint8Array(200_000))).toBe(false);
    await time.advance(10);
    expect(client.pendingBytes).toBe(400_000);
    server.resume();
    await time.advance(10);
    expect(client.pendingBytes).toBe(0);
    expect(atClient.drains).toBe(1);
    expect(atServer.text).toHaveLength(400_000);
  });

  test("RT-34 bandwidth delays by size", async () => {
    const { time, network, client, server } = await pair();
    const seen = record(server);
    network.setLink("a", "b", { bytesPerMs: 100 });
    client.write(new Uint8Array(5000));
    await time.advance(50);
    expect(seen.text).toBe("");
    await time.advance(1);
    expect(seen.text).toHaveLength(5000);
  });

  test("RT-35 each end hears of the close once: clean, by reset, by a killed host (FC-182)", async () => {
    for (const how of ["destroy", "reset", "kill"] as const) {
      const { time, network, dial, client, server } = await pair();
      const atClient = record(client);
      const atServer = record(server);
      if (how === "destroy") server.destroy();
      if (how === "reset") network.reset("a", "b");
      if (how === "kill") network.killHost("b");
      await time.advance(10);
      expect(atClient.closes).toHaveLength(1);
      expect(atServer.closes).toHaveLength(1);
      const code = how === "destroy" ? undefined : "ECONNRESET";
      expect((atClient.closes[0] as { code?: string } | undefined)?.code).toBe(code);
      expect(client.write(Buffer.from("x"))).toBe(false);
      if (how === "kill") {
        await expect(time.run(dial(), { ticksMax: 10 })).rejects.toMatchObject({
          code: "ECONNREFUSED",
        });
      }
    }
  });

  test("RT-35 a host that lost power leaves its peer without a word (FC-135)", async () => {
    const { time, network, client, server } = await pair();
    const atClient = record(client);
    record(server);
    network.vanishHost("b");
    client.write(Buffer.from("anyone?"));
    await time.advance(100_000);
    expect(atClient.closes).toEqual([]);
    expect(client.pendingBytes).toBe(7);
  });

  test("RT-24 the same seed gives the same trace, another seed another", async () => {
    const run = async (seed: number) => {
      const { time, client, server } = await pair(seed);
      record(server);
      client.write(new Uint8Array(5000));
      await time.advance(10);
      return time.trace.digest();
    };
    expect(await run(1)).toBe(await run(1));
    expect(await run(2)).not.toBe(await run(1));
  });
});
