import { afterEach, describe, expect, it } from "vitest";
import type { PeerMessage } from "../../pkg/replication/ports/index.js";
import { type Envelope, FRAME_BYTES_MAX, MessageType } from "../../pkg/transport/index.js";
import { ask, codeOf, echo, frame, id, SECRET, World } from "./transport-world.js";

let world = new World();
afterEach(async () => {
  await world.end();
  world = new World();
});

const unproven = { secret: undefined, insecure: true };
const hello = {
  min: 1,
  max: 1,
  cluster: "c1",
  node: "evil",
  expect: "",
  lane: "normal",
  nonce: "",
  secret: false,
};

type Write = (bytes: Uint8Array) => void;

/** Greets as node `b` does, then goes on by `onFrame`. */
function greeting(onFrame: (message: Envelope, write: Write) => void, version = 1) {
  return (message: Envelope, write: Write) => {
    if (message.type === MessageType.hello) {
      const reply = { version, cluster: "c1", node: "b", nonce: "", secret: false };
      write(frame(MessageType.helloReply, reply));
    } else if (message.type === MessageType.auth) {
      write(frame(MessageType.authReply, { proof: "" }));
    } else if (message.type === MessageType.ping) write(frame(MessageType.pong, null));
    else onFrame(message, write);
  };
}

describe("mixed versions", () => {
  it("TR-30 a newer node that still speaks our version is served, unknown fields and all (FC-137)", async () => {
    const b = world.node("b", unproven);
    await world.run(b.listen(echo));
    const raw = await world.raw("b");
    raw.stream.write(frame(MessageType.hello, { ...hello, max: 9, compression: ["zstd"] }));
    await world.time.advance(50);
    expect(raw.bodies[0]).toContain('"version":1');
    raw.stream.write(frame(MessageType.auth, { proof: "", more: 1 }));
    raw.stream.write(frame(MessageType.forward, "x", 5));
    await world.time.advance(50);
    expect(raw.bodies.at(-1)).toBe('{"t":37,"i":5,"p":"x"}');
  });

  it("TR-30 versions without overlap are refused by name, whoever dials (FC-137)", async () => {
    const b = world.node("b", unproven);
    await world.run(b.listen(echo));
    const raw = await world.raw("b");
    raw.stream.write(frame(MessageType.hello, { ...hello, min: 2, max: 3 }));
    await world.time.advance(50);
    expect(raw.bodies[0]).toContain('"reason":"wrong_version"');
    await world.rawListener(
      "c",
      greeting(() => {}, 2),
    );
    const peer = world.node("a", unproven).connect({ address: "c:7688" });
    expect(await world.run(codeOf(peer.call(ask(1), { timeoutMs: 900 })))).toBe(
      "REFUSED wrong_version",
    );
    expect(world.rejected).toContain("b wrong_version");
    expect(world.rejected).toContain("a wrong_version");
  });

  it("TR-21 a type that nobody knows is answered with an error, and the link stays (FC-137)", async () => {
    const b = world.node("b");
    await world.run(
      b.listen(async (from, message) => {
        if (message.type === MessageType.forward) return echo(from, message);
        throw Object.assign(new Error(`type ${message.type}`), { code: "UNKNOWN_TYPE" });
      }),
    );
    const peer = world.node("a").connect({ address: "b:7688" });
    const call = peer.call({ type: 200, payload: { new: true } }, { timeoutMs: 1000 });
    expect(await world.run(codeOf(call))).toBe("REMOTE UNKNOWN_TYPE");
    expect((await world.run(peer.call(ask(2), { timeoutMs: 1000 }))).payload).toBe(2);
    expect(world.rejected).toEqual([]);
  });

  it("TR-32 what only the transport says is no request, also after the proof", async () => {
    let handled = 0;
    const b = world.node("b", unproven);
    await world.run(
      b.listen((from, message) => {
        handled += 1;
        return echo(from, message);
      }),
    );
    const raw = await world.raw("b");
    raw.stream.write(frame(MessageType.hello, hello));
    await world.time.advance(50);
    raw.stream.write(frame(MessageType.auth, { proof: "" }));
    raw.stream.write(frame(MessageType.hello, hello, 1));
    await world.time.advance(50);
    expect(raw.closed()).toBe(true);
    expect(handled).toBe(0);
    expect(world.rejected).toEqual(["b protocol"]);
  });

  it.each([undefined, null, "text"])(
    "TR-21 a handler that fails with %s is answered for",
    async (reason) => {
      const b = world.node("b");
      await world.run(b.listen(() => Promise.reject(reason)));
      const peer = world.node("a").connect({ address: "b:7688" });
      expect(await world.run(codeOf(peer.call(ask(1), { timeoutMs: 900 })))).toBe("REMOTE FAILED");
    },
  );
});

