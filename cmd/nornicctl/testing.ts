import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { runProgram } from "./program.js";

/** Runs the program in this process; for tests. */
export async function run(args: readonly string[], env: Record<string, string> = {}) {
  let out = "";
  let err = "";
  const exit = await runProgram(args, {
    env,
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    progress: () => {},
  });
  return { exit, out, err };
}

/** A node that answers everything with the body, and keeps what it was asked; gone with the test. */
export async function answeringNode(body: unknown) {
  const asked: (readonly [method: string, url: string, body: string])[] = [];
  const server = createServer(async (request, reply) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    asked.push([request.method ?? "", request.url ?? "", text]);
    reply.end(JSON.stringify(body));
  });
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { asked, ctl: (...args: readonly string[]) => run([...args, "--endpoint", url]) };
}
