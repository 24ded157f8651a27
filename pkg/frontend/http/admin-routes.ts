import type { FastifyInstance } from "fastify";
import type { JsonValue } from "../../base/index.js";
import type { AdminAction } from "../../service/index.js";
import { sendJson } from "./answer.js";
import type { HttpContext } from "./context.js";
import { clusterStatus, members, raftState, replicationLag } from "./health-body.js";
import { text } from "./query.js";
import { single } from "./request-options.js";
import { addRoute, type Route } from "./route.js";
import { ANY, object, type Schema, WRITE_HEADERS } from "./schemas.js";
import { SlowStream } from "./slow-stream.js";
import { bodyMap, onlyFields } from "./write-answer.js";

const string: Schema = { type: "string" };
const reading = { method: "GET", need: "read", answers: { 200: ANY } } as const;

/** What operators ask and do: the cluster, the log, verification, snapshots. */
export function addAdminRoutes(app: FastifyInstance, context: HttpContext): void {
  const { service } = context;
  const tell = (url: string, summary: string, body: () => Promise<unknown>) =>
    addRoute(app, context, {
      ...reading,
      tag: url.startsWith("/admin") ? "admin" : "cluster",
      url,
      summary,
      handle: async ({ reply }) => sendJson(reply, 200, await body()),
    });
  const health = () => service.health();
  const cluster = () => service.clusterHealth();
  const status = async () => clusterStatus(await cluster());
  tell("/cluster/status", "Leader, members, term, commit index", status);
  tell("/admin/cluster/status", "Leader, members, term, commit index", status);
  tell("/cluster/nodes", "All members", async () => ({ members: members(await cluster()) }));
  tell("/admin/raft/state", "Term, role and indexes of this node", async () =>
    raftState(await health()),
  );
  tell("/admin/replication/lag", "How far this node and its peers are behind", async () =>
    replicationLag(await health(), await cluster()),
  );
  tell("/admin/wal/position", "The log's ends, and what the storage has of it", async () => {
    const { firstIndex, lastIndex, durableIndex, commitIndex } = await health();
    const { applied, durable } = await service.walPosition();
    return {
      first_index: firstIndex,
      last_index: lastIndex,
      durable_index: durableIndex,
      commit_index: commitIndex,
      applied,
      storage_durable: durable,
    };
  });
  const history = "Events of role, leader and state since the start; failovers also of before";
  tell("/admin/history", history, async () => ({
    failovers: await service.failovers(),
    events: service.history().map(({ sequence, event }) => ({ sequence, ...event })),
  }));
  addRoute(app, context, {
    ...reading,
    tag: "cluster",
    url: "/cluster/health",
    summary: "Whether every member is well",
    answers: { 200: ANY, 503: ANY },
    handle: async ({ reply }) => {
      const picture = await cluster();
      const all = members(picture);
      const healthy = picture.leaderId !== null && all.every((member) => member.healthy);
      sendJson(reply, healthy ? 200 : 503, { healthy, members: all });
    },
  });
  addVerification(app, context);
  addActions(app, context);
  addTexts(app, context);
}

function addVerification(app: FastifyInstance, context: HttpContext): void {
  addRoute(app, context, {
    method: "POST",
    tag: "admin",
    need: "admin",
    url: "/admin/verify",
    summary: "Compare the digest kept while applying with one computed from every row",
    problems: [409],
    answers: { 200: ANY },
    handle: async ({ reply }) => sendJson(reply, 200, await context.service.verify()),
  });
  addRoute(app, context, {
    ...reading,
    need: "admin",
    tag: "admin",
    url: "/admin/snapshot",
    summary: "A consistent copy of everything, as bytes that `restore` takes",
    problems: [409],
    handle: async ({ reply }) => {
      const snapshot = await context.service.snapshot();
      reply.hijack();
      const { streamStallMs: stallMs, streamHeartbeatMs: heartbeatMs } = context.limits;
      const out = new SlowStream(reply.raw, context.timers, {
        stallMs,
        heartbeatMs,
        heartbeat: "",
      });
      try {
        reply.raw.writeHead(200, {
          "content-type": "application/octet-stream",
          "content-disposition": `attachment; filename="snapshot-${snapshot.position.index}.nornic"`,
          "nornic-snapshot-index": String(snapshot.position.index),
          "nornic-snapshot-term": String(snapshot.position.term),
        });
        for await (const chunk of snapshot.chunks()) if (!(await out.write(chunk))) return;
        out.end();
      } catch (error) {
        context.logger.log("error", "snapshot_failed", "A snapshot could not be sent to its end", {
          reason: error instanceof Error ? error.message : String(error),
        });
        reply.raw.destroy();
      } finally {
        await snapshot.close();
      }
    },
  });
}

