import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from "fastify";
import { type Credentials, ReplicationError, type Role } from "../../service/index.js";
import { sendProblem } from "./answer.js";
import type { HttpContext } from "./context.js";
import { checkQuery, type Query } from "./query.js";
import { PROBLEM_REF, type Schema } from "./schemas.js";

export interface Call {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly query: Query;
}

/** One route: what it is for the reader of `/openapi.json`, and what it does. */
export interface Route {
  readonly method: "GET" | "PUT" | "PATCH" | "DELETE" | "POST";
  readonly url: string;
  readonly tag: "graph" | "changes" | "health" | "cluster" | "admin";
  readonly summary: string;
  readonly description?: string;
  /** `open`: no credentials are asked for. */
  readonly need: Role | "open";
  readonly query?: Readonly<Record<string, Schema>>;
  readonly headers?: Readonly<Record<string, Schema>>;
  readonly body?: Schema;
  readonly answers: Readonly<Record<number, Schema>>;
  /** Errors beyond those any route may answer. */
  readonly problems?: readonly number[];
  /** A rejection becomes a problem; the handler need not catch. */
  readonly handle: (call: Call) => void | Promise<void>;
}

const NO_QUERY: Query = {};
const COMMON_PROBLEMS = [400, 429, 503];

export function addRoute(app: FastifyInstance, context: HttpContext, route: Route): void {
  const known = Object.keys(route.query ?? {}).map((name) =>
    name.endsWith(".KEY") ? name.slice(0, -"KEY".length) : name,
  );
  const writes = route.method !== "GET";
  const fail = (request: FastifyRequest, reply: FastifyReply, error: unknown) =>
    sendProblem(context, request, reply, error, writes);
  app.route({
    method: route.method,
    url: route.url,
    schema: toSchema(route),
    onRequest: (request, reply, done) => {
      try {
        admit(context, route.need, request, reply);
      } catch (error) {
        fail(request, reply, error);
        return;
      }
      done();
    },
    handler: (request, reply) => {
      try {
        let query = NO_QUERY;
        if (request.raw.url?.includes("?")) {
          query = request.query as Query;
          checkQuery(query, known);
        }
        const running = route.handle({ request, reply, query });
        if (running) running.catch((error) => fail(request, reply, error));
      } catch (error) {
        fail(request, reply, error);
      }
    },
  });
}

function admit(
  context: HttpContext,
  need: Role | "open",
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const { service, limits, closing } = context;
  if (closing.aborted) {
    if (need === "open") return;
    throw new ReplicationError("SHUTTING_DOWN", "this node is shutting down", {
      retryAfterMs: 1000,
    });
  }
  const headers = request.raw.headers;
  if (need !== "open" && service.authenticator.required) {
    const credentials = toCredentials(headers.authorization);
    const source = request.raw.socket.remoteAddress ?? "";
    service.authenticator.authorize(service.authenticator.authenticate(credentials, source), need);
  }
  if (headers["transfer-encoding"] !== undefined) {
    reserveBody(context, reply, limits.bodyBytesMax);
  } else if (headers["content-length"] !== undefined) {
    const bytes = Number(headers["content-length"]);
    if (bytes > limits.largeBodyBytes && bytes <= limits.bodyBytesMax) {
      reserveBody(context, reply, bytes);
    }
  }
}

function reserveBody(context: HttpContext, reply: FastifyReply, bytes: number): void {
  const { admission } = context.service;
  admission.reserve(bytes);
  reply.raw.once("close", () => admission.unreserve(bytes));
}

/** @throws ReplicationError `UNAUTHENTICATED` for a scheme that is not known */
export function toCredentials(header: string | undefined): Credentials {
  if (header === undefined) return { kind: "none" };
  const [scheme = "", value = ""] = header.split(" ", 2);
  if (/^bearer$/i.test(scheme)) return { kind: "bearer", token: value };
  if (/^basic$/i.test(scheme)) {
    const plain = Buffer.from(value, "base64").toString("utf8");
    const colon = plain.indexOf(":");
    if (colon >= 0) {
      return { kind: "basic", user: plain.slice(0, colon), password: plain.slice(colon + 1) };
    }
  }
  throw new ReplicationError("UNAUTHENTICATED", "Authorization: Basic or Bearer is needed");
}

function toSchema(route: Route): FastifySchema {
  const params = [...route.url.matchAll(/:([a-zA-Z]+)/g)].map(([, name]) => name!);
  const problems = [...COMMON_PROBLEMS, ...(route.problems ?? [])];
  if (route.need !== "open") problems.push(401, 403);
  const schema: Record<string, unknown> = {
    tags: [route.tag],
    summary: route.summary,
    response: {
      ...Object.fromEntries(problems.map((status) => [status, PROBLEM_REF])),
      ...route.answers,
    },
  };
  if (route.description !== undefined) schema.description = route.description;
  if (route.need === "open") schema.security = [];
  if (route.body) schema.body = route.body;
  if (route.query) schema.querystring = { type: "object", properties: route.query };
  if (route.headers) schema.headers = { type: "object", properties: route.headers };
  if (params.length > 0) {
    const properties = Object.fromEntries(params.map((name) => [name, { type: "string" }]));
    schema.params = { type: "object", properties, required: params };
  }
  return schema as FastifySchema;
}
