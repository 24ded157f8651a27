import type { FastifyReply, FastifyRequest } from "fastify";
import { InvariantViolation } from "../../base/index.js";
import { type ReadAnswer, type Receipt, ReplicationError } from "../../service/index.js";
import type { HttpContext } from "./context.js";
import { retryAfterSeconds, toProblem, toReplicationError } from "./problem.js";

const JSON_TYPE = "application/json; charset=utf-8";

/** Sends text that is JSON already. */
export function sendText(reply: FastifyReply, status: number, text: string): void {
  reply.code(status).header("content-type", JSON_TYPE).send(text);
}

export function sendJson(reply: FastifyReply, status: number, value: unknown): void {
  sendText(reply, status, JSON.stringify(value));
}

export function sendRead<T>(
  context: HttpContext,
  reply: FastifyReply,
  answer: ReadAnswer<T>,
  body: unknown = answer.value,
): void {
  reply
    .header("nornic-bookmark", answer.bookmark)
    .header("nornic-served-by", context.service.nodeId);
  sendJson(reply, 200, body);
}

/** The receipt as clients see it; the results stand beside it. */
export function receiptText(receipt: Receipt): string {
  return `{"index":${receipt.index},"term":${receipt.term},"durability":"${receipt.durability}","replayed":${receipt.replayed}}`;
}

/** @param wrote - whether the request may have written something, for errors nobody foresaw */
export function sendProblem(
  context: HttpContext,
  request: FastifyRequest,
  reply: FastifyReply,
  thrown: unknown,
  wrote: boolean,
): void {
  if (thrown instanceof InvariantViolation) {
    queueMicrotask(() => {
      throw thrown;
    });
  }
  const error = toReplicationError(thrown, wrote);
  if (error !== thrown && error.cause !== undefined) {
    context.logger.log("error", "http_unexpected", "A request failed in a way nobody foresaw", {
      method: request.method,
      reason: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown),
    });
  }
  if (reply.sent) return;
  const problem = toProblem(error, context.httpOf);
  const retryAfter = retryAfterSeconds(problem);
  if (retryAfter !== undefined) reply.header("retry-after", String(retryAfter));
  if (error.code === "UNAUTHENTICATED") reply.header("www-authenticate", 'Basic realm="nornic"');
  // Closed with bytes of a refused body still arriving, it would reach its sender as a reset
  // instead of as this answer; what is sent on is dropped unread.
  if (error.code === "TOO_LARGE") reply.removeHeader("connection");
  if (context.closing.aborted) reply.header("connection", "close");
  reply
    .code(problem.status)
    .header("nornic-served-by", context.service.nodeId)
    .header("content-type", "application/problem+json; charset=utf-8")
    .send(JSON.stringify(problem));
}

/** Sends a write on to the leader before it is tried here, when the leader's address is known. */
export async function redirectFromFollower(
  context: HttpContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<boolean> {
  const { isLeader, leaderId } = await context.service.health();
  const isElsewhere = !isLeader && leaderId !== null && leaderId !== context.service.nodeId;
  const http = isElsewhere ? await context.findHttp(leaderId) : undefined;
  if (http === undefined) return false;
  redirect(request, reply, http);
  return true;
}

/** FC-151: once only. The node there forwards, so that two that name each other are no circle. */
function redirect(request: FastifyRequest, reply: FastifyReply, http: string): void {
  const location = new URL(request.raw.url ?? "/", http);
  location.searchParams.delete("redirect");
  reply.code(307).header("location", location.href).send();
}

/** `?redirect=true`: a write that belongs to the leader is answered with its address. */
export async function redirectToLeader(
  context: HttpContext,
  request: FastifyRequest,
  reply: FastifyReply,
  error: unknown,
): Promise<boolean> {
  if (!(error instanceof ReplicationError) || error.code !== "NOT_LEADER") return false;
  const http = error.details.leader && (await context.findHttp(error.details.leader.id));
  if (http === undefined) return false;
  redirect(request, reply, http);
  return true;
}
