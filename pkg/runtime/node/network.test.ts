import { spawn } from "node:child_process";
import dns from "node:dns";
import { once } from "node:events";
import { connect } from "node:net";
import { generate } from "selfsigned";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { deferred } from "../../base/index.js";
import type { Listener, Stream, TlsOptions } from "../network.js";
import { nodeNetwork } from "./network.js";
import { alternativeNames } from "./peer-names.js";

const network = nodeNetwork();
const local = { host: "127.0.0.1", port: 0 };
const opened: Stream[] = [];
const listeners: Listener[] = [];
afterEach(async () => {
  for (const stream of opened.splice(0)) stream.destroy();
  for (const listener of listeners.splice(0)) await listener.close();
});

async function listen(tls?: TlsOptions, handshakeTimeoutMs = 5000) {
  const accepted = deferred<Stream>();
  const refused = deferred<string>();
  const listener = await network.listen(
    local,
    { tls, handshakeTimeoutMs, onRefused: (reason) => refused.resolve(reason) },
    (stream) => {
      opened.push(stream);
      accepted.resolve(stream);
    },
  );
  listeners.push(listener);
  return { listener, accepted: accepted.promise, refused: refused.promise };
}

async function open(listener: Listener, tls?: TlsOptions): Promise<Stream> {
  const stream = await network.connect(listener.address, { timeoutMs: 5000, tls });
  opened.push(stream);
  return stream;
}

/** Starts the stream; resolves with all bytes and the error once it has closed. */
function collect(stream: Stream) {
  const chunks: Uint8Array[] = [];
  const closed = deferred<{ text: string; error: Error | undefined }>();
  stream.start({
    onData: (bytes) => chunks.push(bytes),
    onDrain: () => {},
    onClose: (error) => closed.resolve({ text: Buffer.concat(chunks).toString(), error }),
  });
  return closed.promise;
}

describe("nodeNetwork", () => {
  test("RT-8 bytes written before the other side starts arrive in order, then a clean close", async () => {
    const { listener, accepted } = await listen();
    const client = await open(listener);
    client.write(Buffer.from("one "));
    client.write(Buffer.from("two"));
    const server = await accepted;
    const atServer = collect(server);
    const atClient = collect(client);
    server.write(Buffer.from("bye"));
    const echoed = deferred();
    const poll = () => (server.pendingBytes === 0 ? echoed.resolve() : setImmediate(poll));
    poll();
    await echoed.promise;
    client.destroy();
    client.destroy();
    expect((await atServer).text).toBe("one two");
    expect((await atClient).error).toBeUndefined();
    expect(client.write(Buffer.from("late"))).toBe(false);
  });

  test("RT-9 a reset before start and after it ends in one onClose, not in the process (FC-182)", async () => {
    const { listener, accepted } = await listen();
    const raw = connect(listener.address.port, listener.address.host);
    const server = await accepted;
    raw.resetAndDestroy();
    const poll = new Promise<void>((resolve) => setImmediate(resolve));
    await poll;
    const { error } = await collect(server);
    expect((error as { code?: string } | undefined)?.code).toBe("ECONNRESET");
  });

  test("RT-10 a slow reader makes write answer false, pendingBytes counts, onDrain follows (FC-136)", async () => {
    const { listener, accepted } = await listen();
    const client = await open(listener);
    const drained = deferred();
    client.start({ onData: () => {}, onDrain: () => drained.resolve(), onClose: () => {} });
    const server = await accepted;
    const chunk = new Uint8Array(1024 * 1024);
    let writes = 0;
    while (client.write(chunk) && writes < 64) writes += 1;
    for (let i = 0; i < 16; i += 1) client.write(chunk);
    expect(client.pendingBytes).toBeGreaterThan(0);
    void collect(server);
    await drained.promise;
    expect(client.pendingBytes).toBe(0);
  });

  test("RT-11 nobody listening and a taken port are told with their code (FC-163)", async () => {
    const { listener } = await listen();
    await expect(
      network.listen(listener.address, { handshakeTimeoutMs: 1000 }, () => {}),
    ).rejects.toMatchObject({ code: "EADDRINUSE" });
    await listener.close();
    await listener.close();
    await expect(network.connect(listener.address, { timeoutMs: 5000 })).rejects.toMatchObject({
      code: "ECONNREFUSED",
    });
  });
});

/** Takes two connections that it has not accepted yet, and no more; prints its port. */
const NARROW_SERVER = `
const server = require("node:net").createServer((socket) => setTimeout(() => socket.end("served"), 600));
server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => console.log(server.address().port));
`;
const PLACES = 2;

