import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { silentLogger } from "../../runtime/index.js";
import { systemClock, systemTimers } from "../../runtime/node/index.js";
import { parsePasswordPolicy, ReplicationError, type Service } from "../../service/index.js";
import { createTestService, type DirectReplicator } from "../../service/testing.js";
import { createHttpServer, type HttpServer, type HttpServerParts } from "./server.js";

let server: HttpServer;
let service: Service;
let replicator: DirectReplicator;
let base: string;
let port: number;

async function serve(
  options: {
    authentication?: string;
    service?: Parameters<typeof createTestService>[0]["limits"];
    http?: HttpServerParts["limits"];
  } = {},
) {
  await server?.close();
  ({ service, replicator } = createTestService({
    clock: systemClock,
    timers: systemTimers,
    authentication: parsePasswordPolicy(options.authentication ?? "none"),
    limits: options.service,
  }));
  server = await createHttpServer({
    service,
    address: { host: "127.0.0.1", port: 0 },
    timers: systemTimers,
    logger: silentLogger,
    metricsText: () => "nornicdb_raft_term 1\n",
    limits: options.http,
    httpOf: (id) => (id === "n3" ? undefined : `http://${id}.example:7474`),
  });
  ({ port } = await server.listen());
  base = `http://127.0.0.1:${port}`;
}

interface Answer {
  status: number;
  headers: Headers;
  body: { readonly [key: string]: unknown };
}

