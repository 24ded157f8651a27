import { createHash } from "node:crypto";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { encodeFrame, FRAME_BYTES_MAX, MessageType } from "../../pkg/transport/index.js";
import { type Fault, FrameProxy } from "./support/frame-proxy.js";
import { type PeerOptions, type PeerState, TransportPeer } from "./support/transport-peer.js";

const SEED = Number(process.env.SIM_SEED ?? 11);
const SECRET = createHash("sha256").update("of this test").digest();
const sealed: PeerOptions = { clusterId: "c1", secret: SECRET };
const open: PeerOptions = { clusterId: "c1", insecure: true };
const limits = {
  handshakeTimeoutMs: 1000,
  pingIntervalMs: 200,
  backoffMaxMs: 50,
  authFailuresMax: 1_000_000,
};

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(options: PeerOptions): Promise<TransportPeer> {
  const peer = await TransportPeer.start(options);
  closing.push(() => peer.close());
  return peer;
}

/** Node `a` calls node `b` through a proxy. */
async function pair(options: PeerOptions) {
  const b = await start({ limits, ...options, nodeId: "b" });
  const proxy = await FrameProxy.start(b.port, SEED);
  closing.push(() => proxy.close());
  const a = await start({ limits, ...options, nodeId: "a" });
  await a.connect(proxy.port, "b");
  await a.untilConnected();
  return { a, b, proxy };
}

const rejections = (states: readonly PeerState[], reason: string) =>
  states.reduce((sum, { rejected }) => sum + (rejected[reason] ?? 0), 0);

/** Nothing that the peer did not send was handled, and nothing that it sent was handled twice. */
function expectUnharmed(state: PeerState): void {
  expect(state).toMatchObject({ handledTwice: 0, malformed: 0, unknown: 0 });
}

describe("two processes", () => {
  it.each([
    ["sealed", sealed],
    ["open", open],
  ])(
    "TR-20 thousands of calls in flight, answered in random order, each reach their caller: %s",
    async (_, options) => {
      const { a, b } = await pair(options);
      const burst = { count: 8000, inFlight: 4000, waitMs: 20, timeoutMs: 60_000 };
      expect(await a.burst(burst)).toMatchObject({ right: 8000, wrong: 0, failed: {} });
      expectUnharmed(await b.state());
      expect((await a.state()).pending).toBe(0);
    },
  );

  it("TR-1 a link fed a byte at a time works as any other (FC-131)", async () => {
    const { a, b, proxy } = await pair(sealed);
    proxy.rates = { trickle: 1000 };
    const result = await a.burst({ count: 100, inFlight: 10, size: 500, timeoutMs: 60_000 });
    expect(result).toMatchObject({ right: 100, wrong: 0 });
    expect(proxy.hits.trickle).toBeGreaterThan(10);
    expectUnharmed(await b.state());
  });

  it("TR-24 urgent calls are answered while 64 pieces of 1 MiB cross the bulk lane (FC-027, FC-178)", async () => {
    const { a } = await pair({ ...sealed, limits: {} });
    const bulk = a.burst({
      count: 64,
      inFlight: 64,
      size: 1_048_576,
      priority: "bulk",
      timeoutMs: 60_000,
    });
    const urgent = { first: 1000, count: 50, inFlight: 1, priority: "urgent", timeoutMs: 30_000 };
    const beats = await a.burst(urgent as Parameters<TransportPeer["burst"]>[0]);
    expect(beats).toMatchObject({ right: 50, wrong: 0, failed: {} });
    expect(await bulk).toMatchObject({ right: 64, wrong: 0, failed: {} });
  });
});