describe("a dial that gets lost", () => {
  const ended: (() => void)[] = [];
  const waiting = { timeout: 10_000 };
  afterEach(() => {
    for (const end of ended.splice(0)) end();
  });

  /** A server that stands still with its queue full: the system drops what else is sent there. */
  async function deafServer() {
    const child = spawn(process.execPath, ["-e", NARROW_SERVER]);
    ended.push(() => child.kill("SIGKILL"));
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    child.kill("SIGSTOP");
    const address = { host: "127.0.0.1", port: Number(String(line)) };
    let taken = 0;
    for (let place = 0; place < 2 * PLACES; place += 1) {
      const socket = connect(address.port, address.host, () => {
        taken += 1;
      });
      socket.on("error", () => {});
      ended.push(() => socket.destroy());
    }
    await expect.poll(() => taken, waiting).toBe(PLACES);
    return { address, hear: () => child.kill("SIGCONT") };
  }

  const sockets = () => process.getActiveResourcesInfo().filter((name) => /^TCP/.test(name)).length;

  test("RT-42 is repeated beside the one under way, and the first that gets through is the stream", async () => {
    const { address, hear } = await deafServer();
    const before = sockets();
    const dialled = network.connect(address, { timeoutMs: 30_000 });
    await expect.poll(sockets, waiting).toBeGreaterThan(before + 3);
    hear();
    const stream = await dialled;
    opened.push(stream);
    expect(await collect(stream)).toEqual({ text: "served", error: undefined });
    await expect.poll(sockets, waiting).toBeLessThanOrEqual(before);
  });

  test("RT-14 RT-42 ends at its limit, and nothing of it stays", async () => {
    const { address } = await deafServer();
    const before = sockets();
    const dialled = network.connect(address, { timeoutMs: 700 });
    expect(sockets()).toBeGreaterThan(before);
    await expect(dialled).rejects.toMatchObject({ code: "ETIMEDOUT" });
    await expect.poll(sockets, waiting).toBeLessThanOrEqual(before);
  });

  test("RT-42 nothing is repeated while a name is looked up", async () => {
    const lookUp = vi.spyOn(dns, "lookup").mockImplementation((() => {}) as never);
    ended.push(() => lookUp.mockRestore());
    const named = { host: "far.example", port: 7688 };
    await expect(network.connect(named, { timeoutMs: 900 })).rejects.toMatchObject({
      code: "ETIMEDOUT",
    });
    expect(lookUp).toHaveBeenCalledTimes(1);
  });
});

describe("TLS", () => {
  let own: TlsOptions;
  let foreign: TlsOptions;
  beforeAll(async () => {
    const make = async (name: string): Promise<TlsOptions> => {
      const extensions = [
        { name: "basicConstraints" as const, cA: true, critical: true },
        {
          name: "subjectAltName" as const,
          altNames: [
            { type: 2 as const, value: `${name}.test` },
            { type: 7 as const, ip: "127.0.0.1" },
          ],
        },
      ];
      const pem = await generate([{ name: "commonName", value: name }], { extensions });
      return {
        certificate: pem.cert,
        key: pem.private,
        authority: pem.cert,
        verifyPeer: true,
        minVersion: "TLSv1.3",
      };
    };
    own = await make("node-1");
    foreign = await make("stranger");
  });

  test("RT-12 both sides verify and see each other's names (FC-170)", async () => {
    const { listener, accepted } = await listen(own);
    const client = await open(listener, own);
    expect(client.peerNames).toEqual(["node-1", "node-1.test"]);
    const server = await accepted;
    expect(server.peerNames).toEqual(["node-1", "node-1.test"]);
    const received = collect(server);
    void collect(client);
    client.write(Buffer.from("secret"));
    server.write(Buffer.from("reply"));
    await new Promise<void>((resolve) => {
      const poll = () => (client.pendingBytes === 0 ? resolve() : setImmediate(poll));
      poll();
    });
    client.destroy();
    expect((await received).text).toBe("secret");
  });

  test("RT-13 another authority's certificate is refused on either side (FC-168)", async () => {
    const { listener, refused } = await listen(own);
    await expect(open(listener, foreign)).rejects.toThrow("cannot connect");
    const intruder = await open(listener, { ...foreign, authority: own.authority });
    await collect(intruder);
    expect(await refused).not.toBe("");
  });

  test("RT-13 a server whose certificate lacks the expected name is refused (FC-170)", async () => {
    const { listener } = await listen(own);
    await expect(open(listener, { ...own, serverName: "node-2.test" })).rejects.toMatchObject({
      code: "ERR_TLS_CERT_ALTNAME_INVALID",
    });
    expect((await open(listener, { ...own, serverName: "node-1.test" })).peerNames).toHaveLength(2);
  });

  test("RT-14 a handshake that never ends is given up on both sides (FC-139)", async () => {
    const { listener, refused } = await listen(own, 50);
    const mute = connect(listener.address.port, listener.address.host);
    mute.on("error", () => {});
    expect(await refused).toBe("ERR_TLS_HANDSHAKE_TIMEOUT");
    mute.destroy();
    const plain = await listen();
    await expect(
      network.connect(plain.listener.address, { timeoutMs: 50, tls: own }),
    ).rejects.toMatchObject({ code: "ETIMEDOUT" });
  });

  test("RT-12 a quoted alternative name cannot pass for another", () => {
    expect(alternativeNames('DNS:a, IP Address:1.2.3.4, URI:x://y/z, DNS:"b, DNS:evil"')).toEqual([
      "a",
      "x://y/z",
      "b, DNS:evil",
    ]);
    expect(alternativeNames('email:"x, DNS:evil", DNS:c')).toEqual(["c"]);
    expect(alternativeNames("")).toEqual([]);
  });
});
