import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { Client } from "./client.js";
import { run } from "./testing.js";

const folder = mkdtempSync(join(tmpdir(), "nornicctl-"));
const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A node that answers each path with a status and a body. */
function node(answers: Record<string, readonly [number, unknown]>): RequestListener {
  return (request, reply) => {
    const [status, body] = answers[request.url ?? ""] ?? [404, { code: "NOT_FOUND", detail: "no" }];
    reply.writeHead(status).end(typeof body === "string" ? body : JSON.stringify(body));
  };
}

/** An address where nobody listens: one that was served and closed again. */
async function nobody(): Promise<string> {
  const url = await serve(() => {});
  const server = servers.pop();
  await new Promise((resolve) => server?.close(resolve));
  return url;
}

const HEALTH = { status: "ok", replication: { node_id: "n1", mode: "standalone", lag_ms: 0 } };
const WELL = {
  "/health": [200, HEALTH],
  "/cluster/status": [200, { cluster_id: "c", leader: { id: "n1" }, members: [{ id: "n1" }] }],
  "/admin/raft/state": [200, { first_index: 1, last_index: 9, log_bytes: 2048 }],
  "/admin/wal/position": [200, { applied: { index: 9 }, storage_durable: { index: 4 } }],
} as const;

describe("usage", () => {
  it("NC-1 a wrong command line is 64 with the cause and the next step, in text and in JSON", async () => {
    for (const args of [
      ["nope"],
      ["wal"],
      ["snapshot", "info"],
      ["lag", "--max", "x"],
      ["status", "-q"],
    ]) {
      const { exit, out, err } = await run(args);
      expect([exit, out], args.join(" ")).toEqual([64, ""]);
      expect(err).toMatch(/^USAGE: .+\nnext: nornicctl --help\n$/m);
    }
    const { exit, err } = await run(["nope", "--json"]);
    expect(exit).toBe(64);
    expect(JSON.parse(err)).toEqual({
      error: {
        code: "USAGE",
        cause: "unknown command 'nope'",
        next: "nornicctl --help",
        exit: 64,
      },
    });
    expect((await run(["--help"])).exit).toBe(0);
  });

  it("NC-1 an endpoint that is no URL, or carries a password, is refused and not repeated", async () => {
    for (const endpoint of ["ftp://h", "http://", "http://user:hidden@h", ",", "http://a,"]) {
      const { exit, err } = await run(["status", "--endpoint", endpoint]);
      expect(exit, endpoint).toBe(64);
      expect(err).not.toContain("hidden");
    }
  });
});

