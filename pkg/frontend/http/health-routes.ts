import type { FastifyInstance } from "fastify";
import {
  CHECK_NAMES,
  type CheckName,
  type CheckResult,
  type Health,
  toCheckName,
} from "../../service/index.js";
import { sendJson } from "./answer.js";
import type { HttpContext } from "./context.js";
import { replicationHealth } from "./health-body.js";
import { flag, whole } from "./query.js";
import { addRoute, type Call } from "./route.js";
import { ANY, type Schema } from "./schemas.js";

const both = { 200: ANY, 503: ANY };
const open = { method: "GET", tag: "health", need: "open", answers: both } as const;
const verbose: Readonly<Record<string, Schema>> = { verbose: { type: "boolean" } };

/** What orchestrators, balancers and people ask; none of it needs credentials. */
export function addHealthRoutes(app: FastifyInstance, context: HttpContext): void {
  addRoute(app, context, {
    ...open,
    url: "/health",
    summary: "The node's replication, and whether it is well",
    handle: async ({ reply }) => {
      const health = await context.service.health();
      const well = health.healthy && !context.closing.aborted;
      sendJson(reply, well ? 200 : 503, {
        status: well ? "ok" : "unhealthy",
        replication: replicationHealth(health),
      });
    },
  });
  addRoute(app, context, {
    ...open,
    url: "/livez",
    summary: "The node's loop turns; when not, restart the process",
    query: verbose,
    handle: (call) => answerChecks(context, call, ["loop"]),
  });
  addRoute(app, context, {
    ...open,
    url: "/readyz",
    summary: "The node can serve its role",
    query: {
      ...verbose,
      exclude: { type: "string", description: "A check to leave out; may be repeated." },
    },
    handle: (call) => {
      const given = call.query.exclude ?? [];
      const excluded = (typeof given === "string" ? [given] : given).map(toCheckName);
      const names = CHECK_NAMES.filter((name) => !excluded.includes(name));
      return answerChecks(context, call, names, context.closing.aborted);
    },
  });
  addRoute(app, context, {
    ...open,
    url: "/readyz/:check",
    summary: "One of the checks behind /readyz",
    query: verbose,
    handle: (call) => {
      const { check } = call.request.params as { readonly check: string };
      return answerChecks(context, call, [toCheckName(check)]);
    },
  });
  addRoute(app, context, {
    ...open,
    url: "/startupz",
    summary: "The node has recovered its log and serves",
    handle: async ({ reply }) => {
      const { state, reason } = await context.service.health();
      sendJson(reply, state === "starting" || state === "failed" ? 503 : 200, { state, reason });
    },
  });
  addBalancerRoutes(app, context);
}

function addBalancerRoutes(app: FastifyInstance, context: HttpContext): void {
  const serves = ({ state }: Health) => state === "ready" || state === "read_only";
  const roles: readonly {
    readonly url: string;
    readonly summary: string;
    readonly query?: Readonly<Record<string, Schema>>;
    readonly holds: (health: Health, call: Call) => boolean;
  }[] = [
    ...["/primary", "/leader"].map((url) => ({
      url,
      summary: "200 on the node that takes writes",
      holds: (health: Health) => health.isLeader && health.state === "ready",
    })),
    {
      url: "/replica",
      summary: "200 on a node that follows, and not further behind than ?lag= entries",
      query: { lag: { type: "integer", minimum: 0 } },
      holds: (health, { query }) => {
        const lagMax = whole(query, "lag", { min: 0, max: Number.MAX_SAFE_INTEGER });
        const follows = !health.isLeader && serves(health) && health.leaderId !== null;
        return follows && health.lagEntries <= (lagMax ?? Infinity);
      },
    },
    { url: "/read-only", summary: "200 on a node that answers reads", holds: serves },
    {
      url: "/sync",
      summary: "200 on a standby that every acknowledged write has reached",
      holds: (health) => serves(health) && !health.isLeader && health.inSync === true,
    },
  ];
  for (const { url, summary, query, holds } of roles) {
    addRoute(app, context, {
      ...open,
      url,
      summary,
      ...(query ? { query } : {}),
      handle: async (call) => {
        const health = await context.service.health();
        const yes = holds(health, call) && !context.closing.aborted;
        const { role, state, lagEntries } = health;
        sendJson(call.reply, yes ? 200 : 503, { role, state, lag_entries: lagEntries });
      },
    });
  }
}

async function answerChecks(
  context: HttpContext,
  { reply, query }: Call,
  names: readonly CheckName[],
  closing = false,
): Promise<void> {
  const results = await context.service.checks(names);
  const ok = !closing && results.every((result) => result.ok);
  if (flag(query, "verbose")) {
    reply.code(ok ? 200 : 503).header("content-type", "text/plain; charset=utf-8");
    reply.send(`${results.map(line).join("\n")}\n${closing ? "the node is shutting down\n" : ""}`);
    return;
  }
  const failed = results.filter((result) => !result.ok);
  sendJson(reply, ok ? 200 : 503, {
    status: ok ? "ok" : "failed",
    ...(closing ? { reason: "the node is shutting down" } : {}),
    failed: failed.map(({ name, reason }) => ({ name, reason })),
  });
}

function line({ name, ok, reason }: CheckResult): string {
  return ok ? `[+] ${name} ok` : `[-] ${name} failed: ${reason}`;
}
