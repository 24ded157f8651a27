import { EXIT } from "../exit-codes.js";
import { causeText, Failure } from "./failure.js";

/** A short question is answered within this, or the node counts as unreachable. */
const ANSWER_MS_MAX = 10_000;
/** A node that reads every row, or writes a copy of everything, may take its time. */
export const SLOW_ANSWER_MS_MAX = 290_000;
const ENDPOINTS_MAX = 64;

/** The write or question did not go through now; the same command may go through later. */
const RETRY_CODES: readonly unknown[] = [
  "OVERLOADED",
  "SHUTTING_DOWN",
  "NOT_LEADER",
  "NO_LEADER",
  "NO_QUORUM",
  "NO_STANDBY",
  "LAGGING",
  "KEY_BLOCKED",
];

export type Json = { readonly [name: string]: unknown };

export interface ClientOptions {
  readonly endpoint?: string | undefined;
  readonly token?: string | undefined;
}

export interface Ask {
  readonly method?: "GET" | "POST";
  /** Sent as JSON. */
  readonly body?: Json;
  /** Statuses besides 2xx that carry an answer rather than a problem. */
  readonly alsoOk?: readonly number[];
  readonly answerMsMax?: number;
}

/** Asks the HTTP API of the first endpoint that can answer. */
export class Client {
  readonly #endpoints: readonly URL[];
  readonly #headers: Readonly<Record<string, string>>;
  /** The one that answered; later questions go to the same node. */
  #chosen: URL | undefined;

  /** @throws Failure `USAGE` for a text that is no list of URLs */
  constructor(options: ClientOptions, env: Readonly<Record<string, string | undefined>>) {
    const list = options.endpoint ?? env.NORNICDB_ENDPOINT ?? "http://127.0.0.1:7474";
    this.#endpoints = parseEndpoints(list);
    const token = options.token ?? env.NORNICDB_TOKEN;
    this.#headers = token ? { authorization: authorization(token) } : {};
  }

  get endpoint(): string {
    return (this.#chosen ?? this.#endpoints[0])!.href.replace(/\/$/, "");
  }

  async json(path: string, ask: Ask = {}): Promise<Json> {
    return this.#firstAnswer(path, ask, async (response, endpoint) => {
      const body = await bodyOf(response, endpoint);
      if (body === undefined) throw notOurs(endpoint, path);
      return body;
    });
  }

  /** The body as it comes; the caller reads it to its end. */
  async bytes(path: string): Promise<AsyncIterable<Uint8Array>> {
    const ask = { answerMsMax: SLOW_ANSWER_MS_MAX };
    return this.#firstAnswer(path, ask, async ({ body }, endpoint) => {
      if (body === null) throw notOurs(endpoint, path);
      return bytesOf(body, endpoint);
    });
  }

  async #firstAnswer<T>(path: string, ask: Ask, read: Read<T>): Promise<T> {
    const failures: Failure[] = [];
    for (const endpoint of this.#chosen ? [this.#chosen] : this.#endpoints) {
      try {
        const answer = await this.#askOne(endpoint, path, ask, read);
        this.#chosen = endpoint;
        return answer;
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        if (error.exit !== EXIT.unreachable && error.exit !== EXIT.tryAgain) throw error;
        failures.push(error);
      }
    }
    const last = failures.findLast(({ exit }) => exit === EXIT.tryAgain) ?? failures.at(-1)!;
    const message = failures.map((failure) => failure.message).join("\n");
    throw new Failure(last.exit, last.code, message, last.next, { cause: last });
  }

  /** The limit holds until `read` is through. */
  async #askOne<T>(endpoint: URL, path: string, ask: Ask, read: Read<T>): Promise<T> {
    const abort = new AbortController();
    const limitMs = ask.answerMsMax ?? ANSWER_MS_MAX;
    const timer = setTimeout(() => abort.abort(), limitMs);
    const at = endpoint.href.replace(/\/$/, "");
    try {
      const response = await fetch(new URL(path.slice(1), endpoint), {
        method: ask.method ?? "GET",
        headers: {
          ...this.#headers,
          ...(ask.body ? { "content-type": "application/json" } : {}),
        },
        ...(ask.body ? { body: JSON.stringify(ask.body) } : {}),
        signal: abort.signal,
        redirect: "error",
      });
      if (response.ok || ask.alsoOk?.includes(response.status)) return await read(response, at);
      throw problemFailure(at, path, response.status, await bodyOf(response, at));
    } catch (error) {
      if (abort.signal.aborted) throw unreachable(at, `no answer within ${limitMs} ms`, error);
      throw error instanceof Failure ? error : unreachable(at, networkReason(error), error);
    } finally {
      clearTimeout(timer);
    }
  }
}