describe("a node's answers", () => {
  it("NC-5 status prints the facts aligned and exits 2 for a node that is not well", async () => {
    const url = await serve(node(WELL));
    const good = await run(["status", "--endpoint", url]);
    expect(good.exit).toBe(0);
    expect(good.out).toContain("log        1..9, 2.0 KiB\n");
    expect(good.err).toBe("");
    const ill = { ...WELL, "/health": [503, { ...HEALTH, status: "unhealthy" }] } as const;
    const bad = await run(["status", "--json"], { NORNICDB_ENDPOINT: await serve(node(ill)) });
    expect(bad.exit).toBe(2);
    expect(JSON.parse(bad.out)).toMatchObject({ healthy: false, cluster: { cluster_id: "c" } });
  });

  it("NC-5 verify and lag exit 2 for a difference and for too much lag (FC-124)", async () => {
    const report = { equal: false, position: { index: 5 }, shards: 1024, differing: [3] };
    const lagging = { lag_entries: 0, lag_ms: 0, peers: [{ id: "n2", lag_entries: 11 }] };
    const url = await serve(
      node({ "/admin/verify": [200, report], "/admin/replication/lag": [200, lagging] }),
    );
    const verified = await run(["verify", "--endpoint", url]);
    expect(verified.exit).toBe(2);
    expect(verified.out).toContain("different at index 5: 1 of 1024 shards");
    const nodes = [
      { id: "n1", status: "equal", reason: null, action: "none" },
      { id: "n2", status: "different", reason: null, action: "repair" },
    ];
    const rounds = [
      { index: 6, nodes },
      { index: 7, nodes: [] },
    ];
    const replicated = async (replicas: object, equal: boolean) => {
      const body = { ...report, differing: [], equal, replicas };
      const at = await serve(node({ "/admin/verify": [200, body] }));
      return run(["verify", "--endpoint", at]);
    };
    const repaired = await replicated({ equal: true, rounds }, true);
    expect(repaired.exit).toBe(0);
    expect(repaired.out).toContain("replicas: equal after repairs at index 7\n");
    expect(repaired.out).toMatch(/^n2 {2}different {2}repair$/m);
    const nobody = await replicated({ equal: false, reason: "no leader is known" }, false);
    expect([nobody.exit, nobody.out]).toEqual([2, expect.stringContaining("not compared: no")]);
    expect((await run(["lag", "--endpoint", url])).exit).toBe(0);
    expect((await run(["lag", "--endpoint", url, "--max", "11"])).exit).toBe(0);
    expect((await run(["lag", "--endpoint", url, "--max", "10"])).exit).toBe(2);
  });

  it("NC-5 history shows the last events, oldest first", async () => {
    const events = [1, 2, 3].map((sequence) => ({ sequence, kind: "role", role: "leader", at: 0 }));
    const url = await serve(node({ "/admin/history": [200, { events }] }));
    const { out } = await run(["history", "--limit", "2", "--endpoint", url]);
    expect(out.split("\n").map((line) => line[0])).toEqual(["2", "3", undefined]);
    expect(out).toContain("1970-01-01T00:00:00.000Z  role  role=leader");
  });

  it("NC-5 history shows what befell the roles of a pair before the start, too", async () => {
    const lost = { at: 0, event: "salvaged", epoch: 3, cause: "not in b's log", entries: 7 };
    const failovers = [{ at: 0, event: "became_primary", epoch: 2, cause: "x" }, lost];
    const url = await serve(node({ "/admin/history": [200, { failovers, events: [] }] }));
    const { out } = await run(["history", "--limit", "1", "--endpoint", url]);
    expect(out).toBe(
      "1970-01-01T00:00:00.000Z  salvaged  epoch=3 cause=not in b's log entries=7\n" +
        "\nsince the start\nnothing has happened yet\n",
    );
    const json = await run(["history", "--json", "--endpoint", url]);
    expect(JSON.parse(json.out)).toMatchObject({ failovers, events: [] });
  });

  it("NC-2 the first endpoint that answers counts; none is exit 3", async () => {
    const [gone, url] = [await nobody(), await serve(node(WELL))];
    const { exit, out } = await run(["status", "--json", "--endpoint", `${gone}, ${url}/`]);
    expect(exit).toBe(0);
    expect(JSON.parse(out).endpoint).toBe(url);
    const none = await run(["status", "--endpoint", `${gone},${await nobody()}`]);
    expect(none.exit).toBe(3);
    expect(none.err).toContain(`UNREACHABLE: ${gone}: connect ECONNREFUSED`);
  });

  it("NC-2 a refusal that passes is 75, also beside an endpoint that is down", async () => {
    const problem = (code: string, more = {}) =>
      [503, { code, detail: "not now", ...more }] as const;
    for (const code of ["OVERLOADED", "SHUTTING_DOWN", "NO_LEADER", "NO_QUORUM"]) {
      const url = await serve(node({ "/admin/verify": problem(code) }));
      const { exit, err } = await run(["verify", "--endpoint", `${url},${await nobody()}`]);
      expect([exit, err.split(":")[0]]).toEqual([75, code]);
    }
    const busy = problem("CONFLICT", { retryAfterMs: 1000, hint: "later" });
    const url = await serve(node({ "/admin/verify": busy }));
    const { exit, err } = await run(["verify", "--endpoint", url]);
    expect(exit).toBe(75);
    expect(err).toContain("next: later\n");
    const leader = { id: "n2", http: "http://h:1" };
    const follower = await serve(node({ "/admin/verify": problem("NOT_LEADER", { leader }) }));
    expect((await run(["verify", "--endpoint", follower])).err).toContain("--endpoint http://h:1");
  });

  it("NC-3 an answer that is not a node's is a failure that says so", async () => {
    const strange = ["<html>", "[]", "null", "7", "{}", '{"equal":"yes"}'];
    for (const body of strange) {
      const url = await serve(node({ "/admin/verify": [200, body] }));
      const { exit, err } = await run(["verify", "--endpoint", url]);
      expect([exit, err.split(":")[0]], body).toEqual([1, "NOT_OURS"]);
    }
    const cut = await serve((_request, reply) => {
      reply.writeHead(200, { "content-length": "100" }).write("{");
      reply.destroy();
    });
    expect((await run(["verify", "--endpoint", cut])).exit).toBe(3);
    const moved = await serve((_request, reply) => {
      reply.writeHead(302, { location: "http://127.0.0.1:9/" }).end();
    });
    expect((await run(["verify", "--endpoint", moved])).exit).toBe(3);
  });

  it("NC-3 an answer that does not come, or does not end, is given up", async () => {
    const silent = await serve(() => {});
    const endless = await serve((_request, reply) => {
      reply.writeHead(200).write('{"equal":');
    });
    for (const endpoint of [silent, endless]) {
      const client = new Client({ endpoint }, {});
      const asked = client.json("/admin/verify", { method: "POST", answerMsMax: 50 });
      await expect(asked).rejects.toMatchObject({
        exit: 3,
        message: `${endpoint}: no answer within 50 ms`,
      });
    }
  });

  it("NC-4 credentials go out as what they are and come back in no message (FC-172)", async () => {
    const seen: (string | undefined)[] = [];
    const url = await serve((request, reply) => {
      seen.push(request.headers.authorization);
      reply.writeHead(401).end(JSON.stringify({ code: "UNAUTHENTICATED", detail: "who?" }));
    });
    const first = await run(["verify", "--endpoint", url, "--token", "hidden"]);
    const second = await run(["verify", "--endpoint", url], { NORNICDB_TOKEN: "user:hidden" });
    await run(["verify", "--endpoint", url]);
    const basic = `Basic ${Buffer.from("user:hidden").toString("base64")}`;
    expect(seen).toEqual(["Bearer hidden", basic, undefined]);
    for (const { exit, err } of [first, second]) {
      expect(exit).toBe(1);
      expect(err).toContain("next: give credentials with --token");
      expect(err).not.toContain("hidden");
    }
  });
});