interface ActionRoute {
  readonly method: Route["method"];
  readonly url: string;
  readonly action: AdminAction;
  readonly fields?: Readonly<Record<string, Schema>>;
  readonly query?: Readonly<Record<string, Schema>>;
  /** May be sent again under the same `Idempotency-Key`. */
  readonly repeatable?: boolean;
}

const REGION = { region: string };

const ACTIONS: readonly ActionRoute[] = [
  {
    method: "POST",
    url: "/admin/promote",
    action: "promote",
    fields: { force: { type: "boolean" }, others_stopped: { type: "boolean" } },
  },
  {
    method: "POST",
    url: "/admin/switchover",
    action: "switch over",
    fields: { target: string },
  },
  {
    method: "POST",
    url: "/admin/cluster/add",
    action: "add member",
    fields: { node_id: string, address: string, learner: { type: "boolean" } },
  },
  {
    method: "POST",
    url: "/admin/cluster/remove",
    action: "remove member",
    fields: { node_id: string },
  },
  {
    method: "POST",
    url: "/admin/cluster/promote",
    action: "promote member",
    fields: { node_id: string },
  },
  ...["/admin/cluster/transfer-leadership", "/admin/raft/transfer-leadership"].map(
    (url): ActionRoute => ({
      method: "POST",
      url,
      action: "transfer leadership",
      fields: { target: string },
    }),
  ),
  { method: "POST", url: "/admin/raft/step-down", action: "step down" },
  { method: "POST", url: "/admin/raft/snapshot", action: "compact" },
  { method: "GET", url: "/admin/region", action: "region status" },
  { method: "POST", url: "/admin/region/promote", action: "promote region", fields: REGION },
  { method: "POST", url: "/admin/region/give-up", action: "give up region", fields: REGION },
  { method: "POST", url: "/admin/region/readmit", action: "readmit region", fields: REGION },
  { method: "POST", url: "/admin/region/adopt", action: "adopt region" },
  {
    method: "GET",
    url: "/admin/conflicts",
    action: "list conflicts",
    query: {
      state: { enum: ["open", "ended"], default: "open" },
      after: { ...string, description: "`after` of the page before." },
      limit: { type: "integer", minimum: 1, maximum: 1_000, default: 100 },
    },
  },
  { method: "GET", url: "/admin/conflicts/:id", action: "show conflict" },
  {
    method: "POST",
    url: "/admin/conflicts/:id/resolve",
    action: "resolve conflict",
    fields: {
      keep: { enum: ["winner", "loser"] },
      origin: string,
      seq: { type: "integer", minimum: 1 },
      value: {},
    },
    repeatable: true,
  },
  { method: "GET", url: "/admin/salvage", action: "list salvage" },
  { method: "GET", url: "/admin/salvage/:id", action: "show salvage" },
  { method: "POST", url: "/admin/salvage/:id/replay", action: "replay salvage" },
  { method: "POST", url: "/admin/salvage/:id/discard", action: "discard salvage" },
];

function addActions(app: FastifyInstance, context: HttpContext): void {
  for (const { method, url, action, fields = {}, query, repeatable } of ACTIONS) {
    addRoute(app, context, {
      method,
      url,
      tag: "admin",
      need: "admin",
      summary: `${action[0]!.toUpperCase()}${action.slice(1)}; 409 in a mode that has no such thing`,
      ...(method === "GET" ? {} : { body: object(fields) }),
      ...(query === undefined ? {} : { query }),
      ...(repeatable ? { headers: WRITE_HEADERS } : {}),
      problems: [404, 409],
      answers: { 200: ANY },
      handle: async ({ request, reply, query: asked }) => {
        const body = method === "GET" ? {} : bodyMap(request, true);
        onlyFields(body, Object.keys(fields));
        const params = request.params as Record<string, string>;
        const requestId = repeatable ? single(request, "idempotency-key") : undefined;
        const args = {
          ...(body as Record<string, JsonValue>),
          ...Object.fromEntries(Object.keys(asked).map((name) => [name, text(asked, name)!])),
          ...params,
          ...(requestId === undefined ? {} : { requestId }),
        };
        sendJson(reply, 200, await context.service.administer(action, args));
      },
    });
  }
}

function addTexts(app: FastifyInstance, context: HttpContext): void {
  addRoute(app, context, {
    ...reading,
    tag: "health",
    url: "/metrics",
    summary: "Metrics as Prometheus reads them",
    handle: async ({ reply }) => {
      await context.service.refreshMetrics();
      const text = await context.metricsText();
      reply.code(200).header("content-type", "text/plain; version=0.0.4; charset=utf-8").send(text);
    },
  });
}
