import { once } from "node:events";
import { request } from "node:https";
import { connect, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { generate } from "selfsigned";
import { afterEach, expect, it } from "vitest";
import { WebSocket } from "ws";
import { silentLogger } from "../../runtime/index.js";
import { systemClock, systemTimers } from "../../runtime/node/index.js";
import { createTestService, type DirectReplicator } from "../../service/testing.js";
import { createHttpServer, type HttpServer, type HttpServerParts } from "./server.js";

let server: HttpServer;
let replicator: DirectReplicator;
let port: number;

async function serve(
  parts: Pick<Partial<HttpServerParts>, "limits" | "tls">,
  storage?: Parameters<typeof createTestService>[1],
) {
  const world = createTestService({ clock: systemClock, timers: systemTimers }, storage);
  ({ replicator } = world);
  server = await createHttpServer({
    service: world.service,
    address: { host: "127.0.0.1", port: 0 },
    timers: systemTimers,
    logger: silentLogger,
    metricsText: () => "",
    ...parts,
  });
  ({ port } = await server.listen());
}

afterEach(() => server.close());

async function certificate(name: string) {
  const { cert, private: key } = await generate([{ name: "commonName", value: name }]);
  return { cert, key };
}

async function open(): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** Everything a connection sends until it ends. */
async function rest(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  if (!socket.destroyed) await once(socket, "close");
  return text;
}

async function shownName(): Promise<string> {
  const socket: TLSSocket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return String(subject.CN);
}

it("HT-17 new connections get reloaded certificates, open ones go on, plain text is not served", async () => {
  await serve({ tls: await certificate("before") });
  const kept: TLSSocket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
  await once(kept, "secureConnect");
  expect(await shownName()).toBe("before");
  server.reloadTls(await certificate("after"));
  expect(await shownName()).toBe("after");
  kept.write("GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  expect(await rest(kept)).toMatch(/^HTTP\/1.1 200 /);
  const plain = await open();
  plain.write("GET /livez HTTP/1.1\r\nhost: x\r\n\r\n");
  expect(await rest(plain)).not.toContain("200");
});

it("HT-17 a client without a certificate is refused where one is asked for", async () => {
  const [own, client] = await Promise.all([certificate("server"), certificate("client")]);
  await serve({ tls: { ...own, ca: client.cert } });
  const status = (identity: { cert?: string; key?: string }) =>
    new Promise<number | string>((resolve) => {
      const options = { port, host: "127.0.0.1", path: "/livez", agent: false } as const;
      request({ ...options, ...identity, rejectUnauthorized: false }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      })
        .on("error", () => resolve("refused"))
        .end();
    });
  expect(await status(client)).toBe(200);
  expect(await status({})).toBe("refused");
  expect(await status(await certificate("client"))).toBe("refused");
});

it("HT-18 a connection too many is closed, those there are go on (FC-188)", async () => {
  await serve({ limits: { connectionsMax: 2 } });
  const kept = [await open(), await open()];
  const refused = await open();
  expect(await rest(refused)).toBe("");
  for (const socket of kept) {
    socket.write("GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    expect(await rest(socket)).toMatch(/^HTTP\/1.1 200 /);
  }
  const later = await open();
  later.write("GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  expect(await rest(later)).toMatch(/^HTTP\/1.1 200 /);
});

it("HT-18 headers or a body that never end are answered and cut", async () => {
  await serve({ limits: { headersTimeoutMs: 50, requestTimeoutMs: 100 } });
  const headers = await open();
  headers.write("GET /livez HTTP/1.1\r\nhost:");
  const body = await open();
  body.write("PUT /nodes/a HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n");
  body.write("content-length: 5\r\n\r\n{");
  for (const answer of await Promise.all([rest(headers), rest(body)])) {
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(answer).toContain('"code":"INVALID"');
  }
});

it("HT-10 a listener that takes nothing is cut at eventBytesMax, others go on", async () => {
  await serve({ limits: { eventBytesMax: 64 * 1024 } });
  const url = `ws://127.0.0.1:${port}/events`;
  const [slow, quick] = [new WebSocket(url), new WebSocket(url)];
  slow.on("error", () => {});
  await Promise.all([once(slow, "message"), once(quick, "message")]);
  let heard = 0;
  quick.on("message", (data) => {
    // On a slow machine a lag event comes in between.
    if ((JSON.parse(String(data)) as { kind: string }).kind === "state") heard += 1;
  });
  const gone = once(slow, "close");
  slow.pause();
  const reason = "x".repeat(256 * 1024);
  let told = 0;
  for (; told < 400; told += 1) {
    replicator.tell({ kind: "state", state: "ready", reason, at: told });
    while (heard === told) await once(quick, "message");
  }
  expect(told).toBe(400);
  slow.resume();
  expect((await gone)[0]).toBe(1006);
  quick.close();
});

it("HT-9 a stream from changes that are gone is 410 COMPACTED, and says what to do (FC-157)", async () => {
  await serve({}, { rememberedRequestsMax: 2 });
  const base = `http://127.0.0.1:${port}`;
  const put = { method: "PUT", body: "{}", headers: { "content-type": "application/json" } };
  for (const id of ["a", "b", "c", "d"]) await fetch(`${base}/nodes/${id}`, put);
  const gone = await fetch(`${base}/changes?after=0&follow=false`);
  expect(gone.status).toBe(410);
  expect(await gone.json()).toMatchObject({
    type: "urn:nornicdb:error:COMPACTED",
    code: "COMPACTED",
    outcome: "not_applied",
  });
  const kept = await (await fetch(`${base}/changes?after=2&follow=false`)).text();
  expect(kept.trim().split("\n")).toHaveLength(2);
});

it("HT-15 connections on which nothing was asked, in the clear or over TLS, do not delay the close", async () => {
  await serve({ limits: { drainMs: 60_000 } });
  await open();
  await server.close();
  await serve({ tls: await certificate("x"), limits: { drainMs: 60_000 } });
  const secure = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
  secure.on("error", () => {});
  await once(secure, "secureConnect");
  await server.close();
});

it("HT-15 a TLS handshake that does not go on is cut at the end of the drain", async () => {
  await serve({ tls: await certificate("x"), limits: { drainMs: 10, cutMs: 10 } });
  const socket = await open();
  const ended = rest(socket);
  await server.close();
  expect(await ended).toBe("");
});

it("HT-6 the sender of a body that is too large gets its answer, however much it sends on (FC-164)", async () => {
  await serve({ limits: { bodyBytesMax: 1000 } });
  const socket = await open();
  const bytes = 32 * 1024 * 1024;
  socket.write("PUT /nodes/a HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n");
  socket.write(`content-length: ${bytes}\r\n\r\n`);
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1.1 413 /);
  await new Promise((resolve) => socket.write(Buffer.alloc(bytes, "y"), resolve));
  socket.write("GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  expect(await rest(socket)).toMatch(/^HTTP\/1.1 200 /);
});