describe("orders to the cluster", () => {
  it("NC-13 an order carries what was typed, and says how it ended", async () => {
    const asked: [string, unknown][] = [];
    const url = await serve(async (request, reply) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      asked.push([request.url ?? "", body && JSON.parse(body)]);
      const leader = { id: "n2", address: "h:2" };
      reply.end(JSON.stringify({ index: 7, term: 2, leader, members: [] }));
    });
    const orders = [
      [["member", "add", "n4", "h:4", "--learner"], "n4 is a member: a learner (index 7, term 2)"],
      [["member", "add", "n4", "h:4"], "then a voter"],
      [["member", "promote", "n4"], "n4 becomes a voter"],
      [["member", "remove", "n4"], "n4 is no member any more"],
      [["transfer-leader", "n2"], "leader now: n2"],
      [["step-down"], "leader now: n2"],
    ] as const;
    for (const [args, text] of orders) {
      const { exit, out, err } = await run([...args, "--endpoint", url]);
      expect([exit, err], args.join(" ")).toEqual([0, ""]);
      expect(out).toContain(text);
      const json = await run([...args, "--json", "--endpoint", url]);
      expect(JSON.parse(json.out)).toMatchObject({ endpoint: url, index: 7 });
    }
    const posted = asked.filter(([path]) => path !== "/cluster/status");
    expect(posted.filter((_, at) => at % 2 === 0)).toEqual([
      ["/admin/cluster/add", { node_id: "n4", address: "h:4", learner: true }],
      ["/admin/cluster/add", { node_id: "n4", address: "h:4" }],
      ["/admin/cluster/promote", { node_id: "n4" }],
      ["/admin/cluster/remove", { node_id: "n4" }],
      ["/admin/cluster/transfer-leadership", { target: "n2" }],
      ["/admin/raft/step-down", {}],
    ]);
  });

  it("NC-13 an order of unknown fate is 1 with a look at the members next; without a leader it is 75", async () => {
    const unknown = [504, { code: "COMMIT_UNKNOWN", detail: "no answer" }] as const;
    const lost = await serve(node({ "/admin/cluster/remove": unknown }));
    const { exit, err } = await run(["member", "remove", "n4", "--endpoint", lost]);
    expect(exit).toBe(1);
    expect(err).toContain("nornicctl member list");
    const none = [503, { code: "NO_LEADER", detail: "no leader is known" }] as const;
    const electing = await serve(node({ "/admin/raft/step-down": none }));
    expect((await run(["step-down", "--endpoint", electing])).exit).toBe(75);
  });

  it("NC-13 members are listed by name, with a dash for what nobody knows", async () => {
    const members = [
      { id: "n2", address: "h:2", role: "follower", healthy: false, match_index: null, lag: null },
      { id: "n1", address: "h:1", role: "leader", healthy: true, match_index: 9, lag: 0 },
    ];
    const status = [200, { leader: null, members }] as const;
    const url = await serve(node({ "/cluster/status": status }));
    const { exit, out } = await run(["member", "list", "--endpoint", url]);
    expect(exit).toBe(0);
    expect(out.split("\n").slice(1)).toEqual([
      "n1      h:1      leader    yes      9    0",
      "n2      h:2      follower  no       -    -",
      "no leader: writes wait",
      "",
    ]);
  });
});

describe("settings", () => {
  it("NC-1 config show and check know file and environment, and 78 names every problem", async () => {
    const file = join(folder, "n.yaml");
    writeFileSync(file, "log: {level: debug}\n");
    const shown = await run(["config", "show", "--origin", "--config", file]);
    expect(shown.out).toContain(`level: debug # file: ${file}:1 log.level`);
    const json = await run(["config", "show", "--json"], { NORNICDB_AUTH: "user:hidden" });
    expect(JSON.parse(json.out).config.mode).toBe("standalone");
    expect(json.out).not.toContain("hidden");
    expect(await run(["config", "check"])).toEqual({
      exit: 0,
      out: "configuration ok\n",
      err: "",
    });
    const env = { NORNICDB_CLUSTER_MOOD: "x", NORNICDB_LOG_LEVEL: "loud" };
    const bad = await run(["config", "check"], env);
    expect(bad.exit).toBe(78);
    for (const name of Object.keys(env)) expect(bad.err).toContain(name);
    const missing = await run(["config", "check", "--config", join(folder, "none.yaml")]);
    expect(missing.exit).toBe(78);
    expect(missing.err).toContain("none.yaml cannot be read");
  });
});