async function ask(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(base + path, {
    method,
    redirect: "manual",
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = /[/+]json/.test(response.headers.get("content-type") ?? "") && text !== "";
  return {
    status: response.status,
    headers: response.headers,
    body: isJson ? JSON.parse(text) : { text },
  };
}

beforeEach(() => serve());
afterEach(() => server.close());

describe("nodes and edges", () => {
  it("HT-1 PUT answers 201 then 200, with receipt, ETag and bookmark", async () => {
    const node = { labels: ["P"], properties: { age: 1 } };
    const first = await ask("PUT", "/nodes/a", node);
    expect(first.status).toBe(201);
    expect(first.body).toEqual({
      id: "a",
      outcome: "created",
      version: 1,
      receipt: { index: 1, term: 1, durability: "local", replayed: false },
    });
    expect(first.headers.get("etag")).toBe('"1"');
    expect(first.headers.get("nornic-served-by")).toBe("n1");
    const bookmark = first.headers.get("nornic-bookmark")!;
    expect((await ask("PUT", "/nodes/a", node)).body).toMatchObject({ outcome: "unchanged" });
    const read = await ask("GET", `/nodes/a?after=${bookmark}&consistency=leader`);
    expect(read.body).toEqual({ id: "a", ...node, version: 1 });
  });

  it("HT-1 PATCH merges, null deletes, DELETE refuses while there are edges", async () => {
    await ask("PUT", "/nodes/a", { properties: { x: 1, y: 2 } });
    await ask("PUT", "/nodes/b", {});
    await ask("PATCH", "/nodes/a", { properties: { x: null, z: 3 } });
    expect((await ask("GET", "/nodes/a")).body.properties).toEqual({ y: 2, z: 3 });
    expect((await ask("PUT", "/edges/e", { from: "a", to: "b", type: "T" })).status).toBe(201);
    const missingEnd = await ask("PUT", "/edges/f", { from: "a", to: "no", type: "T" });
    expect(missingEnd).toMatchObject({ status: 409, body: { code: "CONFLICT" } });
    expect((await ask("PATCH", "/edges/e", { properties: { w: 1 } })).status).toBe(200);
    expect((await ask("GET", "/edges/e")).body).toMatchObject({ properties: { w: 1 } });
    expect((await ask("DELETE", "/nodes/a")).status).toBe(409);
    expect((await ask("DELETE", "/nodes/a?detach=true")).status).toBe(200);
    expect((await ask("GET", "/edges/e")).status).toBe(404);
    expect((await ask("GET", "/nodes/a")).status).toBe(404);
  });

  it("HT-21 POST increment adds, and answers with what it has come to", async () => {
    await ask("PUT", "/nodes/a", { properties: { n: 1 } });
    await ask("PUT", "/edges/e", { from: "a", to: "a", type: "T" });
    const add = (path: string, body: unknown, headers = {}) =>
      ask("POST", `${path}/increment`, body, headers);
    const once = { "idempotency-key": "once" };
    const first = await add("/nodes/a", { property: "n", by: 41 }, once);
    expect(first).toMatchObject({ status: 200, body: { id: "a", outcome: "updated", value: 42 } });
    expect(first.headers.get("etag")).toBe('"3"');
    const again = await add("/nodes/a", { property: "n", by: 41 }, once);
    expect(again.body).toMatchObject({ value: 42, receipt: { replayed: true } });
    expect((await add("/edges/e", { property: "w", by: -1 })).body).toMatchObject({ value: -1 });
    const late = await add("/nodes/a", { property: "n", by: 1 }, { "if-match": '"1"' });
    expect(late.status).toBe(412);
    for (const [body, field] of [
      [{ property: "n" }, "by"],
      [{ property: "n", by: "1" }, "by"],
      [{ by: 1 }, "property"],
      [{ property: "n", by: 1, to: 2 }, "to"],
    ]) {
      expect(await add("/nodes/a", body)).toMatchObject({ status: 400, body: { field } });
    }
    expect((await add("/nodes/no", { property: "n", by: 1 })).status).toBe(404);
    expect((await ask("GET", "/nodes/a")).body.properties).toEqual({ n: 42 });
  });

  it("HT-2 preconditions that do not hold answer 412 and change nothing (FC-153)", async () => {
    await ask("PUT", "/nodes/a", { properties: { n: 0 } });
    const writes = [1, 2, 3].map((n) =>
      ask("PUT", "/nodes/a", { properties: { n } }, { "if-match": '"1"' }),
    );
    const statuses = (await Promise.all(writes)).map(({ status }) => status).sort();
    expect(statuses).toEqual([200, 412, 412]);
    const again = await ask("PUT", "/nodes/a", {}, { "if-none-match": "*" });
    expect(again).toMatchObject({ status: 412, body: { code: "VERSION_MISMATCH" } });
    expect((await ask("PUT", "/nodes/b", {}, { "if-match": "*" })).status).toBe(412);
    expect((await ask("PUT", "/nodes/b", {}, { "if-match": 'W/"1"' })).status).toBe(400);
    const etag = (await ask("GET", "/nodes/a")).headers.get("etag")!;
    expect((await ask("GET", "/nodes/a", undefined, { "if-none-match": etag })).status).toBe(304);
  });

  it("HT-3 ids of any characters work when percent-encoded", async () => {
    for (const id of ["a/b", "ü ñ", "%", "?#&", "日本", "..", "a".repeat(400)]) {
      const path = `/nodes/${id === ".." ? "%2E%2E%2F" : encodeURIComponent(id)}`;
      expect((await ask("PUT", path, {})).status).toBe(201);
      expect((await ask("GET", path)).body.id).toBe(id === ".." ? "../" : id);
    }
    expect(await ask("GET", "/nodes/%E0%A4%A")).toMatchObject({
      status: 400,
      body: { code: "INVALID", field: "path" },
    });
  });

  it("HT-4 a page is found by label and properties, and goes on at its cursor", async () => {
    const commands = [1, 2, 3, 4].map((n) => ({
      op: "put_node",
      id: `n${n}`,
      labels: ["L"],
      properties: { even: n % 2 === 0, n, text: `${n}` },
    }));
    await ask("POST", "/commands", { commands });
    const even = await ask("GET", "/nodes?label=L&where.even=true");
    expect((even.body.items as { id: string }[]).map(({ id }) => id)).toEqual(["n2", "n4"]);
    expect((await ask("GET", "/nodes?where.text=1")).body.items).toEqual([]);
    expect((await ask("GET", "/nodes?where.text=%221%22")).body.items).toHaveLength(1);
    expect((await ask("GET", "/nodes?where.n=1&where.n=2")).body.items).toEqual([]);
    const page = await ask("GET", "/nodes?label=L&limit=3");
    const rest = await ask("GET", `/nodes?label=L&limit=3&cursor=${page.body.cursor}`);
    expect(rest.body.items).toHaveLength(1);
    expect(rest.body.cursor).toBeUndefined();
    expect((await ask("GET", "/nodes/n1/edges?direction=out")).body.items).toEqual([]);
    expect((await ask("GET", "/nodes/none/edges")).status).toBe(404);
    expect((await ask("GET", "/counts")).body).toEqual({ nodes: 4, edges: 0 });
  });

  it("HT-5 a batch is all or nothing, and an idempotency key is applied once (FC-155)", async () => {
    const put = { op: "put_node", id: "a" };
    const bad = { op: "put_edge", id: "e", from: "a", to: "none", type: "T" };
    expect((await ask("POST", "/commands", { commands: [put, bad] })).status).toBe(409);
    expect((await ask("GET", "/nodes/a")).status).toBe(404);
    const key = { "idempotency-key": "once" };
    const first = await ask("POST", "/commands", { commands: [put] }, key);
    const again = await ask("POST", "/commands", { commands: [put] }, key);
    expect(again.body).toMatchObject({ results: first.body.results, receipt: { replayed: true } });
    const both = await ask("POST", "/commands", { requestId: "other", commands: [put] }, key);
    expect(both).toMatchObject({ status: 400, body: { field: "requestId" } });
    const index = { op: "create_index", label: "L", property: "p" };
    await ask("POST", "/commands", { commands: [index] });
    expect((await ask("GET", "/indexes")).body.items).toEqual([{ label: "L", property: "p" }]);
  });
});

describe("bad requests", () => {
  it("HT-6 bad input is 400, names its field, and the server goes on (FC-164, FC-175, FC-189)", async () => {
    const deep = `{"properties":{"x":${"[".repeat(200_000)}${"]".repeat(200_000)}}}`;
    const cases: [string, string, unknown, string][] = [
      ["PUT", "/nodes/a", "{", "body"],
      ["PUT", "/nodes/a", "[]", "body"],
      ["PUT", "/nodes/a", deep, "body"],
      ["PUT", "/nodes/a", '{"properties":{"__proto__":1}}', "properties.__proto__"],
      ["PUT", "/nodes/a", '{"__proto__":{}}', "__proto__"],
      ["PUT", "/nodes/a%00b", {}, "id"],
      ["PUT", "/nodes/a", { label: [] }, "label"],
      ["POST", "/commands", { commands: [{ op: "no" }] }, "commands[0].op"],
      ["GET", "/nodes?lable=x", undefined, "lable"],
      ["GET", "/nodes?limit=0", undefined, "limit"],
      ["GET", "/nodes/a?after=zzz", undefined, "after"],
      ["GET", "/nodes/a?consistency=most", undefined, "consistency"],
      ["PUT", "/nodes/a?timeout=5", {}, "timeout"],
    ];
    for (const [method, path, body, field] of cases) {
      const answer = await ask(method, path, body);
      expect([path, answer.status, answer.body.code, answer.body.field]).toEqual([
        path,
        400,
        "INVALID",
        field,
      ]);
      expect(answer.headers.get("content-type")).toContain("application/problem+json");
    }
    expect((await ask("GET", "/nodes?lable=x")).body.hint).toBe("did you mean label?");
    const type = await ask("PUT", "/nodes/a", "{}", { "content-type": "text/plain" });
    expect(type).toMatchObject({ status: 400, body: { field: "content-type" } });
    expect((await ask("GET", "/nothing")).status).toBe(404);
    expect((await ask("POST", "/nodes/a", {})).body.hint).toBe("it takes GET, PUT, PATCH, DELETE");
    expect((await ask("GET", "/livez")).status).toBe(200);
  });

  it("HT-6 a body over the limit is 413 (FC-164)", async () => {
    await serve({ http: { bodyBytesMax: 1000 } });
    const answer = await ask("PUT", "/nodes/a", { properties: { x: "y".repeat(2000) } });
    expect(answer).toMatchObject({ status: 413, body: { code: "TOO_LARGE" } });
  });

  it("HT-7 a client that resets, or speaks no HTTP, harms nobody (FC-182)", async () => {
    const broken = connect(port, "127.0.0.1");
    broken.end("nonsense\r\n\r\n");
    const [answer] = (await once(broken, "data")) as [Buffer];
    expect(answer.toString()).toContain("400");
    const release = replicator.hold();
    const gone = connect(port, "127.0.0.1");
    gone.on("error", () => {});
    gone.write("PUT /nodes/a HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n");
    gone.write("content-length: 2\r\n\r\n{}");
    while (service.admission.requests === 0) await new Promise(setImmediate);
    gone.resetAndDestroy();
    while (service.admission.requests > 0) await new Promise(setImmediate);
    release();
    expect((await ask("GET", "/livez")).status).toBe(200);
  });

  it("HT-8 errors carry code, outcome, retry and leader; redirect answers 307 (FC-154)", async () => {
    replicator.refuse = new ReplicationError("NOT_LEADER", "n2 leads", {
      leader: { id: "n2" as never, address: "n2:7688" },
      retryAfterMs: 1500,
    });
    const refused = await ask("PUT", "/nodes/a", {});
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("2");
    expect(refused.body).toMatchObject({
      code: "NOT_LEADER",
      outcome: "not_applied",
      leader: { id: "n2", http: "http://n2.example:7474" },
    });
    const redirected = await ask("PUT", "/nodes/a?redirect=true", {});
    expect(redirected.status).toBe(307);
    expect(redirected.headers.get("location")).toBe("http://n2.example:7474/nodes/a");
    replicator.refuse = undefined;
    replicator.picture = { isLeader: false, leaderId: "n2" as never };
    expect((await ask("PUT", "/nodes/a?redirect=true", {})).status).toBe(307);
    expect((await ask("PUT", "/nodes/a", {})).status).toBe(201);
    replicator.picture = { isLeader: false, leaderId: "n3" as never };
    expect((await ask("PUT", "/nodes/b?redirect=true", {})).status).toBe(201);
    replicator.picture = {};
    replicator.refuse = new ReplicationError("COMMIT_UNKNOWN", "nobody knows");
    const unknown = await ask("PUT", "/nodes/a", {});
    expect(unknown).toMatchObject({ status: 504, body: { outcome: "unknown" } });
  });

  it("HT-8 a redirect leads one step on and never to the node itself (FC-151)", async () => {
    replicator.picture = { isLeader: false, leaderId: "n2" as never };
    const { status, headers } = await ask("PUT", "/nodes/a%20b?redirect=true&timeout=2s", {});
    expect(status).toBe(307);
    const location = headers.get("location") as string;
    expect(location).toBe("http://n2.example:7474/nodes/a%20b?timeout=2s");
    const there = await ask("PUT", location.slice("http://n2.example:7474".length), {});
    expect(there).toMatchObject({ status: 201, body: { id: "a b" } });
    replicator.picture = { isLeader: false, leaderId: "n1" as never };
    expect((await ask("PUT", "/nodes/c?redirect=true", {})).status).toBe(201);
  });
});

describe("streams", () => {
  it("HT-9 changes come once and in order, in both formats, and resume (FC-157)", async () => {
    for (const id of ["a", "b", "c"]) await ask("PUT", `/nodes/${id}`, {});
    const lines = (await ask("GET", "/changes?after=1&follow=false")).body.text as string;
    const indexes = lines
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).index);
    expect(indexes).toEqual([2, 3]);
    const headers = { accept: "text/event-stream", "last-event-id": "2" };
    const events = (await ask("GET", "/changes?follow=false", undefined, headers)).body.text;
    expect(events).toMatch(/^id: 3\nevent: change\ndata: \{.*\}\n\n$/);
  });

  it("HT-9 a waiting stream gets a change as it happens, and ends when the server closes", async () => {
    const response = await fetch(`${base}/changes`);
    const reader = response.body!.getReader();
    await ask("PUT", "/nodes/a", {});
    const { value } = await reader.read();
    expect(JSON.parse(Buffer.from(value!).toString())).toMatchObject({ index: 1 });
    const closed = server.close();
    expect((await reader.read()).done).toBe(true);
    await closed;
  });

  it("HT-10 /events tells the state, then each event; other origins are refused", async () => {
    const client = new WebSocket(`ws://127.0.0.1:${port}/events`);
    const [hello] = (await once(client, "message")) as [Buffer];
    expect(JSON.parse(hello.toString())).toMatchObject({ kind: "state_now" });
    replicator.tell({ kind: "leader", leaderId: null, term: 2 as never, at: 5 });
    const [event] = (await once(client, "message")) as [Buffer];
    expect(JSON.parse(event.toString())).toEqual({
      kind: "leader",
      leaderId: null,
      term: 2,
      at: 5,
    });
    const closed = once(client, "close");
    await server.close();
    expect((await closed)[0]).toBe(1001);
    await serve();
    const foreign = new WebSocket(`ws://127.0.0.1:${port}/events`, {
      origin: "http://evil.example",
    });
    const [error] = (await once(foreign, "error")) as [Error];
    expect(error.message).toContain("403");
  });
});