describe("tampering with sealed links", () => {
  const detected: Fault[] = ["drop", "duplicate", "reorder", "corrupt", "replay", "reflect"];

  it.each(detected)(
    "TR-35 %s: found each time, once; nothing of it is handled or answered (FC-140, FC-174)",
    async (fault) => {
      const { a, b, proxy } = await pair(sealed);
      for (let round = 1; round <= 8; round++) {
        proxy.once = fault;
        const burst = { first: round * 1000, count: 200, inFlight: 50, timeoutMs: 60_000 };
        const { right, wrong, failed } = await a.burst({ ...burst, size: 300 });
        expect(wrong).toBe(0);
        expect(right + Object.values(failed).reduce((sum, n) => sum + n, 0)).toBe(200);
        expect(Object.keys(failed).filter((name) => name !== "DISCONNECTED")).toEqual([]);
        const states = await waitFor([a, b], (found) => rejections(found, "bad_mac") >= round);
        expect(rejections(states, "bad_mac")).toBe(round);
        await a.untilConnected();
      }
      expect(proxy.hits[fault]).toBe(8);
      expectUnharmed(await b.state());
      const after = await a.burst({ first: 50_000, count: 500, inFlight: 50 });
      expect(after).toMatchObject({ right: 500, wrong: 0, failed: {} });
    },
  );

  it("TR-35 all faults at once, also in handshakes: no wrong answer, and the link recovers", async () => {
    const { a, b, proxy } = await pair(sealed);
    proxy.graceFrames = 0;
    proxy.rates = {
      drop: 2,
      duplicate: 2,
      reorder: 2,
      delay: 20,
      corrupt: 2,
      replay: 2,
      reflect: 2,
      cut: 2,
      trickle: 2,
    };
    const totals = { right: 0, wrong: 0 };
    for (let round = 0; round < 20 && Object.values(proxy.hits).includes(0); round++) {
      const burst = { first: round * 10_000, count: 3000, inFlight: 40, size: 200, waitMs: 2 };
      const { right, wrong } = await a.burst({ ...burst, timeoutMs: 3000 });
      totals.right += right;
      totals.wrong += wrong;
    }
    expect(totals.wrong).toBe(0);
    expect(totals.right).toBeGreaterThan(500);
    for (const [fault, hits] of Object.entries(proxy.hits)) expect(hits, fault).toBeGreaterThan(0);
    expect(rejections([await a.state(), await b.state()], "bad_mac")).toBeGreaterThan(5);
    expectUnharmed(await b.state());
    await expectRecovery(a, proxy);
  });
});

describe("faults on open links", () => {
  it("TR-14 a frame that is no JSON closes the link; no part of it is used (FC-140)", async () => {
    const { a, b, proxy } = await pair(open);
    proxy.corruptByte = () => 0;
    proxy.rates = { corrupt: 10 };
    const { right, wrong } = await a.burst({ count: 3000, inFlight: 20, timeoutMs: 10_000 });
    expect(wrong).toBe(0);
    expect(right).toBeGreaterThan(500);
    expect(proxy.hits.corrupt).toBeGreaterThan(5);
    const states = [await a.state(), await b.state()];
    expect(rejections(states, "bad_frame")).toBeGreaterThan(5);
    expectUnharmed(states[1] as PeerState);
    await expectRecovery(a, proxy);
  });

  it("TR-22 frames lost, late, cut or swapped: every call ends, none with another's answer", async () => {
    const { a, b, proxy } = await pair(open);
    const rates = { drop: 5, delay: 20, reorder: 20, trickle: 2 };
    const burst = { count: 2000, inFlight: 50, timeoutMs: 300 };
    proxy.rates = rates;
    const uncut = await a.burst(burst);
    expect(uncut.failed.TIMEOUT).toBeGreaterThan(0);
    expect(Object.keys(uncut.failed)).toEqual(["TIMEOUT"]);
    proxy.rates = { ...rates, cut: 3 };
    const cut = await a.burst({ ...burst, first: 10_000 });
    expect(cut.failed.DISCONNECTED).toBeGreaterThan(0);
    expect(uncut.wrong + cut.wrong).toBe(0);
    expect(uncut.right + cut.right).toBeGreaterThan(1000);
    for (const fault of ["drop", "delay", "reorder", "cut", "trickle"] as const) {
      expect(proxy.hits[fault], fault).toBeGreaterThan(0);
    }
    expectUnharmed(await b.state());
    await expectRecovery(a, proxy);
  });
});