describe("limits", () => {
  it("TR-10 a request or an answer larger than a frame is refused by name (FC-178)", async () => {
    const b = world.node("b");
    const huge = "x".repeat(FRAME_BYTES_MAX);
    await world.run(b.listen(async () => ({ type: 37, payload: huge })));
    const peer = world.node("a").connect({ address: "b:7688" });
    await expect(peer.call(ask(huge), { timeoutMs: 900 })).rejects.toMatchObject({
      code: "INVALID",
      message: "forward is larger than 64 MiB",
    });
    expect(await world.run(codeOf(peer.call(ask(1), { timeoutMs: 900 })))).toBe("REMOTE INVALID");
  });

  it("TR-10 what is no JSON is refused before it is sent", async () => {
    const peer = world.node("a").connect({ address: "b:7688" });
    const payload = (() => {}) as unknown as PeerMessage["payload"];
    expect(await world.run(codeOf(peer.call(ask(payload), { timeoutMs: 900 })))).toBe("INVALID");
  });

  it("TR-45 requests in the handler are limited by their bytes; a single one always fits", async () => {
    const b = world.node("b", { limits: { inboundBytesMax: 1000 } });
    await world.run(
      b.listen(async (from, message) => {
        await new Promise<void>((resolve) => world.time.after(50, resolve));
        return echo(from, message);
      }),
    );
    const peer = world.node("a").connect({ address: "b:7688" });
    const call = (text: string) => codeOf(peer.call(ask(text), { timeoutMs: 900 }));
    expect(await world.run(call("x".repeat(5000)))).toBe("answered");
    const three = [call("x".repeat(600)), call("x".repeat(600)), call("y")];
    expect(await world.run(Promise.all(three))).toEqual([
      "answered",
      "BACKPRESSURE BACKPRESSURE",
      "answered",
    ]);
  });
});