describe("health and operations", () => {
  it("HT-11 health, probes and balancer routes follow the node's state", async () => {
    const statuses = async (...paths: string[]) =>
      Promise.all(paths.map(async (path) => (await ask("GET", path)).status));
    const all = ["/health", "/livez", "/readyz", "/startupz", "/primary", "/leader", "/read-only"];
    expect(await statuses(...all)).toEqual(all.map(() => 200));
    expect(await statuses("/replica", "/sync")).toEqual([503, 503]);
    replicator.picture = { state: "read_only", reason: "the disk is full" };
    expect(await statuses("/readyz", "/readyz/disk", "/readyz?exclude=disk")).toEqual([
      503, 503, 200,
    ]);
    expect(await statuses("/primary", "/read-only", "/livez")).toEqual([503, 200, 200]);
    const text = (await ask("GET", "/readyz?verbose")).body.text;
    expect(text).toContain("[-] disk failed: the disk is full");
    replicator.picture = { isLeader: false, role: "standby", inSync: true, lagEntries: 5 };
    expect(await statuses("/replica?lag=5", "/replica?lag=4", "/sync")).toEqual([200, 503, 200]);
    expect((await ask("GET", "/health")).body).toMatchObject({
      status: "ok",
      replication: { mode: "standalone", node_id: "n1", lag_entries: 5, peers: [] },
    });
    expect((await ask("GET", "/metrics")).body.text).toContain("nornicdb_raft_term");
    replicator.picture = { isLeader: false, leaderId: null, role: "follower" };
    expect(await statuses("/replica", "/read-only", "/readyz/leader")).toEqual([503, 200, 503]);
  });

  it("HT-12 members are told with what each has, and what nobody here knows is null", async () => {
    const follower = { healthy: true, state: "replicate", lastContactMs: 5 };
    const peers = [
      { ...follower, id: "n2", address: "h:2", role: "follower", lag: 0 },
      { ...follower, id: "n3", address: "h:3", role: "learner", lag: null, healthy: false },
    ];
    replicator.picture = { peers, address: "h:1", leaderAddr: "h:1", role: "leader" };
    await ask("PUT", "/nodes/a", {});
    const status = await ask("GET", "/cluster/status");
    expect(status.body).toMatchObject({
      leader: { id: "n1", address: "h:1" },
      as_seen_by: "n1",
      write_outage: false,
      members: [
        { id: "n1", address: "h:1", role: "leader", match_index: 1, lag: 0 },
        { id: "n2", address: "h:2", role: "follower", match_index: 1, lag: 0 },
        { id: "n3", role: "learner", healthy: false, match_index: null, lag: null },
      ],
    });
    expect((await ask("GET", "/cluster/health")).status).toBe(503);
    const lag = (await ask("GET", "/admin/replication/lag")).body;
    expect(lag).toMatchObject({
      lag_entries: 0,
      peers: [{ lag_entries: 0 }, { lag_entries: null }],
    });
    replicator.picture = { leaderId: null };
    expect((await ask("GET", "/cluster/status")).body).toMatchObject({
      leader: null,
      write_outage: true,
    });
  });

  it("HT-12 operator reads answer; what the mode lacks is a clear conflict", async () => {
    await ask("PUT", "/nodes/a", {});
    for (const path of [
      "/cluster/status",
      "/cluster/nodes",
      "/cluster/health",
      "/admin/cluster/status",
      "/admin/raft/state",
      "/admin/replication/lag",
      "/admin/wal/position",
      "/admin/history",
    ]) {
      expect([path, (await ask("GET", path)).status]).toEqual([path, 200]);
    }
    expect((await ask("GET", "/admin/history")).body.failovers).toEqual([]);
    expect((await ask("POST", "/admin/verify")).body).toMatchObject({ equal: true, shards: 1024 });
    const add = await ask("POST", "/admin/cluster/add", { node_id: "n2", address: "x:1" });
    expect(add).toMatchObject({
      status: 409,
      body: { code: "CONFLICT", detail: 'mode standalone has no "add member"' },
    });
    expect((await ask("GET", "/admin/conflicts")).status).toBe(409);
    const snapshot = await fetch(`${base}/admin/snapshot`);
    expect(snapshot.headers.get("nornic-snapshot-index")).toBe("1");
    expect((await snapshot.arrayBuffer()).byteLength).toBeGreaterThan(0);
  });

  it("HT-13 the API describes itself as OpenAPI 3.1, every route with its parameters", async () => {
    const { body } = await ask("GET", "/openapi.json");
    expect(body.openapi).toBe("3.1.0");
    const paths = body.paths as Record<string, Record<string, { parameters?: { name: string }[] }>>;
    expect(Object.keys(paths)).toContain("/nodes/{id}");
    const names = paths["/nodes"]!.get!.parameters!.map(({ name }) => name);
    expect(names).toContain("where.KEY");
    expect(JSON.stringify(body)).toContain("#/components/schemas/Problem");
  });

  it("HT-14 credentials are asked for everywhere but on health, and guessing ends (FC-171)", async () => {
    await serve({ authentication: "neo:secret" });
    const basic = (password: string) => ({
      authorization: `Basic ${Buffer.from(`neo:${password}`).toString("base64")}`,
    });
    const none = await ask("PUT", "/nodes/a", {});
    expect(none).toMatchObject({ status: 401, body: { code: "UNAUTHENTICATED" } });
    expect(none.headers.get("www-authenticate")).toContain("Basic");
    expect((await ask("GET", "/livez")).status).toBe(200);
    expect((await ask("PUT", "/nodes/a", {}, basic("secret"))).status).toBe(201);
    const statuses = [];
    for (let guess = 0; guess < 11; guess += 1) {
      statuses.push((await ask("GET", "/nodes/a", undefined, basic(`no${guess}`))).status);
    }
    expect(statuses).toEqual([...Array(10).fill(401), 429]);
  });
});

describe("closing", () => {
  it("HT-15 what is under way is answered before the server closes (FC-156)", async () => {
    const release = replicator.hold();
    const write = ask("PUT", "/nodes/a", {});
    while (service.admission.requests === 0) await new Promise(setImmediate);
    const closed = server.close();
    expect(server.close()).toBe(closed);
    release();
    expect((await write).status).toBe(201);
    await closed;
    await expect(ask("GET", "/livez")).rejects.toThrow();
  });

  it("HT-15 at the end of the drain what still waits is answered as unknown (FC-156, FC-192)", async () => {
    await serve({ http: { drainMs: 1, cutMs: 10_000 } });
    replicator.hold();
    const write = ask("PUT", "/nodes/a", {});
    while (service.admission.requests === 0) await new Promise(setImmediate);
    await server.close();
    expect(await write).toMatchObject({ status: 504, body: { outcome: "unknown" } });
    expect(service.admission.requests).toBe(0);
  });
});