describe("hostile bytes on a real socket", () => {
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  const body = (text: string) => {
    const bytes = Buffer.alloc(4 + Buffer.byteLength(text));
    bytes.writeUInt32BE(bytes.length - 4);
    bytes.write(text, 4);
    return bytes;
  };
  const header = (length: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(length);
    return bytes;
  };
  /** Greets as an open node does, so that what follows reaches the codec of requests. */
  const greeting = Buffer.concat([
    encodeFrame({
      type: MessageType.hello,
      payload: {
        min: 1,
        max: 1,
        cluster: "c1",
        node: "x",
        expect: "",
        lane: "normal",
        nonce: "",
        secret: false,
        instance: "1",
      },
    }),
    encodeFrame({ type: MessageType.auth, payload: { proof: "" } }),
  ]);

  it.each([
    ["64 MiB + 1", header(FRAME_BYTES_MAX + 1)],
    ["0xFFFFFFFF", header(0xffff_ffff)],
    ["length 0", header(0)],
    ["100,000 levels", body(`{"t":36,"i":1,"p":${nested(100_000)}}`)],
    ["100,000 levels in a vote", body(`{"t":1,"i":1,"p":${nested(100_000)}}`)],
    ["__proto__", body('{"t":36,"i":1,"p":{"__proto__":{"n":1}}}')],
    ["an unsafe integer", body('{"t":36,"i":1,"p":{"n":9007199254740993}}')],
    ["an unsafe term", body('{"t":1,"i":1,"p":{"term":9007199254740993}}')],
    ["no JSON", body("GET / HTTP/1.1")],
    ["a request without id", body('{"t":36,"p":{"n":1}}')],
  ])(
    "TR-2 %s closes the connection, counted; the node goes on (FC-132, FC-175, FC-189)",
    async (_, bytes) => {
      const b = await start({ ...open, nodeId: "b", limits });
      const before = await b.state();
      const socket = connect(b.port, "127.0.0.1");
      socket.on("error", () => {});
      socket.resume();
      const closed = new Promise((resolve) => socket.once("close", resolve));
      socket.write(greeting);
      socket.write(bytes);
      await closed;
      const [state] = await waitFor([b], ([found]) => found?.inbound === 0);
      expect(
        rejections([state as PeerState], "bad_frame") +
          rejections([state as PeerState], "protocol"),
      ).toBe(1);
      expect(state?.handled).toBe(0);
      expect((state?.rssBytes ?? 0) - before.rssBytes).toBeLessThan(60_000_000);
      const a = await start({ ...open, nodeId: "a", limits });
      await a.connect(b.port, "b");
      expect(await a.burst({ count: 10, inFlight: 1 })).toMatchObject({ right: 10 });
    },
  );
});

describe("who is at the other end", () => {
  it.each([
    ["another cluster", { clusterId: "c2" }, "b", "wrong_cluster"],
    ["another secret", { secret: Buffer.alloc(32, 1) }, "b", "wrong_secret"],
    ["no secret", { secret: undefined, insecure: true }, "b", "not_authenticated"],
    ["another node's address", {}, "z", "wrong_node"],
    ["its own id", { nodeId: "b" }, "b", "self_connection"],
  ] as const)(
    "TR-30 %s is refused and named on both sides (FC-073, FC-143, FC-168)",
    async (_, more, id, reason) => {
      const b = await start({ ...sealed, nodeId: "b", limits });
      const a = await start({ ...sealed, nodeId: "a", limits, ...more });
      await a.connect(b.port, id);
      const { right, failed, message } = await a.burst({ count: 1, inFlight: 1 });
      expect(right).toBe(0);
      expect(failed).toEqual({ [`REFUSED ${reason}`]: 1 });
      const states = [await a.state(), await b.state()];
      for (const state of states) expect(rejections([state], reason)).toBeGreaterThan(0);
      for (const { logged } of states) {
        for (const form of ["hex", "base64", "latin1"] as const) {
          expect(logged + message).not.toContain(SECRET.toString(form));
        }
        expect(logged).toContain(reason);
      }
    },
  );

  it("TR-36 two processes of one name do not take turns; the older is refused by name", async () => {
    const b = await start({ ...sealed, nodeId: "b", limits });
    const first = await start({ ...sealed, nodeId: "a", limits });
    await first.connect(b.port, "b");
    await first.untilConnected();
    const second = await start({ ...sealed, nodeId: "a", limits });
    await second.connect(b.port, "b");
    await second.untilConnected();
    const [refused] = await waitFor([first], (s) => rejections(s, "duplicate_node") > 0);
    expect(refused?.logged).toContain("another process runs as node");
    expect(await second.burst({ count: 500, inFlight: 10 })).toMatchObject({ right: 500 });
    expect(rejections([await second.state()], "duplicate_node")).toBe(0);
    await second.close();
    await first.untilConnected();
    expect(await first.burst({ count: 10, inFlight: 1 })).toMatchObject({ right: 10 });
  });
});

async function waitFor(
  peers: readonly TransportPeer[],
  until: (states: readonly PeerState[]) => boolean,
): Promise<PeerState[]> {
  for (;;) {
    const states = await Promise.all(peers.map((peer) => peer.state()));
    if (until(states)) return states;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function expectRecovery(a: TransportPeer, proxy: FrameProxy): Promise<void> {
  proxy.rates = {};
  proxy.cutAll();
  await a.burst({ first: 900_000, count: 1, inFlight: 1 });
  await a.untilConnected();
  const after = await a.burst({ first: 1_000_000, count: 500, inFlight: 50 });
  expect(after).toMatchObject({ right: 500, wrong: 0, failed: {} });
}
