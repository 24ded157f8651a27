import type { Pool } from "undici";

const ANSWER_MS_MAX = 12_000;
const WRITE_TIMEOUT = "5s";
const NOT_SENT = new Set(["ECONNREFUSED", "ENOENT", "UND_ERR_CONNECT_TIMEOUT"]);

/** Where the log has a write. */
export interface Receipt {
  readonly index: number;
  readonly term: number;
  /** Answered from memory: the write took effect at an earlier attempt. */
  readonly replayed: boolean;
}

/** What one request to one node taught its client. */
export type WriteReply =
  | {
      readonly kind: "done";
      /** Undefined where no entry's index is known to be the change's. */
      readonly version: number | undefined;
      readonly receipt: Receipt;
    }
  | { readonly kind: "mismatch" }
  | { readonly kind: "absent" }
  | { readonly kind: "refused" | "unknown"; readonly reason: string };

export type ReadReply =
  | { readonly kind: "value"; readonly value: string; readonly version: number }
  | { readonly kind: "absent" }
  | { readonly kind: "failed"; readonly reason: string };

export interface WriteRequest {
  readonly method: "PUT" | "DELETE";
  readonly id: string;
  readonly requestId: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** A node that does not lead says who does, and does not send the write on. */
  readonly redirect?: boolean;
}

/** Sends a write once. */
export async function sendWrite(pool: Pool, write: WriteRequest): Promise<WriteReply> {
  const { method, id, requestId, headers, body, redirect = false } = write;
  try {
    const answer = await pool.request({
      method,
      path: `/nodes/${id}?timeout=${WRITE_TIMEOUT}&redirect=${redirect}`,
      headers: {
        "idempotency-key": requestId,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      headersTimeout: ANSWER_MS_MAX,
      bodyTimeout: ANSWER_MS_MAX,
    });
    return toWriteReply(answer.statusCode, await answer.body.text());
  } catch (error) {
    const reason = reasonOf(error);
    return { kind: NOT_SENT.has(reason) ? "refused" : "unknown", reason };
  }
}

function toWriteReply(status: number, text: string): WriteReply {
  if (status === 307) return { kind: "refused", reason: "redirected" };
  const body = JSON.parse(text) as {
    readonly code?: string;
    readonly outcome?: string;
    readonly version: number;
    readonly receipt?: Receipt;
  };
  if (status < 300 && body.receipt !== undefined) {
    return { kind: "done", receipt: body.receipt, version: versionOf(body, body.receipt) };
  }
  if (body.code === "VERSION_MISMATCH") return { kind: "mismatch" };
  if (body.code === "NOT_FOUND") return { kind: "absent" };
  const kind = body.outcome === "not_applied" ? "refused" : "unknown";
  return { kind, reason: body.code ?? String(status) };
}

/** What changed nothing has an earlier write's version; a replay has a receipt of its own. */
function versionOf(
  body: { readonly outcome?: string; readonly version: number },
  receipt: { readonly index: number; readonly replayed: boolean },
): number | undefined {
  if (body.outcome === "unchanged") return undefined;
  if (body.outcome !== "deleted") return body.version;
  return receipt.replayed ? undefined : receipt.index;
}

/** Reads one node's properties `value` at a level. */
export async function sendRead(pool: Pool, id: string, level: string): Promise<ReadReply> {
  try {
    const answer = await pool.request({
      method: "GET",
      path: `/nodes/${id}?consistency=${level}`,
      headersTimeout: ANSWER_MS_MAX,
      bodyTimeout: ANSWER_MS_MAX,
    });
    const body = JSON.parse(await answer.body.text()) as {
      readonly code?: string;
      readonly version: number;
      readonly properties: { readonly value: string };
    };
    if (answer.statusCode === 200) {
      return { kind: "value", value: body.properties.value, version: body.version };
    }
    if (body.code === "NOT_FOUND") return { kind: "absent" };
    return { kind: "failed", reason: body.code ?? String(answer.statusCode) };
  } catch (error) {
    return { kind: "failed", reason: reasonOf(error) };
  }
}

/** Every node under a label in order of id, as that server holds it. */
export async function readNodes(pool: Pool, label: string): Promise<StoredNode[]> {
  const nodes: StoredNode[] = [];
  let cursor: string | undefined;
  do {
    const after = cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const answer = await pool.request({
      method: "GET",
      path: `/nodes?label=${label}&limit=1000&consistency=ONE${after}`,
    });
    const page = (await answer.body.json()) as {
      readonly items: readonly StoredNode[];
      readonly cursor?: string;
    };
    if (answer.statusCode !== 200) throw new Error(`${answer.statusCode} ${JSON.stringify(page)}`);
    nodes.push(...page.items);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return nodes;
}

export interface StoredNode {
  readonly id: string;
  readonly version: number;
}

function reasonOf(error: unknown): string {
  const { code, message } = error as { readonly code?: string; readonly message?: string };
  return code ?? message ?? String(error);
}
