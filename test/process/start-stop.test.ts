import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ask } from "./support/ask.js";
import { runNornicd } from "./support/ended.js";
import { NORNICD, type Nornicd, startNornicd } from "./support/nornicd.js";

const folder = mkdtempSync(path.join(tmpdir(), "nornicd-start-"));
const running = new Set<Nornicd>();
const at = (name: string) => path.join(folder, name);

async function start(name: string, environment: Record<string, string> = {}) {
  const server = await startNornicd({ dataDir: at(name), environment });
  running.add(server);
  void server.exited.then(() => running.delete(server));
  return server;
}

const free = (name: string) => ({
  NORNICDB_DATA_DIR: at(name),
  NORNICDB_HTTP_ADDR: "127.0.0.1:0",
});

afterAll(async () => {
  await Promise.all([...running].map((server) => server.kill("SIGKILL")));
  rmSync(folder, { recursive: true });
});

describe("a start that cannot be", () => {
  it("a second process on one data directory is refused and says why (FC-041)", async () => {
    const first = await start("locked");
    const second = await runNornicd([], free("locked"));
    expect(second.code).toBe(1);
    expect(second.out).toBe("");
    expect(second.err).toContain(at("locked"));
    expect(second.err).toMatch(/another process|in use|locked/i);
    expect((await ask(`${first.url}/nodes/a`, "PUT", {})).status).toBe(201);
    expect((await first.kill("SIGTERM")).code).toBe(0);
  });

  it("a taken port ends the start and names the setting (FC-163)", async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    await once(holder, "listening");
    const { port } = holder.address() as { port: number };
    const ended = await runNornicd([], {
      ...free("port"),
      NORNICDB_HTTP_ADDR: `127.0.0.1:${port}`,
    });
    holder.close();
    expect(ended.code).not.toBe(0);
    expect(ended.out).toBe("");
    expect(ended.err).toContain("NORNICDB_HTTP_ADDR: HTTP cannot listen");
    const next = await start("port");
    expect((await next.kill("SIGTERM")).code).toBe(0);
  });

  it("ten wrong settings are ten lines and exit 78, each with what is allowed (FC-159, FC-160)", async () => {
    const ended = await runNornicd([], {
      NORNICDB_DATA_DIR: at("never"),
      NORNICDB_HTTP_ADDR: "127.0.0.1:notaport",
      NORNICDB_CLUSTER_MODE: "raftt",
      NORNICDB_CLUSTER_RAFT_ELECTION_TIMEOUT: "-1s",
      NORNICDB_CLUSTER_HA_HEARTBEAT_MS: "NaN",
      NORNICDB_CLUSTER_HA_FAILOVER_TIMOUT: "5s",
      NORNICDB_LOG_LEVEL: "loud",
      NORNICDB_LOG_FORMAT: "xml",
      NORNICDB_CLUSTER_THREADS: "many",
      NORNICDB_BOLT_ENABLED: "maybe",
      NORNICDB_CLUSTER_WRITE_CONSISTENCY: "SOME",
    });
    expect([ended.code, ended.out]).toEqual([78, ""]);
    const lines = ended.err.trim().split("\n");
    expect(lines).toHaveLength(10);
    expect(ended.err).toContain("did you mean NORNICDB_CLUSTER_HA_FAILOVER_TIMEOUT?");
    expect(ended.err).toContain(
      'NORNICDB_LOG_LEVEL: must be one of debug, info, warn, error, not "loud"',
    );
  });

  it("a mode and a flag that it does not know are refused", async () => {
    const mode = await runNornicd(["--mode", "multi_regions"], free("mode"));
    expect(mode.code).toBe(78);
    expect(mode.err).toContain("--mode: must be one of");
    const flag = await runNornicd(["--datadir", "x"]);
    expect(flag.code).toBe(64);
    expect(flag.err).toContain("--data-dir");
  });

  it("plain access from other machines is a warning that names the way out (FC-165)", async () => {
    const server = await start("open", { NORNICDB_HTTP_ADDR: "0.0.0.0:0" });
    const warnings = server
      .log()
      .split("\n")
      .filter((line) => line.includes('"level":"warn"'));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("NORNICDB_AUTH");
    expect((await server.kill("SIGTERM")).code).toBe(0);
  });
});

