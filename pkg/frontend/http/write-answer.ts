import type { FastifyReply, FastifyRequest } from "fastify";
import { ReplicationError, type WriteAnswer } from "../../service/index.js";
import { receiptText, redirectFromFollower, redirectToLeader, sendText } from "./answer.js";
import type { HttpContext } from "./context.js";
import { flag, invalid } from "./query.js";
import { toETag, writeOptions } from "./request-options.js";
import type { Call } from "./route.js";

/** Writes one operation made of the path, the body and the preconditions, and answers. */
export async function writeOne(
  context: HttpContext,
  call: Call,
  operation: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { request, reply } = call;
  const answer = await write(
    context,
    call,
    [operation],
    (field) => field.replace(/^ops\[0\]\.?/, "") || "body",
  );
  if (!answer) return;
  const [result] = answer.results;
  const { id, outcome, version, value } = result!;
  markWritten(context, reply, answer);
  if (outcome !== "deleted") reply.header("etag", toETag(version));
  const text = `{"id":${JSON.stringify(id)},"outcome":"${outcome}","version":${version}${value === undefined ? "" : `,"value":${value}`},"receipt":${receiptText(answer.receipt)}}`;
  sendText(reply, outcome === "created" && request.method !== "PATCH" ? 201 : 200, text);
}

/** Writes a batch and answers with all results. */
export async function writeBatch(
  context: HttpContext,
  call: Call,
  batch: { readonly operations: unknown; readonly requestId?: string | undefined },
): Promise<void> {
  const rename = (field: string) => field.replace(/^ops/, "commands");
  const answer = await write(context, call, batch.operations, rename, batch.requestId);
  if (!answer) return;
  markWritten(context, call.reply, answer);
  const results = JSON.stringify(answer.results);
  sendText(call.reply, 200, `{"results":${results},"receipt":${receiptText(answer.receipt)}}`);
}

/** @returns undefined when the request was sent on to the leader */
async function write(
  context: HttpContext,
  call: Call,
  operations: unknown,
  rename: (field: string) => string,
  requestId?: string,
): Promise<WriteAnswer | undefined> {
  const { request, reply, query } = call;
  const options = writeOptions(context, request, query);
  const redirect = flag(query, "redirect");
  if (redirect && (await redirectFromFollower(context, request, reply))) return undefined;
  try {
    return await context.service.write(
      operations,
      requestId === undefined ? options : { ...options, requestId },
    );
  } catch (error) {
    if (redirect && (await redirectToLeader(context, request, reply, error))) return undefined;
    throw renamed(error, rename);
  }
}

/** The service counts operations; a client knows its own fields. */
function renamed(error: unknown, rename: (field: string) => string): unknown {
  if (!(error instanceof ReplicationError) || error.details.field === undefined) return error;
  const { field } = error.details;
  const name = rename(field);
  const message = error.message.startsWith(field)
    ? `${name}${error.message.slice(field.length)}`
    : error.message;
  return new ReplicationError(error.code, message, { ...error.details, field: name });
}

function markWritten(context: HttpContext, reply: FastifyReply, answer: WriteAnswer): void {
  reply
    .header("nornic-bookmark", answer.bookmark)
    .header("nornic-served-by", context.service.nodeId);
}

/** @returns the body as a map; an absent one is an empty map where `optional` */
export function bodyMap(
  request: FastifyRequest,
  optional = false,
): Readonly<Record<string, unknown>> {
  const body: unknown = request.body;
  if (body === undefined && optional) return {};
  if (typeof body === "object" && body !== null && !Array.isArray(body)) {
    return body as Record<string, unknown>;
  }
  throw invalid("body", "a JSON object is needed");
}

/** Refuses fields that are not of this body, so that none is dropped without a word. */
export function onlyFields(
  body: Readonly<Record<string, unknown>>,
  known: readonly string[],
): void {
  for (const field in body) {
    if (!known.includes(field)) {
      const fields = known.length > 0 ? `it takes ${known.join(", ")}` : "it takes none";
      throw invalid(field.slice(0, 64), `not a field of this body; ${fields}`);
    }
  }
}
