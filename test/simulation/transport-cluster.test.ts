import { afterEach, describe, expect, it } from "vitest";
import {
  FRAME_BYTES_MAX,
  MessageType,
  type TransportOptions,
  writeFrameHeader,
} from "../../pkg/transport/index.js";
import { ask, codeOf, echo, frame, id, World } from "./transport-world.js";

let world = new World();
afterEach(async () => {
  await world.end();
  world = new World();
});

describe("calls", () => {
  it("TR-20 1,000 calls answered in random order each reach their caller (FC-131)", async () => {
    const b = world.node("b");
    await world.run(
      b.listen(async (from, message) => {
        expect(from).toBe("a");
        await new Promise<void>((resolve) => world.time.after(world.random.below(500), resolve));
        return echo(from, message);
      }),
    );
    const peer = world.node("a").connect({ id: id("b"), address: "b:7688" });
    const calls = Array.from({ length: 1000 }, (_, n) => peer.call(ask(n), { timeoutMs: 5000 }));
    const answers = await world.run(Promise.all(calls));
    expect(answers.map((a) => a.payload)).toEqual(calls.map((_, n) => n));
  });

  it("TR-21 a failing handler is answered for, by its code", async () => {
    const b = world.node("b");
    await world.run(
      b.listen(async () => {
        throw Object.assign(new Error("no leader yet"), { code: "NO_LEADER" });
      }),
    );
    const peer = world.node("a").connect({ address: "b:7688" });
    const call = peer.call(ask(1), { timeoutMs: 5000 });
    await expect(world.run(call)).rejects.toMatchObject({
      code: "REMOTE",
      details: { remoteCode: "NO_LEADER" },
    });
  });

  it("TR-22 every call ends at its deadline, by its signal or with its link (FC-192)", async () => {
    const b = world.node("b");
    await world.run(b.listen(() => new Promise(() => {})));
    const a = world.node("a");
    const peer = a.connect({ address: "b:7688" });
    const abort = new AbortController();
    const late = codeOf(peer.call(ask(1), { timeoutMs: 300 }));
    const given = codeOf(peer.call(ask(2), { timeoutMs: 9000, signal: abort.signal }));
    const cut = codeOf(peer.call(ask(3), { timeoutMs: 9000 }));
    expect(await world.run(late)).toBe("TIMEOUT");
    abort.abort();
    expect(await world.run(given)).toBe("ABORTED");
    world.network.reset("a", "b");
    expect(await world.run(cut)).toBe("DISCONNECTED");
    expect(a.pendingCalls()).toBe(0);
  });

  it("TR-23 beyond the limit of calls or bytes a call is refused, not queued", async () => {
    const limits = { callsMax: 2, queueBytesMax: 1000 };
    const peer = world.node("a", { limits }).connect({ address: "b:7688" });
    const big = codeOf(peer.call(ask("x".repeat(1000)), { timeoutMs: 100 }));
    const queued = [1, 2, 3].map((n) => codeOf(peer.call(ask(n), { timeoutMs: 100 })));
    expect(await world.run(big)).toBe("BACKPRESSURE");
    expect(await world.run(queued[2] as Promise<string>)).toBe("BACKPRESSURE");
    await world.run(Promise.all(queued));
  });

  it("TR-23 a peer with its handlers full answers at once", async () => {
    const b = world.node("b", { limits: { inboundCallsMax: 1 } });
    await world.run(b.listen(() => new Promise(() => {})));
    const peer = world.node("a").connect({ address: "b:7688" });
    const first = codeOf(peer.call(ask(1), { timeoutMs: 1000 }));
    expect(await world.run(codeOf(peer.call(ask(2), { timeoutMs: 900 })))).toBe(
      "BACKPRESSURE BACKPRESSURE",
    );
    expect(await world.run(first)).toBe("TIMEOUT");
  });

  it("TR-24 urgent calls go on while 40 MB cross the bulk lane (FC-027)", async () => {
    const b = world.node("b");
    await world.run(b.listen(async (_, m) => ({ type: 37, payload: String(m.payload).length })));
    world.network.setAll({ bytesPerMs: 10_000 });
    const peer = world.node("a").connect({ address: "b:7688" });
    const text = "x".repeat(40_000_000);
    let bulkDone = false;
    const bulk = peer.call(ask(text), { timeoutMs: 60_000, priority: "bulk" }).then((a) => {
      bulkDone = true;
      return a.payload;
    });
    for (let n = 0; n < 20; n++) {
      const start = world.time.monotonicMs();
      await world.run(peer.call(ask("beat"), { timeoutMs: 100, priority: "urgent" }));
      expect(world.time.monotonicMs() - start).toBeLessThan(20);
      await world.time.advance(50);
    }
    expect(bulkDone).toBe(false);
    expect(await world.run(bulk)).toBe(text.length);
  });
});

