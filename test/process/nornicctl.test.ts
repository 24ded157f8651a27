import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { NORNICCTL, type Nornicd, startNornicd } from "./support/nornicd.js";

const folder = mkdtempSync(join(tmpdir(), "nornicctl-process-"));
const running: Nornicd[] = [];

async function start(dataDir: string, environment: Record<string, string> = {}): Promise<Nornicd> {
  const node = await startNornicd({ dataDir, environment });
  running.push(node);
  return node;
}

async function stop(node: Nornicd): Promise<void> {
  running.splice(running.indexOf(node), 1);
  expect((await node.kill("SIGTERM")).code).toBe(0);
}

afterEach(async () => {
  for (const node of running.splice(0)) await node.kill("SIGKILL");
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Ended {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

function ctl(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ...env } };
    execFile(process.execPath, [NORNICCTL, ...args], options, (error, out, err) => {
      const exit = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ exit, out, err });
    });
  });
}

async function put(url: string, id: string): Promise<void> {
  const response = await fetch(`${url}/nodes/${id}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ labels: ["A"], properties: { id } }),
  });
  expect(response.status).toBe(201);
}

async function get(url: string, path: string): Promise<Record<string, unknown>> {
  return (await (await fetch(url + path)).json()) as Record<string, unknown>;
}

describe("nornicctl with a real node", () => {
  it("NC-5 status, lag, history and verify tell about a running node", async () => {
    const node = await start(join(folder, "ask"));
    await put(node.url, "a");
    const env = { NORNICDB_ENDPOINT: node.url };
    const status = await ctl(["status", "--json"], env);
    expect(status.exit, status.err).toBe(0);
    expect(JSON.parse(status.out)).toMatchObject({ healthy: true, log: { last_index: 1 } });
    expect((await ctl(["lag"], env)).out).toMatch(/^this node +0 +0 +0$/m);
    expect((await ctl(["history"], env)).out).toContain("state=ready");
    expect((await ctl(["verify"], env)).out).toContain("equal at index 1");
    await stop(node);
    expect((await ctl(["status"], env)).exit).toBe(3);
  });

  it("NC-4 a password is asked for, and taken from the environment", async () => {
    const node = await start(join(folder, "auth"), { NORNICDB_AUTH: "user:password" });
    const args = ["verify", "--endpoint", node.url];
    const refused = await ctl(args);
    expect([refused.exit, refused.err.split(":")[0]]).toEqual([1, "UNAUTHENTICATED"]);
    expect((await ctl(args, { NORNICDB_TOKEN: "user:password" })).exit).toBe(0);
    await stop(node);
  });

  it("NC-8 a saved snapshot starts as the same node content elsewhere and over other data (FC-057)", async () => {
    const source = await start(join(folder, "source"));
    for (const id of ["a", "b", "c"]) await put(source.url, id);
    const file = join(folder, "source.snap");
    const saved = await ctl(["snapshot", "save", file, "--json", "--endpoint", source.url]);
    expect(saved.exit, saved.err).toBe(0);
    expect(JSON.parse(saved.out).manifest.position.index).toBe(3);
    expect((await ctl(["snapshot", "info", file])).out).toMatch(/^whole +yes$/m);
    const dirty = join(folder, "dirty");
    const other = await start(dirty);
    for (const id of ["x", "y"]) await put(other.url, id);
    const restore = ["snapshot", "restore", file, "--force", "--data-dir", dirty];
    const locked = await ctl(restore);
    expect([locked.exit, locked.err.split(":")[0]]).toEqual([1, "ELOCKED"]);
    await stop(other);
    expect((await ctl(restore)).exit).toBe(0);
    const fresh = join(folder, "fresh");
    expect((await ctl(["snapshot", "restore", file, "--data-dir", fresh])).exit).toBe(0);
    for (const dataDir of [dirty, fresh]) {
      const node = await start(dataDir);
      expect(await get(node.url, "/counts")).toEqual(await get(source.url, "/counts"));
      expect(await get(node.url, "/nodes")).toEqual(await get(source.url, "/nodes"));
      expect((await ctl(["verify", "--endpoint", node.url])).out).toContain("equal at index 3");
      await put(node.url, "after");
      await stop(node);
      const wal = await ctl(["wal", "verify", "--json", "--data-dir", dataDir]);
      expect(JSON.parse(wal.out)).toMatchObject({ state: "clean", last: { index: 4 } });
    }
    await stop(source);
  });

  it("NC-11 the doctor knows a node that runs and the log it holds", async () => {
    const dataDir = join(folder, "doctor");
    const node = await start(dataDir);
    const env = { NORNICDB_HTTP_ADDR: new URL(node.url).host, NORNICDB_BOLT_ENABLED: "false" };
    const { out } = await ctl(["doctor", "--data-dir", dataDir], env);
    expect(out).toMatch(/^ok +log +in use by a running node$/m);
    expect(out).toMatch(/^ok +http port +\S+: node node-\w+ serves there$/m);
    await stop(node);
  });
});
