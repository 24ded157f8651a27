import { connect, createServer, type Server } from "node:net";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import type { TlsOptions } from "../../pkg/runtime/index.js";
import { type Authority, certify, makeAuthority } from "./support/certificates.js";
import { type PeerOptions, type PeerState, TransportPeer } from "./support/transport-peer.js";

const limits = { handshakeTimeoutMs: 2000, pingIntervalMs: 200, backoffMaxMs: 100 };
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(options: PeerOptions): Promise<TransportPeer> {
  const peer = await TransportPeer.start({ clusterId: "c1", limits, ...options });
  closing.push(() => peer.close());
  return peer;
}

let ours: Authority;
let foreign: Authority;
let a: TlsOptions;
let b: TlsOptions;
beforeAll(async () => {
  ours = await makeAuthority("cluster authority");
  foreign = await makeAuthority("another authority");
  a = await certify(ours, "a");
  b = await certify(ours, "b");
});

const count = (state: PeerState, reason: string) => state.rejected[reason] ?? 0;

async function untilRejected(peer: TransportPeer, reason: string): Promise<PeerState> {
  for (;;) {
    const state = await peer.state();
    if (count(state, reason) > 0) return state;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe("mutual TLS between two processes", () => {
  it("TR-30 certificates of the cluster's authority let both in, without any secret (FC-168)", async () => {
    const server = await start({ nodeId: "b", tls: b });
    const client = await start({ nodeId: "a", tls: a });
    await client.connect(server.port, "b");
    const result = await client.burst({ count: 2000, inFlight: 50, size: 1000 });
    expect(result).toMatchObject({ right: 2000, wrong: 0, failed: {} });
    expect((await server.state()).rejected).toEqual({});
  });

  it("TR-30 a name that binds node and cluster fits only both (FC-170)", async () => {
    const bound = await certify(ours, "b", "nornic://c1/b");
    const server = await start({ nodeId: "b", tls: bound });
    const client = await start({ nodeId: "a", tls: await certify(ours, "a", "nornic://c1/a") });
    await client.connect(server.port, "b");
    expect(await client.burst({ count: 10, inFlight: 1 })).toMatchObject({ right: 10 });

    const other = await start({ nodeId: "a", tls: await certify(ours, "a", "nornic://c2/a") });
    await other.connect(server.port, "b");
    const { failed } = await other.burst({ count: 1, inFlight: 1 });
    expect(failed).toEqual({ "REFUSED wrong_certificate": 1 });
    expect(count(await server.state(), "wrong_certificate")).toBeGreaterThan(0);
    expect(count(await other.state(), "wrong_certificate")).toBeGreaterThan(0);
  });

  it("TR-30 a valid certificate of another node is refused and named on both sides (FC-170)", async () => {
    const server = await start({ nodeId: "b", tls: b });
    const client = await start({ nodeId: "c", tls: a });
    await client.connect(server.port, "b");
    const { right, failed, message } = await client.burst({ count: 1, inFlight: 1 });
    expect(right).toBe(0);
    expect(failed).toEqual({ "REFUSED wrong_certificate": 1 });
    expect(message).toContain('the certificate is for a, not for "c"');
    expect(count(await server.state(), "wrong_certificate")).toBeGreaterThan(0);
    expect(count(await client.state(), "wrong_certificate")).toBeGreaterThan(0);
  });

  it("TR-30 the dialler too checks for whom the certificate is (FC-170)", async () => {
    const server = await start({ nodeId: "b", tls: a });
    const client = await start({ nodeId: "a", tls: a });
    await client.connect(server.port, "b");
    const { failed } = await client.burst({ count: 1, inFlight: 1 });
    expect(failed).toEqual({ "REFUSED wrong_certificate": 1 });
    expect(
      count(await untilRejected(server, "wrong_certificate"), "wrong_certificate"),
    ).toBeGreaterThan(0);
  });

  it("TR-30 a server of another authority is refused by the dialler, and hears of it", async () => {
    const server = await start({ nodeId: "b", tls: await certify(foreign, "b") });
    const client = await start({ nodeId: "a", tls: a });
    await client.connect(server.port, "b");
    const { failed, message } = await client.burst({ count: 1, inFlight: 1 });
    expect(failed).toEqual({ "REFUSED tls": 1 });
    expect(message).toContain("certificate");
    expect(count(await client.state(), "tls")).toBeGreaterThan(0);
    expect((await untilRejected(server, "tls")).handled).toBe(0);
  });

  it.each(["of another authority", "that signed itself"])(
    "TR-30 a client certificate %s is refused and named on both sides",
    async (kind) => {
      const server = await start({ nodeId: "b", tls: b });
      const own = await makeAuthority("a");
      const given =
        kind === "that signed itself"
          ? { ...a, certificate: own.cert, key: own.key }
          : { ...(await certify(foreign, "a")), authority: ours.cert };
      const client = await start({ nodeId: "a", tls: given });
      await client.connect(server.port, "b");
      const { right, failed, message } = await client.burst({ count: 1, inFlight: 1 });
      expect(right).toBe(0);
      expect(Object.keys(failed)).toEqual(["DISCONNECTED"]);
      expect(message).toContain("it may have refused this node's certificate");
      expect((await untilRejected(server, "tls")).handled).toBe(0);
    },
  );

  it("TR-30 a client without certificate is refused and named on both sides (FC-168)", async () => {
    const server = await start({ nodeId: "b", tls: b });
    const client = await start({ nodeId: "a", tls: { ...a, certificate: "", key: "" } });
    await client.connect(server.port, "b");
    const { right, failed } = await client.burst({ count: 1, inFlight: 1 });
    expect(right).toBe(0);
    expect(failed).toEqual({ "REFUSED tls": 1 });
    expect((await untilRejected(server, "tls")).handled).toBe(0);
  });

  it("TR-30 a plain client is refused by a TLS server, a TLS client by a plain one (FC-165)", async () => {
    const secret = Buffer.alloc(32, 5);
    const covered = await start({ nodeId: "b", tls: b, secret });
    const plain = await start({ nodeId: "a", secret });
    await plain.connect(covered.port, "b");
    const inPlain = await plain.burst({ count: 1, inFlight: 1 });
    expect(Object.keys(inPlain.failed)).toEqual(["DISCONNECTED"]);
    expect(inPlain.message).toContain("handshake");
    expect((await untilRejected(covered, "tls")).handled).toBe(0);

    const bare = await start({ nodeId: "d", secret });
    await covered.connect(bare.port, "d");
    const inTls = await covered.burst({ count: 1, inFlight: 1 });
    expect(inTls.right).toBe(0);
    expect(inTls.message).toContain("TLS");
    expect((await untilRejected(bare, "bad_frame")).handled).toBe(0);
  });

  it("TR-38 new certificates hold for new links, open ones stay; unusable ones change nothing", async () => {
    const server = await start({ nodeId: "b", tls: b });
    const client = await start({ nodeId: "a", tls: a });
    await client.connect(server.port, "b");
    await client.untilConnected();
    await expect(server.updateTls({ ...b, key: "no key" })).rejects.toThrow("INVALID");
    const late = await start({ nodeId: "c", tls: await certify(ours, "c") });
    await late.connect(server.port, "b");
    expect(await late.burst({ count: 5, inFlight: 1 })).toMatchObject({ right: 5 });

    await server.updateTls({ ...(await certify(foreign, "b")), authority: foreign.cert });
    expect(await client.burst({ count: 5, inFlight: 1 })).toMatchObject({ right: 5, failed: {} });
    const stale = await start({ nodeId: "d", tls: await certify(ours, "d") });
    await stale.connect(server.port, "b");
    expect((await stale.burst({ count: 1, inFlight: 1 })).failed).toEqual({ "REFUSED tls": 1 });
    const fresh = await start({ nodeId: "e", tls: await certify(foreign, "e") });
    await fresh.connect(server.port, "b");
    expect(await fresh.burst({ count: 5, inFlight: 1 })).toMatchObject({ right: 5 });
  });
});

describe("a port that speaks something else", () => {
  it("TR-33 a socket that says nothing, and one that talks HTTP, are given up by name (FC-139)", async () => {
    const server = await start({ nodeId: "b", secret: Buffer.alloc(32, 5) });
    const mute = connect(server.port, "127.0.0.1");
    mute.on("error", () => {});
    closing.push(async () => void mute.destroy());
    expect((await untilRejected(server, "handshake_timeout")).inbound).toBe(0);

    const web: Server = createServer((socket) => {
      socket.on("error", () => {});
      socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
    closing.push(async () => void web.close());
    await server.connect((web.address() as { port: number }).port);
    const { right, failed } = await server.burst({ count: 1, inFlight: 1 });
    expect(right).toBe(0);
    expect(Object.keys(failed)).toEqual(["DISCONNECTED"]);
    await untilRejected(server, "bad_frame");
  });
});