describe("handshake", () => {
  const cases: [string, string, Partial<TransportOptions>, string | undefined][] = [
    ["cluster", "wrong_cluster", { clusterId: "c2" }, "b"],
    ["secret", "wrong_secret", { secret: new Uint8Array(20) }, "b"],
    ["absence of a secret", "not_authenticated", { secret: undefined, insecure: true }, "b"],
    ["expected node", "wrong_node", {}, "z"],
    ["node, itself", "self_connection", { nodeId: id("b") }, "b"],
    ["membership", "not_a_member", { nodeId: id("stranger") }, "b"],
  ];
  it.each(cases)(
    "TR-30 a wrong %s is refused and named on both sides (FC-143, FC-168)",
    async (_, reason, more, expected) => {
      const b = world.node("b", { mayConnect: (peer) => peer !== "stranger" });
      await world.run(b.listen(echo));
      const peer = world.node("a", more).connect({ id: id(expected ?? "b"), address: "b:7688" });
      expect(await world.run(codeOf(peer.call(ask(1), { timeoutMs: 5000 })))).toBe(
        `REFUSED ${reason}`,
      );
      expect(world.rejected).toContain(`a ${reason}`);
      expect(world.rejected).toContain(`b ${reason}`);
    },
  );

  it("TR-47 who serves every cluster tells the handler which; certificates of another do not count", async () => {
    const heard: string[] = [];
    const w = world.node("w", { clusterId: "own", everyCluster: true });
    await world.run(
      w.listen(async (from, message, cluster) => {
        heard.push(`${cluster}/${from}`);
        return echo(from, message);
      }),
    );
    const nodes = ["c1", "c2"].map((clusterId) => world.node("a", { clusterId }));
    const links = nodes.map((node) => node.connect({ id: id("w"), address: "w:7688" }));
    for (const link of [...links, ...links]) {
      expect((await world.run(link.call(ask(1), { timeoutMs: 5000 }))).payload).toBe(1);
    }
    expect(heard).toEqual(["c1/a", "c2/a", "c1/a", "c2/a"]);
    const odd = world.node("a", { clusterId: "not a name" }).connect({ address: "w:7688" });
    expect(await world.run(codeOf(odd.call(ask(1), { timeoutMs: 5000 })))).toBe(
      "REFUSED wrong_cluster",
    );
  });

  it("TR-31 neither secret nor verified TLS needs the explicit word (FC-165)", () => {
    expect(() => world.node("a", { secret: undefined })).toThrow(/insecure: true/);
    expect(() => world.node("a", { secret: new Uint8Array(3) })).toThrow(/16 bytes/);
    expect(() => world.node("a", { legacyPeers: true })).toThrow(/legacyPeers/);
  });

  it("TR-32 nothing but a greeting is answered before the proof (FC-168)", async () => {
    let handled = 0;
    const b = world.node("b");
    await world.run(
      b.listen(async (from, m) => {
        handled += 1;
        return echo(from, m);
      }),
    );
    const raw = await world.raw("b");
    raw.stream.write(frame(MessageType.fence, { Reason: "now", RequestID: "x" }, 1));
    await world.time.advance(3000);
    expect(raw.closed()).toBe(true);
    expect(handled).toBe(0);
    expect(world.rejected).toEqual(["b protocol"]);
  });

  it("TR-33 a handshake has a time limit, and connections a limit per address (FC-139)", async () => {
    const b = world.node("b", { limits: { connectionsPerAddressMax: 3 } });
    await world.run(b.listen(echo));
    const raws = [];
    for (let n = 0; n < 4; n++) raws.push(await world.raw("b"));
    await world.time.advance(10);
    expect(raws.map((r) => r.closed())).toEqual([false, false, false, true]);
    expect(world.rejected).toEqual(["b too_many_connections"]);
    await world.time.advance(6000);
    expect(raws.every((r) => r.closed())).toBe(true);
    expect(b.inboundConnections()).toBe(0);
    expect(world.rejected.filter((r) => r === "b handshake_timeout")).toHaveLength(3);
  });

  it("TR-37 a flood of refused connections is counted in full and logged in part (FC-139)", async () => {
    const b = world.node("b", { limits: { connectionsPerAddressMax: 1 } });
    await world.run(b.listen(echo));
    for (let n = 0; n < 200; n++) await world.raw("b");
    expect(world.rejected.filter((r) => r === "b too_many_connections")).toHaveLength(199);
    expect(world.logged.length).toBeLessThan(25);
    await world.time.advance(20_000);
    const before = world.logged.length;
    await world.raw("b");
    await world.raw("b");
    expect(world.logged.length).toBe(before + 1);
  });

  it("TR-37 a peer that hangs for an hour is told at once and then rarely, with a count", async () => {
    await world.rawListener("b", () => {});
    world.node("a").connect({ address: "b:7688" });
    await world.time.advance(60_000);
    const timeouts = () => world.rejected.filter((r) => r === "a handshake_timeout").length;
    expect(timeouts()).toBeGreaterThan(5);
    expect(world.logged).toHaveLength(3);
    await world.time.advance(3_540_000);
    expect(world.logged.length).toBeLessThan(13);
    const told = world.logged.map((line) => Number(/; (\d+) more/.exec(line)?.[1] ?? 0) + 1);
    const sum = told.reduce((all, count) => all + count, 0);
    expect(timeouts() - sum).toBeGreaterThanOrEqual(0);
    expect(sum).toBeGreaterThan(timeouts() * 0.7);
  });

  it("TR-34 an address with too many wrong proofs is not heard for a while (FC-171)", async () => {
    const b = world.node("b", { limits: { authFailuresMax: 3 } });
    await world.run(b.listen(echo));
    world.node("a", { secret: new Uint8Array(20) }).connect({ address: "b:7688" });
    await world.time.advance(3000);
    expect(world.rejected.filter((r) => r === "b wrong_secret").length).toBeLessThanOrEqual(4);
    expect(world.rejected).toContain("b too_many_failures");
  });

  it.each([
    ["64 MiB + 1", FRAME_BYTES_MAX + 1],
    ["0", 0],
  ])("TR-2 a header of %s closes the connection, counted (FC-132)", async (_, length) => {
    const b = world.node("b");
    await world.run(b.listen(echo));
    const raw = await world.raw("b");
    const header = new Uint8Array(4);
    writeFrameHeader(header, length);
    raw.stream.write(header);
    await world.time.advance(100);
    expect(raw.closed()).toBe(true);
    expect(world.rejected).toEqual(["b bad_frame"]);
  });
});

