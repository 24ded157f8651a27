import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { HttpRequest } from "../http-client.js";
import { nodeHttpClient } from "./http-client.js";

const client = nodeHttpClient();
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(answer: RequestListener): Promise<HttpRequest> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/`;
  return { method: "POST", url, body: "{}", timeoutMs: 20_000, answerBytesMax: 1_000 };
}

describe("one answer", () => {
  it("RT-40 comes with its status and text; connections are used again", async () => {
    const sockets = new Set<unknown>();
    const request = await serve(async (incoming, response) => {
      sockets.add(incoming.socket);
      let body = "";
      for await (const chunk of incoming) body += chunk;
      response.writeHead(418).end(`${incoming.headers.authorization} sent ${body}`);
    });
    for (let n = 0; n < 3; n += 1) {
      const answer = await client.send({ ...request, headers: { authorization: "me" } });
      expect(answer).toEqual({ status: 418, text: "me sent {}" });
    }
    expect(sockets.size).toBe(1);
  });

  it("RT-40 a silent server, a cut one and a stopped caller end the wait", async () => {
    const silent = await serve((_incoming, response) => response.write("half"));
    await expect(client.send({ ...silent, timeoutMs: 20 })).rejects.toThrow();
    const stop = new AbortController();
    const asked = client.send({ ...silent, signal: stop.signal });
    stop.abort();
    await expect(asked).rejects.toThrow();
    const cut = await serve((_incoming, response) => {
      response.write("half");
      response.socket?.end();
    });
    await expect(client.send(cut)).rejects.toThrow();
    const nobody = { ...silent, url: "http://127.0.0.1:1/" };
    await expect(client.send(nobody)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  it("RT-40 an answer beyond its bound fails", async () => {
    const request = await serve((_incoming, response) => response.end("x".repeat(1_001)));
    await expect(client.send(request)).rejects.toThrow(/longer than 1000 bytes/);
    expect((await client.send({ ...request, answerBytesMax: 1_001 })).text).toHaveLength(1_001);
  });
});

describe("an answer without end", () => {
  it("RT-41 comes line by line, however it is cut, until the other side ends it", async () => {
    const request = await serve(async (_incoming, response) => {
      for (const piece of ["on", "e\ntw", "o\n", "thr\u00e9", "e"]) {
        await new Promise<void>((resolve) => response.write(piece, () => resolve()));
      }
      response.end();
    });
    const lines: string[] = [];
    await client.follow(request, (line) => lines.push(line));
    expect(lines).toEqual(["one", "two", "thrée"]);
  });

  it("RT-41 ends with an error when it breaks off, is refused, too long, or no longer wanted", async () => {
    const refused = await serve((_incoming, response) => response.writeHead(503).end("no"));
    await expect(client.follow(refused, () => {})).rejects.toThrow("HTTP 503");
    const cut = await serve((_incoming, response) => {
      response.write("one\n", () => response.socket?.destroy());
    });
    await expect(client.follow(cut, () => {})).rejects.toThrow();
    const long = await serve((_incoming, response) => response.write("x".repeat(2_000)));
    await expect(client.follow(long, () => {})).rejects.toThrow(/longer than 1000 bytes/);
    const silent = await serve(() => {});
    await expect(client.follow({ ...silent, timeoutMs: 20 }, () => {})).rejects.toThrow();
    const stop = new AbortController();
    const open = await serve((_incoming, response) => response.write("one\n"));
    const followed = client.follow({ ...open, signal: stop.signal }, () => stop.abort());
    await expect(followed).rejects.toThrow();
  });
});
