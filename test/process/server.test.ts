import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, readChanges } from "./support/ask.js";
import { documentedMetrics, shownMetrics } from "./support/metrics.js";
import { type Nornicd, startNornicd } from "./support/nornicd.js";

interface Change {
  readonly index: number;
  readonly requestId: string;
}

const folder = mkdtempSync(path.join(tmpdir(), "nornicd-server-"));
const running = new Set<Nornicd>();

async function start(dataDir: string, environment: Record<string, string> = {}) {
  const server = await startNornicd({ dataDir: path.join(folder, dataDir), environment });
  running.add(server);
  void server.exited.then(() => running.delete(server));
  return server;
}

afterAll(async () => {
  await Promise.all([...running].map((server) => server.kill("SIGKILL")));
  rmSync(folder, { recursive: true });
});

describe("a server", () => {
  let server: Nornicd;
  let url: string;
  beforeAll(async () => {
    server = await start("shared");
    ({ url } = server);
  });

  it("HT-1 creates, reads, patches and deletes nodes and edges", async () => {
    const node = { labels: ["Person"], properties: { name: "Ada" } };
    const created = await ask(`${url}/nodes/ada`, "PUT", node);
    expect(created.status).toBe(201);
    expect(created.body.receipt).toMatchObject({ durability: "local", replayed: false });
    expect((await ask(`${url}/nodes/ada`)).body).toEqual({ id: "ada", ...node, version: 1 });
    await ask(`${url}/nodes/ada`, "PATCH", { properties: { born: 1815, name: null } });
    expect((await ask(`${url}/nodes/ada`)).body.properties).toEqual({ born: 1815 });
    await ask(`${url}/nodes/bob`, "PUT", {});
    const edge = { from: "ada", to: "bob", type: "KNOWS" };
    expect((await ask(`${url}/edges/e`, "PUT", edge)).status).toBe(201);
    expect((await ask(`${url}/nodes/ada/edges?direction=out`)).body.items).toHaveLength(1);
    expect((await ask(`${url}/nodes/ada`, "DELETE")).body.code).toBe("CONFLICT");
    expect((await ask(`${url}/nodes/ada?detach=true`, "DELETE")).status).toBe(200);
    expect((await ask(`${url}/edges/e`)).status).toBe(404);
  });

  it("HT-2 of several conditional writes on one version exactly one succeeds (FC-153)", async () => {
    const etag = (await ask(`${url}/nodes/once`, "PUT", {})).headers.get("etag") as string;
    const writes = [1, 2, 3, 4].map((n) =>
      ask(`${url}/nodes/once`, "PUT", { properties: { n } }, { "if-match": etag }),
    );
    const statuses = (await Promise.all(writes)).map(({ status }) => status).sort();
    expect(statuses).toEqual([200, 412, 412, 412]);
    const exists = await ask(`${url}/nodes/once`, "PUT", {}, { "if-none-match": "*" });
    expect(exists.body).toMatchObject({ code: "VERSION_MISMATCH", outcome: "not_applied" });
  });

  it("HT-6 HT-8 bad requests of every kind are problems with a name, and the process stays (FC-164, FC-175, FC-189)", async () => {
    const deep = `{"properties":{"x":${"[".repeat(200_000)}${"]".repeat(200_000)}}}`;
    const huge = `{"properties":{"x":"${"y".repeat(17 * 1024 * 1024)}"}}`;
    const id = "a".repeat(5000);
    const cases: readonly [string, string, string | object | undefined, number][] = [
      ["PUT", "/nodes/a", deep, 400],
      ["PUT", "/nodes/a", huge, 413],
      ["PUT", "/nodes/a", '{"properties":{"__proto__":{"x":1}}}', 400],
      ["PUT", "/nodes/a", '{"constructor":{"prototype":{"x":1}}}', 400],
      ["PUT", "/nodes/a%00b", {}, 400],
      ["PUT", "/nodes/a", '{"properties":{"k\\u0000":1}}', 400],
      ["PUT", `/nodes/${id}`, {}, 400],
      ["PUT", "/nodes/a", "{", 400],
      ["POST", "/commands", { commands: [{ op: "drop_everything" }] }, 400],
      ["GET", "/nodes?limit=many", undefined, 400],
      ["GET", "/nothing", undefined, 404],
      ["DELETE", "/nodes/none", undefined, 404],
    ];
    for (const [method, at, body, status] of cases) {
      const answer = await ask(url + at, method, body);
      const name = `${method} ${at.slice(0, 30)}`;
      expect([name, answer.status]).toEqual([name, status]);
      expect(answer.headers.get("content-type")).toContain("application/problem+json");
      expect(answer.body).toMatchObject({ status, outcome: "not_applied" });
      expect(answer.body.type).toBe(`urn:nornicdb:error:${answer.body.code}`);
    }
    expect((await ask(`${url}/nodes?lable=x`)).body.hint).toBe("did you mean label?");
    expect(({} as Record<string, unknown>).x).toBeUndefined();
    expect((await ask(`${url}/readyz`)).status).toBe(200);
    expect(server.process.exitCode).toBeNull();
  });

  it("a read at a bookmark sees the write; one of the future is LAGGING, not an old value (FC-081)", async () => {
    const written = await ask(`${url}/nodes/marked`, "PUT", { properties: { n: 1 } });
    const bookmark = written.headers.get("nornic-bookmark") as string;
    const read = await ask(`${url}/nodes/marked?after=${bookmark}`);
    expect(read.body.properties).toEqual({ n: 1 });
    const [name, index, term] = bookmark.split(":");
    const future = `${name}:${Number.parseInt(index as string, 36) + 1000}:${term}`;
    const early = await ask(`${url}/nodes/marked?after=${future}&timeout=100ms`);
    expect([early.status, early.body.code]).toEqual([503, "LAGGING"]);
    expect(early.headers.get("retry-after")).not.toBeNull();
  });

  it("changes under load come each once and in order, also over cut streams (FC-157)", async () => {
    const from = (await ask(`${url}/health`)).body.replication.applied_index as number;
    const [writers, each] = [16, 60];
    const sent = new Set<string>();
    const write = async (writer: number) => {
      for (let n = 0; n < each; n += 1) {
        const key = `load-${writer}-${n}`;
        sent.add(key);
        const body = { properties: { n } };
        const answer = await ask(`${url}/nodes/load-${writer}`, "PUT", body, {
          "idempotency-key": key,
        });
        expect(answer.status).toBeLessThan(300);
      }
    };
    const seen: Change[] = [];
    const follow = async () => {
      let [after, cuts] = [from, 0];
      while (seen.length < writers * each) {
        const headers = cuts % 2 === 0 ? {} : { accept: "text/event-stream" };
        let [taken, wanted] = [0, 40 + cuts * 7];
        await readChanges<Change>(`${url}/changes?after=${after}`, headers, (change) => {
          seen.push(change);
          after = change.index;
          taken += 1;
          return taken === wanted || seen.length === writers * each;
        });
        cuts += 1;
      }
    };
    await Promise.all([follow(), ...Array.from({ length: writers }, (_, at) => write(at))]);
    const indexes = seen.map(({ index }) => index);
    expect(indexes).toEqual([...new Set(indexes)].sort((a, b) => a - b));
    expect(new Set(seen.map(({ requestId }) => requestId))).toEqual(sent);
  });

  it("text that looks like a statement stays text, wherever a client may put it (FC-177)", async () => {
    const text = `x'); DROP TABLE nodes; --"\u2019`;
    const commands = [
      { op: "put_node", id: text, labels: [text], properties: { [text]: text } },
      { op: "create_index", label: text, property: text },
      { op: "put_edge", id: text, from: text, to: text, type: text },
    ];
    expect((await ask(`${url}/commands`, "POST", { commands })).status).toBe(200);
    const query = new URLSearchParams({ label: text, [`where.${text}`]: text });
    const { items } = (await ask(`${url}/nodes?${query}`)).body;
    expect(items).toMatchObject([{ id: text, labels: [text], properties: { [text]: text } }]);
    const at = encodeURIComponent(text);
    expect((await ask(`${url}/nodes/${at}/edges?type=${at}`)).body.items).toHaveLength(1);
    expect((await ask(`${url}/admin/verify`, "POST")).body.equal).toBe(true);
  });

  it("a page never shows half of a batch (FC-082, FC-155)", async () => {
    const put = (id: string, n: number) => ({
      op: "put_node",
      id,
      labels: ["Pair"],
      properties: { n },
    });
    let writing = true;
    const write = async () => {
      for (let n = 0; n < 150; n += 1) {
        await ask(`${url}/commands`, "POST", { commands: [put("pair-a", n), put("pair-z", n)] });
      }
      writing = false;
    };
    const seen = new Set<number>();
    const read = async () => {
      while (writing) {
        const { items } = (await ask(`${url}/nodes?label=Pair`)).body;
        const values = items.map((node: { properties: { n: number } }) => node.properties.n);
        expect(values.length === 0 || values[0] === values[1]).toBe(true);
        if (values.length > 0) seen.add(values[0]);
      }
    };
    await Promise.all([write(), read(), read()]);
    expect(seen.size).toBeGreaterThan(1);
  });

  it("HT-13 /openapi.json is OpenAPI 3.1 whose references resolve, and has every documented route", async () => {
    const { body } = await ask(`${url}/openapi.json`);
    expect(body.openapi).toBe("3.1.0");
    expect(body.info).toMatchObject({ title: expect.any(String), version: expect.any(String) });
    const references = [...JSON.stringify(body).matchAll(/"\$ref":"([^"]+)"/g)].map(([, to]) => to);
    expect(references.length).toBeGreaterThan(0);
    for (const reference of new Set(references)) {
      const parts = (reference as string).replace(/^#\//, "").split("/");
      const found = parts.reduce((at, part) => at?.[part.replace(/~1/g, "/")], body);
      expect([reference, typeof found]).toEqual([reference, "object"]);
    }
    for (const [at, operations] of Object.entries<object>(body.paths)) {
      const placeholders = [...at.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      for (const operation of Object.values(operations)) {
        expect(Object.keys(operation.responses).length).toBeGreaterThan(0);
        const declared = ((operation.parameters ?? []) as { in: string; name: string }[])
          .filter((parameter) => parameter.in === "path")
          .map(({ name }) => name);
        expect([at, declared]).toEqual([at, placeholders]);
      }
    }
    const methods = Object.entries<object>(body.paths).flatMap(([at, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${at}`),
    );
    expect(methods).toEqual(expect.arrayContaining(ROUTES));
  });

  it("/readyz?verbose names its checks, one can be asked alone, an unknown one is refused", async () => {
    const { text } = await ask(`${url}/readyz?verbose`);
    expect(text).toBe("[+] loop ok\n[+] storage ok\n[+] log ok\n[+] disk ok\n[+] leader ok\n");
    expect((await ask(`${url}/readyz/log`)).status).toBe(200);
    const unknown = await ask(`${url}/readyz/lgo`);
    expect([unknown.status, unknown.body.code]).toEqual([400, "INVALID"]);
  });

  it("/metrics has what a node alone can know, with values that follow what happened", async () => {
    const value = (text: string, name: string) =>
      Number(
        text
          .split("\n")
          .find((line) => line.startsWith(`${name} `))
          ?.split(" ")[1],
      );
    const before = (await ask(`${url}/metrics`)).text;
    expect(METRICS).toContain("nornicdb_wal_batch_entries");
    expect(METRICS.filter((name) => !shownMetrics(before).includes(name))).toEqual([]);
    expect(shownMetrics(before).filter((name) => !METRICS.includes(name))).toEqual([]);
    for (let n = 0; n < 5; n += 1) await ask(`${url}/nodes/metric`, "PUT", { properties: { n } });
    await ask(`${url}/nodes/metric`, "PUT", "{");
    const after = (await ask(`${url}/metrics`)).text;
    const grown = (name: string) => value(after, name) - value(before, name);
    expect(grown("nornicdb_replication_commit_index")).toBe(5);
    expect(grown("nornicdb_wal_position")).toBe(5);
    expect(grown('nornicdb_proposals_total{outcome="applied"}')).toBe(5);
    expect(grown("nornicdb_commit_duration_seconds_count")).toBe(5);
    expect(after).toContain('nornicdb_replication_mode{mode="standalone"} 1');
  });
});

describe("a server that is started again", () => {
  it("keeps what it acknowledged before kill -9 (FC-008, FC-190)", async () => {
    const first = await start("killed");
    const acknowledged = new Set<string>();
    const write = async (writer: number) => {
      for (let n = 0; ; n += 1) {
        const id = `k${writer}-${n}`;
        const answer = await ask(`${first.url}/nodes/${id}`, "PUT", {}).catch(() => undefined);
        if (answer?.status !== 201) return;
        acknowledged.add(id);
        if (acknowledged.size === 300) first.process.kill("SIGKILL");
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, at) => write(at)));
    const second = await start("killed");
    expect(acknowledged.size).toBeGreaterThanOrEqual(300);
    const found = (await ask(`${second.url}/nodes?limit=10000`)).body.items as { id: string }[];
    const there = new Set(found.map(({ id }) => id));
    expect([...acknowledged].filter((id) => !there.has(id))).toEqual([]);
    expect((await ask(`${second.url}/admin/verify`, "POST")).body.equal).toBe(true);
    expect((await second.kill("SIGTERM")).code).toBe(0);
  });

  it("HT-5 applies a repeated idempotency key once, and resumes change streams (FC-144, FC-157)", async () => {
    const first = await start("again");
    const key = { "idempotency-key": "only-once" };
    const body = { properties: { n: 1 } };
    const before = await ask(`${first.url}/nodes/a`, "PUT", body, key);
    await ask(`${first.url}/nodes/b`, "PUT", {});
    const { node_id: nodeId } = (await ask(`${first.url}/health`)).body.replication;
    expect((await first.kill("SIGTERM")).code).toBe(0);

    const second = await start("again");
    expect((await ask(`${second.url}/health`)).body.replication.node_id).toBe(nodeId);
    const repeated = await ask(`${second.url}/nodes/a`, "PUT", body, key);
    expect(repeated.body).toEqual({
      ...before.body,
      receipt: { ...before.body.receipt, ...repeated.body.receipt, replayed: true },
    });
    expect((await ask(`${second.url}/nodes/a`)).body.version).toBe(1);
    const bookmark = before.headers.get("nornic-bookmark");
    expect((await ask(`${second.url}/nodes/a?after=${bookmark}`)).status).toBe(200);
    await ask(`${second.url}/nodes/c`, "PUT", {});
    const formats: readonly Record<string, string>[] = [
      {},
      { accept: "text/event-stream", "last-event-id": String(before.body.receipt.index) },
    ];
    for (const headers of formats) {
      const seen: (Change & { effects: { node: { id: string } }[] })[] = [];
      const after = before.body.receipt.index;
      await readChanges<(typeof seen)[0]>(
        `${second.url}/changes?after=${after}`,
        headers,
        (change) => seen.push(change) === 2,
      );
      expect(seen.map(({ effects }) => effects[0]?.node.id)).toEqual(["b", "c"]);
    }
    expect((await second.kill("SIGTERM")).code).toBe(0);
  });
});

const ROUTES = [
  ...["PUT", "GET", "PATCH", "DELETE"].map((method) => `${method} /nodes/{id}`),
  ...["PUT", "GET", "DELETE"].map((method) => `${method} /edges/{id}`),
  "GET /nodes",
  "GET /nodes/{id}/edges",
  "POST /commands",
  "GET /changes",
  ...["health", "livez", "readyz", "readyz/{check}", "startupz", "metrics"],
  ...["primary", "leader", "replica", "read-only", "sync"],
  ...["cluster/status", "cluster/nodes", "cluster/health", "admin/cluster/status"],
  ...["admin/raft/state", "admin/replication/lag", "admin/wal/position", "admin/history"],
  ...["admin/conflicts", "admin/salvage"],
  "POST /admin/promote",
  ...["add", "remove", "transfer-leadership"].map((name) => `POST /admin/cluster/${name}`),
  ...["step-down", "transfer-leadership", "snapshot"].map((name) => `POST /admin/raft/${name}`),
  "POST /admin/region/promote",
  "POST /admin/conflicts/{id}/resolve",
  "POST /admin/verify",
].map((route) => (route.includes(" ") ? route : `GET /${route}`));

/** Those that the page for operators tells of every node. */
const METRICS = documentedMetrics("Metrics");