type Read<T> = (response: Response, endpoint: string) => Promise<T>;

function parseEndpoints(list: string): URL[] {
  const texts = list.split(",").map((text) => text.trim());
  if (texts.length > ENDPOINTS_MAX) throw badEndpoint(list, `more than ${ENDPOINTS_MAX} URLs`);
  return texts.map((text) => {
    const spelt = text.includes("://") ? text : `http://${text}`;
    if (text === "" || !URL.canParse(spelt)) throw badEndpoint(text, "this is no URL");
    const url = new URL(spelt);
    if (!/^https?:$/.test(url.protocol)) throw badEndpoint(text, "only http and https are spoken");
    if (url.username || url.password) {
      throw badEndpoint(url.host, "credentials do not belong in it, give them with --token");
    }
    if (!url.pathname.endsWith("/")) url.pathname += "/";
    return url;
  });
}

function badEndpoint(text: string, reason: string): Failure {
  return new Failure(
    EXIT.usage,
    "USAGE",
    `endpoint ${JSON.stringify(text)}: ${reason}`,
    "give --endpoint or NORNICDB_ENDPOINT as http://host:port, several separated by commas",
  );
}

/** A colon cannot stand in a bearer token, so that it tells user and password. */
function authorization(token: string): string {
  return token.includes(":")
    ? `Basic ${Buffer.from(token, "utf8").toString("base64")}`
    : `Bearer ${token}`;
}

async function bodyOf(response: Response, endpoint: string): Promise<Json | undefined> {
  try {
    const body: unknown = JSON.parse(await response.text());
    return typeof body === "object" && body !== null ? (body as Json) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw unreachable(endpoint, `the answer broke off: ${networkReason(error)}`, error);
  }
}

async function* bytesOf(
  body: AsyncIterable<Uint8Array>,
  endpoint: string,
): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw unreachable(endpoint, `the stream broke off: ${networkReason(error)}`, error);
  }
}

function networkReason(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const code = (cause as { readonly code?: unknown } | null)?.code;
  return causeText(cause) || (typeof code === "string" ? code : "no connection");
}

function unreachable(endpoint: string, reason: string, cause: unknown): Failure {
  return new Failure(
    EXIT.unreachable,
    "UNREACHABLE",
    `${endpoint}: ${reason}`,
    "check that the node runs and that --endpoint names its HTTP address; nornicctl doctor",
    { cause },
  );
}

function notOurs(endpoint: string, path: string): Failure {
  return new Failure(
    EXIT.failed,
    "NOT_OURS",
    `${endpoint} answered ${path} with something that is not ours`,
    "check that --endpoint names the HTTP address of a node",
  );
}

function problemFailure(at: string, path: string, status: number, body: Json | undefined): Failure {
  const { code, detail, hint, retryAfterMs, leader } = body ?? {};
  if (typeof code !== "string") {
    return status === 404
      ? notOurs(at, path)
      : new Failure(EXIT.failed, "NOT_OURS", `${at} answered ${status}`, "check --endpoint");
  }
  const again = RETRY_CODES.includes(code) || retryAfterMs !== undefined;
  const { http } = Object(leader) as { readonly http?: unknown };
  const next =
    typeof http === "string"
      ? `ask the leader: --endpoint ${http}`
      : typeof hint === "string"
        ? hint
        : nextOf(code, again);
  return new Failure(
    again ? EXIT.tryAgain : EXIT.failed,
    code,
    `${at}: ${typeof detail === "string" ? detail : code}`,
    next,
  );
}

function nextOf(code: string, again: boolean): string {
  if (code === "UNAUTHENTICATED" || code === "FORBIDDEN") {
    return "give credentials with --token or NORNICDB_TOKEN: a token, or user:password";
  }
  return again ? "run the command again in a moment" : "docs/errors.md tells what this code means";
}
