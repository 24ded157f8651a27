import type { FastifyInstance, FastifyRequest } from "fastify";
import {
  type GraphEdge,
  type GraphNode,
  type ReadAnswer,
  ReplicationError,
} from "../../service/index.js";
import { sendRead } from "./answer.js";
import type { HttpContext } from "./context.js";
import { conditions, flag, invalid, oneOf, text, whole } from "./query.js";
import { precondition, readOptions, single, toETag } from "./request-options.js";
import { addRoute, type Call } from "./route.js";
import {
  GUARD_HEADERS,
  listOf,
  object,
  PAGE_QUERY,
  READ_QUERY,
  ref,
  WRITE_HEADERS,
  WRITE_QUERY,
} from "./schemas.js";
import { bodyMap, onlyFields, writeBatch, writeOne } from "./write-answer.js";

const INCREMENT_FIELDS = ["property", "by"];
const DIRECTIONS = ["out", "in", "both"] as const;
const NODE_FIELDS = ["labels", "properties"];
const EDGE_FIELDS = ["from", "to", "type", "properties"];
const graph = { tag: "graph" } as const;
const reading = { ...graph, method: "GET", need: "read", problems: [410] } as const;
const writing = {
  ...graph,
  need: "write",
  query: WRITE_QUERY,
  headers: { ...WRITE_HEADERS, ...GUARD_HEADERS },
  problems: [404, 409, 412, 413, 423, 504],
} as const;

/** Nodes, edges, increments, batches, counts and indexes. */
export function addGraphRoutes(app: FastifyInstance, context: HttpContext): void {
  addNodeRoutes(app, context);
  addEdgeRoutes(app, context);
  addIncrementRoutes(app, context);
  addPageRoutes(app, context);
  addSummaryRoutes(app, context);
  addBatchRoutes(app, context);
}

function addNodeRoutes(app: FastifyInstance, context: HttpContext): void {
  addRoute(app, context, {
    ...writing,
    method: "PUT",
    url: "/nodes/:id",
    summary: "Create or replace a node",
    body: ref("NodeBody"),
    answers: { 200: ref("Written"), 201: ref("Written") },
    handle: (call) => writeOne(context, call, fromBody(call.request, "put_node", NODE_FIELDS)),
  });
  addRoute(app, context, {
    ...writing,
    method: "PATCH",
    url: "/nodes/:id",
    summary: "Change some properties, and the labels if given; null removes a property",
    body: ref("NodeBody"),
    answers: { 200: ref("Written") },
    handle: (call) => writeOne(context, call, fromBody(call.request, "patch_node", NODE_FIELDS)),
  });
  addRoute(app, context, {
    ...writing,
    method: "DELETE",
    url: "/nodes/:id",
    summary: "Delete a node; while it has edges only with ?detach=true, which deletes them too",
    query: { ...WRITE_QUERY, detach: { type: "boolean" } },
    answers: { 200: ref("Written") },
    handle: (call) => {
      const { request, query } = call;
      const detach = flag(query, "detach");
      return writeOne(context, call, {
        op: "delete_node",
        id: idOf(request),
        ...(detach === undefined ? {} : { detach }),
        ...precondition(request),
      });
    },
  });
  addRoute(app, context, {
    ...reading,
    url: "/nodes/:id",
    summary: "Read a node",
    query: READ_QUERY,
    problems: [404],
    answers: { 200: ref("Node") },
    handle: async (call) => {
      const id = idOf(call.request);
      const options = readOptions(context, call.request, call.query);
      sendOne(context, call, await context.service.getNode(id, options), `node "${id}"`);
    },
  });
}

function addEdgeRoutes(app: FastifyInstance, context: HttpContext): void {
  addRoute(app, context, {
    ...writing,
    method: "PUT",
    url: "/edges/:id",
    summary: "Create or replace an edge; both its nodes must exist",
    body: ref("EdgeBody"),
    answers: { 200: ref("Written"), 201: ref("Written") },
    handle: (call) => writeOne(context, call, fromBody(call.request, "put_edge", EDGE_FIELDS)),
  });
  addRoute(app, context, {
    ...writing,
    method: "PATCH",
    url: "/edges/:id",
    summary: "Change some properties of an edge; null removes one",
    body: ref("EdgeBody"),
    answers: { 200: ref("Written") },
    handle: (call) => writeOne(context, call, fromBody(call.request, "patch_edge", ["properties"])),
  });
  addRoute(app, context, {
    ...writing,
    method: "DELETE",
    url: "/edges/:id",
    summary: "Delete an edge",
    answers: { 200: ref("Written") },
    handle: (call) =>
      writeOne(context, call, {
        op: "delete_edge",
        id: idOf(call.request),
        ...precondition(call.request),
      }),
  });
  addRoute(app, context, {
    ...reading,
    url: "/edges/:id",
    summary: "Read an edge",
    query: READ_QUERY,
    problems: [404],
    answers: { 200: ref("Edge") },
    handle: async (call) => {
      const id = idOf(call.request);
      const options = readOptions(context, call.request, call.query);
      sendOne(context, call, await context.service.getEdge(id, options), `edge "${id}"`);
    },
  });
}

function addIncrementRoutes(app: FastifyInstance, context: HttpContext): void {
  for (const what of ["node", "edge"]) {
    addRoute(app, context, {
      ...writing,
      method: "POST",
      url: `/${what}s/:id/increment`,
      summary: `Add a whole number to a property of the ${what}; one that is missing counts as 0`,
      description: "Several regions may add at the same time: what they add sums up.",
      body: ref("Increment"),
      answers: { 200: ref("Written") },
      handle: (call) =>
        writeOne(context, call, fromBody(call.request, `increment_${what}`, INCREMENT_FIELDS)),
    });
  }
}