describe("links", () => {
  it("TR-40 delays between dials grow, are capped and jittered (FC-141, FC-142)", async () => {
    const limits = { backoffMinMs: 100, backoffMaxMs: 1600 };
    world.node("a", { limits }).connect({ address: "nowhere:7688" });
    await world.time.advance(30_000);
    const urgent = world.dials.filter((_, i) => i % 2 === 0);
    const gaps = urgent.slice(1).map((at, i) => at - (urgent[i] as number));
    expect(gaps.length).toBeGreaterThan(12);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(1700);
    expect(gaps[0]).toBeLessThan(120);
    expect(new Set(gaps.slice(6).map(Math.floor)).size).toBeGreaterThan(2);
  });

  it("TR-41 a peer that vanished is found out within 3 intervals (FC-135)", async () => {
    const b = world.node("b");
    await world.run(b.listen(() => new Promise(() => {})));
    const peer = world.node("a").connect({ address: "b:7688" });
    await world.time.advance(100);
    expect(peer.isConnected()).toBe(true);
    const call = codeOf(peer.call(ask(1), { timeoutMs: 60_000 }));
    await world.time.advance(10);
    world.network.vanishHost("b");
    const start = world.time.monotonicMs();
    expect(await world.run(call)).toBe("DISCONNECTED");
    expect(world.time.monotonicMs() - start).toBeLessThanOrEqual(4000);
    expect(world.network.hits.vanished).toBeGreaterThan(0);
  });

  it("TR-42 an idle link stays up, and comes back after a reset (FC-182)", async () => {
    const b = world.node("b");
    await world.run(b.listen(echo));
    const peer = world.node("a").connect({ address: "b:7688" });
    await world.time.advance(20_000);
    expect(world.network.hits.connected).toBe(2);
    world.network.reset("a", "b");
    await world.time.advance(2000);
    expect(world.network.hits.reset).toBeGreaterThan(0);
    expect((await world.run(peer.call(ask(5), { timeoutMs: 1000 }))).payload).toBe(5);
  });

  it("TR-43 the newest connection of a peer counts, the older is closed (FC-134)", async () => {
    const b = world.node("b");
    await world.run(b.listen(echo));
    const old = world.node("a");
    const stale = old.connect({ address: "b:7688" });
    await world.time.advance(100);
    expect(stale.isConnected()).toBe(true);
    world.node("a", { listen: { host: "a", port: 7689 } }).connect({ address: "b:7688" });
    await world.time.advance(20);
    expect(stale.isConnected()).toBe(false);
    expect(b.inboundConnections()).toBe(2);
  });
});