describe("dialling", () => {
  it("TR-40 the address is resolved at each dial: a node that moved is found again (FC-141)", async () => {
    let addressOf = "b1";
    const host = world.network.host("a");
    const network = {
      listen: host.listen,
      connect: (at: { host: string; port: number }, options: { timeoutMs: number }) => {
        expect(at.host).toBe("b.example");
        return host.connect({ ...at, host: addressOf }, options);
      },
    };
    for (const home of ["b1", "b2"]) {
      const listen = { host: home, port: 7688 };
      await world.run(world.node(home, { nodeId: id("b"), listen }).listen(echo));
    }
    const peer = world.node("a", { network }).connect({ id: id("b"), address: "b.example:7688" });
    expect((await world.run(peer.call(ask(1), { timeoutMs: 900 }))).payload).toBe(1);
    world.network.vanishHost("b1");
    addressOf = "b2";
    await world.time.advance(6000);
    expect((await world.run(peer.call(ask(2), { timeoutMs: 900 }))).payload).toBe(2);
  });

  it("TR-40 a peer that lets in and closes at once is not dialled without pause", async () => {
    const greet = greeting(() => {});
    await world.rawListener("c", (message, write) => {
      greet(message, write);
      if (message.type === MessageType.auth) write(Buffer.alloc(4));
    });
    world.node("a", unproven).connect({ address: "c:7688" });
    await world.time.advance(30_000);
    expect(world.rejected.filter((r) => r === "a bad_frame").length).toBeLessThan(40);
    expect(world.rejected.filter((r) => r === "a bad_frame").length).toBeGreaterThan(10);
  });

  it("TR-14 an answer that is no message closes the link and fails its calls (FC-140)", async () => {
    const garbage = frame(MessageType.voteResponse, null).fill(0x7b, 4);
    await world.rawListener(
      "b",
      greeting((_, write) => write(garbage)),
    );
    const peer = world.node("a", unproven).connect({ address: "b:7688" });
    expect(await world.run(codeOf(peer.call(ask(1), { timeoutMs: 900 })))).toBe("DISCONNECTED");
    expect(world.rejected).toContain("a bad_frame");
  });

  it("TR-33 a dialled peer that never answers the greeting is given up by name (FC-139)", async () => {
    await world.rawListener("b", () => {});
    const peer = world.node("a").connect({ address: "b:7688" });
    const call = codeOf(peer.call(ask(1), { timeoutMs: 60_000 }));
    expect(await world.run(call)).toBe("REFUSED handshake_timeout");
    expect(world.rejected).toContain("a handshake_timeout");
  });

  it("TR-46 a transport closed in the middle of anything leaves nothing behind (FC-185)", async () => {
    const early = world.node("early");
    const listening = codeOf(early.listen(echo));
    await world.run(early.close());
    expect(await world.run(listening)).toBe("DISCONNECTED");
    for (let atMs = 0; atMs < 12; atMs++) {
      const b = world.node(`b${atMs}`);
      await world.run(b.listen(echo));
      const a = world.node(`a${atMs}`);
      const call = codeOf(a.connect({ address: `b${atMs}:7688` }).call(ask(1), { timeoutMs: 900 }));
      await world.time.advance(atMs);
      await world.run(Promise.all([a.close(), b.close()]));
      expect(await world.run(call)).toMatch(/^(answered|DISCONNECTED)$/);
      await world.time.advance(3000);
      expect(b.inboundConnections()).toBe(0);
      expect(
        await world.run(codeOf(a.connect({ address: "x:1" }).call(ask(1), { timeoutMs: 9 }))),
      ).toBe("DISCONNECTED");
    }
  });

  it("TR-38 certificates change one after the other, and no more after the end (FC-185)", async () => {
    const tls = { certificate: "", key: "", authority: "", verifyPeer: true } as const;
    const options = { ...tls, minVersion: "TLSv1.3" } as const;
    const b = world.node("b", { tls: options });
    await world.run(b.listen(echo));
    const peer = world.node("a", { tls: options }).connect({ id: id("b"), address: "b:7688" });
    expect((await world.run(peer.call(ask(1), { timeoutMs: 900 }))).payload).toBe(1);
    await world.run(Promise.all([b.updateTls(options), b.updateTls(options)]));
    world.network.reset("a", "b");
    await world.time.advance(500);
    expect((await world.run(peer.call(ask(2), { timeoutMs: 900 }))).payload).toBe(2);
    const late = b.updateTls(options).catch((error: Error) => error);
    await world.run(Promise.all([b.close(), late]));
    await world.run(b.updateTls(options));
    const next = world.node("b", { nodeId: id("next") });
    expect(await world.run(next.listen(echo))).toEqual({ host: "b", port: 7688 });
  });

  it("TR-46 connecting twice gives one link; closing it makes room for a new one", async () => {
    const b = world.node("b");
    await world.run(b.listen(echo));
    await expect(b.listen(echo)).rejects.toMatchObject({ code: "INVALID" });
    const a = world.node("a");
    const first = a.connect({ address: "b:7688" });
    expect(a.connect({ address: "b:7688" })).toBe(first);
    await first.close();
    const second = a.connect({ address: "b:7688" });
    expect(second).not.toBe(first);
    await first.close();
    expect(a.connect({ address: "b:7688" })).toBe(second);
    expect((await world.run(second.call(ask(1), { timeoutMs: 900 }))).payload).toBe(1);
    for (const address of ["b", "b:70000", ":1", "a b:1", "[::1:1"]) {
      expect(() => a.connect({ address })).toThrow(/write host:port/);
    }
  });

  it("TR-36 two links of one process to the same node do not take turns; the older is told", async () => {
    const b = world.node("b");
    await world.run(b.listen(echo));
    const a = world.node("a");
    const older = a.connect({ address: "b:7688" });
    await world.time.advance(100);
    const newer = a.connect({ id: id("b"), address: "b:7688" });
    await world.time.advance(30_000);
    expect([older.isConnected(), newer.isConnected()]).toEqual([false, true]);
    expect((await world.run(newer.call(ask(1), { timeoutMs: 900 }))).payload).toBe(1);
    expect(world.rejected).toContain("a duplicate_node");
    expect(world.rejected.filter((r) => r === "b duplicate_node").length).toBeLessThan(40);
    expect(new Set(world.rejected.map((r) => r.slice(2)))).toEqual(new Set(["duplicate_node"]));
  });

  it("TR-39 neither secrets nor payloads nor proofs are in errors and logs (FC-172)", async () => {
    const b = world.node("b");
    await world.run(b.listen(() => Promise.reject(new Error("no"))));
    const raw = await world.raw("b");
    const flood = "\n".repeat(9000);
    raw.stream.write(frame(MessageType.hello, { ...hello, secret: true, cluster: flood }));
    const other = world.node("a", { secret: Buffer.from("a secret of another cluster") });
    const peer = other.connect({ address: "b:7688" });
    const error = await world.run(
      peer.call(ask("a payload"), { timeoutMs: 900 }).catch((e: Error) => e),
    );
    const text = `${world.logged.join("\n")} ${JSON.stringify(error)} ${(error as Error).message}`;
    expect(world.logged.length).toBeGreaterThan(1);
    expect(text).not.toMatch(/a secret of|a payload|[0-9a-f]{32}/);
    for (const form of ["hex", "base64"] as const) {
      expect(text).not.toContain(Buffer.from(SECRET).toString(form));
    }
    for (const line of world.logged) {
      expect(line.length).toBeLessThan(700);
      expect(line).not.toContain("\n");
    }
  });
});
