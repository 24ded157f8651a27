import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type LogIndex, toLogIndex } from "../../base/index.js";
import type { Change } from "../../service/index.js";
import type { HttpContext } from "./context.js";
import { toProblem, toReplicationError } from "./problem.js";
import { flag, invalid, whole } from "./query.js";
import { single } from "./request-options.js";
import { addRoute } from "./route.js";
import { ANY } from "./schemas.js";
import { SlowStream } from "./slow-stream.js";

/** How one change, one error and one sign of life look in a format. */
interface Framing {
  readonly type: string;
  readonly change: (change: Change) => string;
  readonly error: (problem: string) => string;
  readonly heartbeat: string;
}

const LINES: Framing = {
  type: "application/x-ndjson; charset=utf-8",
  change: (change) => `${JSON.stringify(change)}\n`,
  error: (problem) => `{"error":${problem}}\n`,
  heartbeat: "",
};
const EVENTS: Framing = {
  type: "text/event-stream; charset=utf-8",
  change: (change) => `id: ${change.index}\nevent: change\ndata: ${JSON.stringify(change)}\n\n`,
  error: (problem) => `event: error\ndata: ${problem}\n\n`,
  heartbeat: ": still here\n\n",
};

export function addChangeRoutes(app: FastifyInstance, context: HttpContext): void {
  addRoute(app, context, {
    method: "GET",
    url: "/changes",
    tag: "changes",
    need: "read",
    summary: "The stream of changes after a log index, each once and in order",
    description:
      "One JSON document a line, or server-sent events when Accept asks for text/event-stream. " +
      "To resume, ask again with the index of the last change received; browsers do it by " +
      "themselves with Last-Event-ID. 410 COMPACTED: changes in between are gone, read anew.",
    query: {
      after: { type: "integer", minimum: 0, default: 0 },
      follow: { type: "boolean", default: true, description: "false: end where the log ends now." },
    },
    headers: { "Last-Event-ID": { type: "string" } },
    problems: [410],
    answers: { 200: ANY },
    handle: async ({ request, reply, query }) => {
      const after = lastEventId(request) ?? toLogIndex(whole(query, "after", ANY_INDEX) ?? 0);
      const follow = flag(query, "follow") ?? true;
      const { closing, signals, service } = context;
      const signal = AbortSignal.any([closing, signals.of(request.raw.socket)]);
      const batches = await service.changes({ after, follow, signal });
      await stream(context, request, reply, batches);
    },
  });
}

const ANY_INDEX = { min: 0, max: Number.MAX_SAFE_INTEGER };

function lastEventId(request: FastifyRequest): LogIndex | undefined {
  const id = single(request, "last-event-id");
  if (id === undefined) return undefined;
  if (/^\d{1,15}$/.test(id)) return toLogIndex(Number(id));
  throw invalid("last-event-id", "the index of a change is needed");
}

async function stream(
  context: HttpContext,
  request: FastifyRequest,
  reply: FastifyReply,
  batches: AsyncIterable<readonly Change[]>,
): Promise<void> {
  const framing = request.raw.headers.accept?.includes("text/event-stream") ? EVENTS : LINES;
  reply.hijack();
  const { streamStallMs: stallMs, streamHeartbeatMs: heartbeatMs } = context.limits;
  const { heartbeat } = framing;
  const out = new SlowStream(reply.raw, context.timers, { stallMs, heartbeatMs, heartbeat });
  reply.raw.writeHead(200, {
    "content-type": framing.type,
    "cache-control": "no-store",
    "nornic-served-by": context.service.nodeId,
    ...(context.closing.aborted ? { connection: "close" } : {}),
  });
  reply.raw.flushHeaders();
  try {
    for await (const batch of batches) {
      for (const change of batch) if (!(await out.write(framing.change(change)))) return;
    }
  } catch (thrown) {
    const problem = toProblem(toReplicationError(thrown, false), context.httpOf);
    await out.write(framing.error(JSON.stringify(problem)));
  } finally {
    out.end();
  }
}