describe("NornicDB peers", () => {
  const open = { secret: undefined, insecure: true, legacyPeers: true };

  it("TR-50 a peer without handshake is answered in order, without correlation id", async () => {
    const b = world.node("b", open);
    await world.run(
      b.listen(async (_, m) => {
        const { term } = m.payload as { term: number };
        await new Promise<void>((resolve) => world.time.after(term === 1 ? 200 : 1, resolve));
        return { type: 2, payload: { term, vote_granted: true, voter_id: "b" } };
      }),
    );
    const raw = await world.raw("b");
    for (const term of [1, 2, 3]) {
      const vote = { term, candidate_id: "x", last_log_index: 0, last_log_term: 0 };
      raw.stream.write(frame(MessageType.voteRequest, vote));
    }
    await world.time.advance(500);
    expect(raw.bodies).toEqual(
      [1, 2, 3].map((t) => `{"t":2,"p":{"term":${t},"vote_granted":true,"voter_id":"b"}}`),
    );
  });

  it("TR-44 a peer that does not read its answers is cut off at the limit (FC-136)", async () => {
    const b = world.node("b", { ...open, limits: { queueBytesMax: 200_000 } });
    await world.run(
      b.listen(async () => ({ type: 12, payload: { Ready: true, x: "x".repeat(50_000) } })),
    );
    const raw = await world.raw("b");
    raw.stream.pause();
    for (let n = 0; n < 40; n++) raw.stream.write(frame(MessageType.promote, { Reason: "" }));
    await world.time.advance(1000);
    expect(world.rejected).toEqual(["b send_queue_full"]);
    expect(b.inboundConnections()).toBe(0);
  });
});
