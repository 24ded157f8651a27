import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { parseRegionId, type RegionId } from "../../base/index.js";
import { silentLogger } from "../../runtime/index.js";
import { systemClock, systemTimers } from "../../runtime/node/index.js";
import { createTestService, type DirectReplicator } from "../../service/testing.js";
import { encodeRegionOperation, openRegionStorage } from "../../storage/index.js";
import { createHttpServer, type HttpServer } from "./index.js";

const [EU, US] = ["eu", "us"].map((name) => parseRegionId(name)) as [RegionId, RegionId];
const folders: string[] = [];
const open: (() => PromiseLike<void>)[] = [];
let replicator: DirectReplicator;
let base: string;
let told: number;

beforeEach(async () => {
  told = 0;
  const folder = mkdtempSync(join(tmpdir(), "conflicts-"));
  folders.push(folder);
  const storage = await openRegionStorage({ path: join(folder, "graph.db") });
  const world = createTestService({ clock: systemClock, timers: systemTimers }, {}, storage);
  replicator = world.replicator;
  const server: HttpServer = await createHttpServer({
    service: world.service,
    address: { host: "127.0.0.1", port: 0 },
    timers: systemTimers,
    logger: silentLogger,
    metricsText: () => "",
    httpOf: () => undefined,
    findHttp: () => undefined,
  });
  const { port } = await server.listen();
  base = `http://127.0.0.1:${port}`;
  open.push(
    () => server.close(),
    async () => storage.close(),
  );
  const settings = { self: EU, others: [US], strategy: "manual", driftMsMax: 1_000 } as const;
  await replicator.apply(encodeRegionOperation({ op: "settle", settings }));
});
afterEach(async () => {
  for (const close of open.splice(0)) await close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

interface Body {
  readonly conflicts: readonly { readonly id: string; readonly key: string }[];
  readonly after?: string;
  readonly code?: string;
  readonly field?: string;
  readonly properties?: unknown;
}

async function ask(method: string, path: string, body?: unknown, key?: string) {
  const response = await fetch(base + path, {
    method,
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(key === undefined ? {} : { "idempotency-key": key }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Body };
}

/** The other region writes `value` to `x` of the node, in knowledge of nothing that was done here. */
async function there(id: string, value: string): Promise<void> {
  told += 1;
  const text = JSON.stringify({
    origin: US,
    seq: told,
    clock: [1, told],
    seen: [],
    things: [{ key: `n:${id}`, life: true, fresh: true, put: [["x", value]] }],
    closed: [],
  });
  const contains = new Map([[US, told]]);
  const receive = { op: "receive", from: US, upTo: told, contains, texts: [text] } as const;
  await replicator.apply(encodeRegionOperation(receive));
}

async function disagree(id: string): Promise<void> {
  await ask("PUT", `/nodes/${encodeURIComponent(id)}`, { properties: { x: "eu" } });
  await there(id, "us");
}

const place = (id: string) => `/admin/conflicts/${encodeURIComponent(id)}`;

it("HT-20 MR-21 conflicts are listed in pages, shown, and gone once they are resolved", async () => {
  for (const id of ["a", "b/c?", "d"]) await disagree(id);
  const first = await ask("GET", "/admin/conflicts?limit=2");
  expect(first).toMatchObject({
    status: 200,
    body: { conflicts: [{ key: "n:a" }, { key: "n:b/c?" }], after: "n:b/c?" },
  });
  const rest = await ask("GET", `/admin/conflicts?after=${encodeURIComponent("n:b/c?")}`);
  expect(rest.body.conflicts).toMatchObject([{ key: "n:d" }]);
  expect(rest.body.after).toBeUndefined();
  const id = first.body.conflicts[1]?.id as string;
  expect(await ask("GET", place(id))).toEqual({ status: 200, body: first.body.conflicts[1] });

  const choice = { keep: "loser", origin: "us", seq: 2 };
  const resolved = await ask("POST", `${place(id)}/resolve`, choice, "once");
  expect(resolved).toMatchObject({ status: 200, body: { id, receipt: { replayed: false } } });
  const again = await ask("POST", `${place(id)}/resolve`, choice, "once");
  expect(again).toMatchObject({ status: 200, body: { id, receipt: { replayed: true } } });
  expect((await ask("GET", "/nodes/b%2Fc%3F")).body.properties).toEqual({ x: "us" });
  const open = await ask("GET", "/admin/conflicts?state=open");
  expect(open.body.conflicts.map(({ key }) => key)).toEqual(["n:a", "n:d"]);
  const ended = await ask("GET", "/admin/conflicts?state=ended");
  expect(ended.body.conflicts).toMatchObject([{ id, how: "resolved", endedBy: { origin: EU } }]);
  expect((await ask("GET", place(id))).body).toEqual(ended.body.conflicts[0]);
});

it("HT-20 the winner is kept, or a value takes the place of all", async () => {
  for (const id of ["a", "b"]) await disagree(id);
  const { conflicts } = (await ask("GET", "/admin/conflicts")).body;
  const choices = [{ keep: "winner" }, { value: [1, 2] }];
  for (const [at, { id }] of conflicts.entries()) {
    await ask("POST", `${place(id)}/resolve`, choices[at]);
  }
  expect((await ask("GET", "/nodes/a")).body.properties).toEqual({ x: "eu" });
  expect((await ask("GET", "/nodes/b")).body.properties).toEqual({ x: [1, 2] });
});

it("HT-20 what no conflict offers is refused with the field, and nothing is written", async () => {
  await disagree("a");
  const [conflict] = (await ask("GET", "/admin/conflicts")).body.conflicts;
  const id = conflict?.id as string;
  const problem = async (body: unknown) => {
    const answer = await ask("POST", `${place(id)}/resolve`, body);
    return [answer.status, answer.body.code, answer.body.field ?? ""];
  };
  expect(await problem({})).toEqual([400, "INVALID", "keep"]);
  expect(await problem({ keep: "both" })).toEqual([400, "INVALID", "keep"]);
  expect(await problem({ keep: "winner", value: 1 })).toEqual([400, "INVALID", "keep"]);
  expect(await problem({ keep: "loser", seq: 1 })).toEqual([400, "INVALID", "origin"]);
  expect(await problem({ keep: "loser", origin: "us" })).toEqual([400, "INVALID", "seq"]);
  expect(await problem({ keep: "loser", origin: "us", seq: 9 })).toEqual([400, "INVALID", ""]);
  expect(await problem({ keep: "winner", strategy: 1 })).toEqual([400, "INVALID", "strategy"]);
  const gone = await ask("POST", `${place("n:a/property:y/eu:1")}/resolve`, { keep: "winner" });
  expect(gone).toMatchObject({ status: 404, body: { code: "NOT_FOUND" } });
  expect((await ask("GET", place("n:a"))).status).toBe(404);
  for (const query of ["limit=0", "limit=1001", "limit=x", "state=closed", "before=1"]) {
    expect((await ask("GET", `/admin/conflicts?${query}`)).status).toBe(400);
  }
  expect((await ask("GET", "/admin/conflicts")).body.conflicts).toHaveLength(1);
});