function addPageRoutes(app: FastifyInstance, context: HttpContext): void {
  const { service } = context;
  addRoute(app, context, {
    ...reading,
    url: "/nodes",
    summary: "Find nodes by label and properties, in order of id",
    description:
      "where.KEY=VALUE asks for equality. VALUE is read as a JSON scalar where it is one " +
      '(1, true, "1"), and as a string otherwise; several conditions must all hold.',
    query: {
      label: { type: "string" },
      "where.KEY": { type: "string", description: "Any number of them, KEY being a property." },
      ...PAGE_QUERY,
      ...READ_QUERY,
    },
    answers: { 200: object({ items: listOf(ref("Node")), cursor: { type: "string" } }) },
    handle: async ({ request, reply, query }) => {
      const where = conditions(query, context.limits.conditionsMax);
      const found = await service.findNodes(
        { label: text(query, "label"), where, ...page(context, query) },
        readOptions(context, request, query),
      );
      sendRead(context, reply, found);
    },
  });
  addRoute(app, context, {
    ...reading,
    url: "/nodes/:id/edges",
    summary: "Read the edges of a node, in order of id",
    query: {
      direction: { enum: DIRECTIONS, default: "both" },
      type: { type: "string" },
      ...PAGE_QUERY,
      ...READ_QUERY,
    },
    problems: [404],
    answers: { 200: object({ items: listOf(ref("Edge")), cursor: { type: "string" } }) },
    handle: async ({ request, reply, query }) => {
      const nodeId = idOf(request);
      const options = readOptions(context, request, query);
      const direction = oneOf(query, "direction", DIRECTIONS) ?? "both";
      const type = text(query, "type");
      const edges = { nodeId, direction, type, ...page(context, query) };
      const found = await service.findEdges(edges, options);
      if (found.value.items.length === 0 && query.cursor === undefined) {
        const node = await service.getNode(nodeId, options);
        if (node.value === undefined) throw missing(`node "${nodeId}"`);
      }
      sendRead(context, reply, found);
    },
  });
}

function addSummaryRoutes(app: FastifyInstance, context: HttpContext): void {
  const { service } = context;
  addRoute(app, context, {
    ...reading,
    url: "/counts",
    summary: "How many nodes and edges there are",
    query: READ_QUERY,
    answers: { 200: object({ nodes: { type: "integer" }, edges: { type: "integer" } }) },
    handle: async ({ request, reply, query }) =>
      sendRead(context, reply, await service.counts(readOptions(context, request, query))),
  });
  const index = object({ label: { type: "string" }, property: { type: "string" } });
  addRoute(app, context, {
    ...reading,
    url: "/indexes",
    summary: "The indexes there are; create_index and drop_index in /commands change them",
    query: READ_QUERY,
    answers: { 200: object({ items: listOf(index) }) },
    handle: async ({ request, reply, query }) => {
      const found = await service.indexes(readOptions(context, request, query));
      sendRead(context, reply, found, { items: found.value });
    },
  });
}

function addBatchRoutes(app: FastifyInstance, context: HttpContext): void {
  addRoute(app, context, {
    ...writing,
    method: "POST",
    url: "/commands",
    summary: "Several writes at once, all or nothing",
    headers: WRITE_HEADERS,
    body: object({ requestId: { type: "string" }, commands: listOf(ref("Operation")) }, [
      "commands",
    ]),
    answers: {
      200: object({ results: listOf(ref("OperationResult")), receipt: ref("Receipt") }),
    },
    handle: (call) => {
      const body = bodyMap(call.request);
      onlyFields(body, ["requestId", "commands"]);
      const { requestId } = body;
      if (requestId !== undefined && typeof requestId !== "string") {
        throw invalid("requestId", "a string is needed");
      }
      const key = single(call.request, "idempotency-key");
      if (requestId !== undefined && key !== undefined && key !== requestId) {
        throw invalid("requestId", "it differs from the header Idempotency-Key");
      }
      return writeBatch(context, call, { operations: body.commands, requestId });
    },
  });
}

function fromBody(request: FastifyRequest, op: string, fields: readonly string[]) {
  const body = bodyMap(request);
  onlyFields(body, fields);
  return { ...body, op, id: idOf(request), ...precondition(request) };
}

function idOf(request: FastifyRequest): string {
  return (request.params as { readonly id: string }).id;
}

function page(context: HttpContext, query: Call["query"]) {
  const { pageItemsMax, pageItemsDefault } = context.limits;
  return {
    limit: whole(query, "limit", { min: 1, max: pageItemsMax }) ?? pageItemsDefault,
    cursor: text(query, "cursor"),
  };
}

function missing(what: string): ReplicationError {
  return new ReplicationError("NOT_FOUND", `${what} does not exist`);
}

function sendOne(
  context: HttpContext,
  { request, reply }: Call,
  answer: ReadAnswer<GraphNode | GraphEdge | undefined>,
  what: string,
): void {
  if (answer.value === undefined) {
    reply.header("nornic-bookmark", answer.bookmark);
    throw missing(what);
  }
  const etag = toETag(answer.value.version);
  reply.header("etag", etag);
  if (request.raw.headers["if-none-match"] === etag) {
    reply.header("nornic-bookmark", answer.bookmark).code(304).send();
    return;
  }
  sendRead(context, reply, answer);
}
