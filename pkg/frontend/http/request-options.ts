import type { FastifyRequest } from "fastify";
import {
  DURABILITIES,
  type Precondition,
  type ReadOptions,
  type WriteOptions,
} from "../../service/index.js";
import type { HttpContext } from "./context.js";
import { consistency, invalid, oneOf, type Query, text, timeout, whole } from "./query.js";

export function writeOptions(
  context: HttpContext,
  request: FastifyRequest,
  query: Query,
): WriteOptions {
  return {
    requestId: single(request, "idempotency-key"),
    timeoutMs: timeout(query, context.service.limits.timeoutMsMax),
    durability: oneOf(query, "durability", DURABILITIES),
    signal: context.signals.of(request.raw.socket),
  };
}

export function readOptions(
  context: HttpContext,
  request: FastifyRequest,
  query: Query,
): ReadOptions {
  return {
    level: consistency(query),
    after: text(query, "after"),
    maxLagEntries: whole(query, "maxLag", { min: 0, max: Number.MAX_SAFE_INTEGER }),
    timeoutMs: timeout(query, context.service.limits.timeoutMsMax),
    signal: context.signals.of(request.raw.socket),
  };
}

/** @returns the header, which may stand there once */
export function single(request: FastifyRequest, name: string): string | undefined {
  const value = request.raw.headers[name];
  if (value === undefined || typeof value === "string") return value;
  throw invalid(name, "it may stand there once");
}

/**
 * `If-Match: "12"` asks for that version, `If-Match: *` that it exists, `If-None-Match: *` that it
 * does not.
 */
export function precondition(request: FastifyRequest): { readonly if?: Precondition } {
  const match = single(request, "if-match");
  const noneMatch = single(request, "if-none-match");
  if (match === undefined && noneMatch === undefined) return {};
  if (match !== undefined && noneMatch !== undefined) {
    throw invalid("if-match", "only one of If-Match and If-None-Match is accepted");
  }
  if (match === "*") return { if: { exists: true } };
  if (match !== undefined) return { if: { version: toVersion(match) } };
  if (noneMatch === "*") return { if: { exists: false } };
  throw invalid("if-none-match", "only * is accepted when writing");
}

export function toETag(version: number): string {
  return `"${version}"`;
}

function toVersion(tag: string): number {
  const match = /^"(\d{1,16})"$/.exec(tag);
  const version = match ? Number(match[1]) : Number.NaN;
  if (Number.isSafeInteger(version)) return version;
  throw invalid("if-match", 'one ETag of ours is needed, such as "12", or *');
}