describe("settings in force", () => {
  it("config show tells each value and where it is from, and no secret (FC-162, FC-172)", async () => {
    const ended = await runNornicd(["--node-id", "flagged", "config", "show", "--origin"], {
      ...free("show"),
      NORNICDB_AUTH: "neo:hunter22",
    });
    expect(ended.code).toBe(0);
    expect(ended.out).toContain("node_id: flagged # flag: --node-id");
    expect(ended.out).toContain(`data_dir: ${at("show")} # environment: NORNICDB_DATA_DIR`);
    expect(ended.out).toContain("mode: standalone # default");
    expect(ended.out).not.toContain("hunter22");
    const checked = await runNornicd(["config", "check"], free("show"));
    expect([checked.code, checked.out]).toEqual([0, "configuration ok\n"]);
  });
});

describe("an error that nobody expected", () => {
  it("ends the process with 70, and the next start has every acknowledged write (FC-181)", async () => {
    const surprise = at("surprise.mjs");
    const lines = [
      'import { isMainThread } from "node:worker_threads";',
      'if (isMainThread) process.on("SIGUSR2", () => void Promise.reject(new Error("surprise")));',
    ];
    writeFileSync(surprise, lines.join("\n"));
    const server = await start("surprised", { NODE_OPTIONS: `--import ${surprise}` });
    expect((await ask(`${server.url}/nodes/a`, "PUT", {})).status).toBe(201);
    expect(await server.kill("SIGUSR2")).toEqual({ code: 70, signal: null });
    expect(server.log()).toContain('"event":"internal_error","msg":"Error: surprise');
    const again = await start("surprised");
    expect((await ask(`${again.url}/nodes/a`)).status).toBe(200);
    expect((await again.kill("SIGTERM")).code).toBe(0);
  });
});

describe("a stop", () => {
  it.each(["SIGTERM", "SIGINT"] as const)(
    "%s answers the request under way, flushes and exits 0 (FC-156, FC-190)",
    async (signal) => {
      const server = await start(`stop-${signal}`);
      const { hostname, port } = new URL(server.url);
      const slow = connect(Number(port), hostname);
      slow.write("PUT /nodes/slow HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n");
      slow.write("content-length: 2\r\n\r\n{");
      await ask(`${server.url}/nodes/before`, "PUT", {});
      const ended = server.kill(signal);
      while (!server.log().includes('"stopping"')) await once(server.process.stderr!, "data");
      slow.write("}");
      const [answer] = (await once(slow, "data")) as [Buffer];
      expect(answer.toString()).toMatch(/^HTTP\/1.1 201 /);
      expect(await ended).toEqual({ code: 0, signal: null });
      const again = await start(`stop-${signal}`);
      for (const id of ["before", "slow"]) {
        expect((await ask(`${again.url}/nodes/${id}`)).status).toBe(200);
      }
      await again.kill("SIGTERM");
    },
  );

  it("under load every acknowledged write is there after SIGTERM, and the rest has an honest answer (FC-156, FC-190)", async () => {
    const server = await start("loaded");
    const acknowledged: string[] = [];
    const write = async (writer: number) => {
      for (let n = 0; ; n += 1) {
        const id = `w${writer}-${n}`;
        const answer = await ask(`${server.url}/nodes/${id}`, "PUT", {}).catch(() => undefined);
        if (answer === undefined) return;
        if (answer.status !== 201) {
          expect(["SHUTTING_DOWN", "COMMIT_UNKNOWN"]).toContain(answer.body.code);
          return;
        }
        acknowledged.push(id);
        if (acknowledged.length === 200) server.process.kill("SIGTERM");
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, writer) => write(writer)));
    expect((await server.exited).code).toBe(0);
    const again = await start("loaded");
    const found = (await ask(`${again.url}/nodes?limit=10000`)).body.items as { id: string }[];
    const there = new Set(found.map(({ id }) => id));
    expect(acknowledged.filter((id) => !there.has(id))).toEqual([]);
    await again.kill("SIGTERM");
  });

  it("standard output holds the one line that says where it serves, and nothing else", async () => {
    const child = spawn(process.execPath, [NORNICD], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...free("line"), NORNICDB_LOG_LEVEL: "debug" },
    });
    child.stderr.resume();
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    while (!out.includes("\n")) await once(child.stdout, "data");
    const event = JSON.parse(out) as { http: string };
    expect(event).toEqual({
      event: "listening",
      http: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      bolt: null,
      sql: null,
      cluster: null,
      node: expect.any(String),
      mode: "standalone",
    });
    expect((await ask(`${event.http}/nodes/a`, "PUT", {})).status).toBe(201);
    child.kill("SIGTERM");
    expect(await once(child, "close")).toEqual([0, null]);
    expect(out.trim().split("\n")).toHaveLength(1);
  });
});
