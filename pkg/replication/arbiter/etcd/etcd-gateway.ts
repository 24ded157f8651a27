import type { HttpClient, TlsOptions } from "../../../runtime/index.js";
import { ArbiterError, type ArbiterErrorCode } from "../../ports/index.js";
import { ARBITER_LIMITS } from "../limits.js";

export interface EtcdLogin {
  readonly user: string;
  readonly password: string;
}

export interface EtcdGatewayParts {
  readonly http: HttpClient;
  /** `host:port` of the client port of each member. */
  readonly addresses: readonly string[];
  /** With it members are asked over https. */
  readonly tls?: TlsOptions | undefined;
  readonly login?: EtcdLogin | undefined;
  /** Longest wait for one answer. */
  readonly timeoutMs: number;
}

export interface EtcdValue {
  readonly value: string;
  readonly modRevision: string;
  /** `0`: kept for good. */
  readonly lease: string;
}

export interface EtcdReading {
  readonly values: readonly (EtcdValue | undefined)[];
  readonly revision: string;
}

/** Keys from `from` up to but without `to`, after `revision`. */
export interface EtcdRange {
  readonly from: string;
  readonly to: string;
  readonly revision: string;
}

export interface EtcdPut {
  readonly key: string;
  readonly value: string;
  readonly lease?: string | undefined;
}

export interface EtcdChange {
  /** Nothing happens unless all of these are as they were; `0`: not there. */
  readonly unchanged: readonly { readonly key: string; readonly modRevision: string }[];
  readonly puts: readonly EtcdPut[];
  readonly deletes: readonly string[];
}

/** Numbers of gRPC that say what went wrong. */
const GRPC = { invalid: 3, notFound: 5, denied: 7, exhausted: 8, unauthenticated: 16 } as const;
const NO_LOGIN = /authentication failed|user name is empty/;
const FOREIGN_TOKEN = /auth token|auth: revision/;

interface Answer {
  readonly [key: string]: unknown;
}

/** The parts of etcd's API that a lease takes, over the JSON gateway of each member. */
export class EtcdGateway {
  readonly #parts: EtcdGatewayParts;
  #at = 0;
  #token: string | undefined;

  constructor(parts: EtcdGatewayParts) {
    this.#parts = parts;
  }

  /** From now on another member is asked. */
  rotate(): void {
    this.#at = (this.#at + 1) % this.#parts.addresses.length;
  }

  get members(): number {
    return this.#parts.addresses.length;
  }

  /** Linearizable: all values as of one moment, and the revision of that moment. */
  async read(keys: readonly string[]): Promise<EtcdReading> {
    const success = keys.map((key) => ({ request_range: { key: base64(key) } }));
    const { responses, header } = await this.#call("kv/txn", { success });
    const ranges = listOf(responses).map((one) => recordOf(recordOf(one).response_range));
    return {
      values: keys.map((_key, at) => toValue(listOf(ranges[at]?.kvs)[0])),
      revision: textOf(recordOf(header).revision, "kv/txn: revision"),
    };
  }

  /** @returns false when something had changed, and nothing happened */
  async change({ unchanged, puts, deletes }: EtcdChange): Promise<boolean> {
    const compare = unchanged.map(({ key, modRevision }) => ({
      key: base64(key),
      target: "MOD",
      result: "EQUAL",
      mod_revision: modRevision,
    }));
    const success = [
      ...puts.map(({ key, value, lease }) => ({
        request_put: { key: base64(key), value: base64(value), lease: lease ?? "0" },
      })),
      ...deletes.map((key) => ({ request_delete_range: { key: base64(key) } })),
    ];
    const { succeeded } = await this.#call("kv/txn", { compare, success });
    return succeeded === true;
  }

  async grant(ttlSeconds: number): Promise<string> {
    const { ID } = await this.#call("lease/grant", { TTL: String(ttlSeconds), ID: "0" });
    return textOf(ID, "lease/grant: ID");
  }

  /** @returns the seconds it runs from now; 0 when it has run out */
  async keepAlive(lease: string): Promise<number> {
    const { result } = await this.#call("lease/keepalive", { ID: lease });
    return Number(recordOf(result).TTL ?? 0);
  }

  async revoke(lease: string): Promise<void> {
    await this.#call("lease/revoke", { ID: lease });
  }

  /** Calls back at each change of a key in the range that came after `revision`. */
  async watch(range: EtcdRange, onChange: () => void, signal: AbortSignal): Promise<void> {
    const start_revision = String(BigInt(range.revision) + 1n);
    const ends = { key: base64(range.from), range_end: base64(range.to) };
    const token = await this.#login();
    const request = this.#request("watch", { create_request: { ...ends, start_revision } }, token);
    try {
      await this.#parts.http.follow({ ...request, signal }, (line) => {
        const { result, error } = recordOf(parse(line));
        const { canceled, events } = recordOf(result);
        if (error !== undefined || canceled === true) {
          throw new ArbiterError("UNREACHABLE", "etcd: the watch was cancelled");
        }
        if (listOf(events).length > 0) onChange();
      });
    } catch (error) {
      this.#token = undefined;
      throw error;
    }
  }

  async #call(path: string, body: object): Promise<Answer> {
    const token = await this.#login();
    try {
      return await this.#send(path, body, token);
    } catch (error) {
      if (token === undefined || !isForeignToken(error)) throw error;
      this.#token = undefined;
      return this.#send(path, body, await this.#login());
    }
  }

  async #login(): Promise<string | undefined> {
    const { login } = this.#parts;
    if (login === undefined || this.#token !== undefined) return this.#token;
    const body = { name: login.user, password: login.password };
    const { token } = await this.#send("auth/authenticate", body, undefined);
    this.#token = textOf(token, "auth/authenticate: token");
    return this.#token;
  }

  #request(path: string, body: object, token: string | undefined) {
    const { addresses, tls, timeoutMs } = this.#parts;
    return {
      method: "POST" as const,
      url: `${tls === undefined ? "http" : "https"}://${addresses[this.#at]}/v3/${path}`,
      headers: token === undefined ? {} : { authorization: token },
      body: JSON.stringify(body),
      tls,
      timeoutMs,
      answerBytesMax: ARBITER_LIMITS.answerBytesMax,
    };
  }

  async #send(path: string, body: object, token: string | undefined): Promise<Answer> {
    const request = this.#request(path, body, token);
    const answer = await this.#parts.http.send(request).catch((cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new ArbiterError("UNREACHABLE", `etcd at ${request.url}: ${reason}`, { cause });
    });
    const fields = recordOf(parse(answer.text.split("\n")[0] ?? ""));
    const failure = fields.error;
    if (answer.status === 200 && failure === undefined) return fields;
    const inStream = recordOf(failure);
    const message = String(inStream.message ?? fields.message ?? failure ?? "");
    const code = Number(inStream.grpc_code ?? fields.code ?? Number.NaN);
    throw new EtcdError(code, `etcd at ${request.url}: HTTP ${answer.status} ${message}`.trim());
  }
}

/** etcd answered that it did not do it. */
export class EtcdError extends ArbiterError {
  constructor(
    readonly grpcCode: number,
    message: string,
  ) {
    super(codeOf(grpcCode, message), message);
  }

  /** A lease that is named in a request is not there any more; nothing happened. */
  get leaseGone(): boolean {
    return this.grpcCode === GRPC.notFound;
  }
}

function codeOf(grpcCode: number, message: string): ArbiterErrorCode {
  if (grpcCode === GRPC.denied || grpcCode === GRPC.unauthenticated) return "REFUSED";
  if (grpcCode === GRPC.exhausted || NO_LOGIN.test(message)) return "REFUSED";
  return grpcCode === GRPC.invalid ? "INVALID" : "UNREACHABLE";
}

function isForeignToken(error: unknown): boolean {
  if (!(error instanceof EtcdError)) return false;
  return error.grpcCode === GRPC.unauthenticated || FOREIGN_TOKEN.test(error.message);
}

function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}

function toValue(kv: unknown): EtcdValue | undefined {
  if (kv === undefined) return undefined;
  const { value, mod_revision, lease } = recordOf(kv);
  return {
    value: Buffer.from(String(value ?? ""), "base64").toString("utf8"),
    modRevision: textOf(mod_revision, "kv/txn: mod_revision"),
    lease: String(lease ?? "0"),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function recordOf(value: unknown): Answer {
  return typeof value === "object" && value !== null ? (value as Answer) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: unknown, field: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw new ArbiterError("INVALID", `etcd answers without ${field}; is this etcd's client port?`);
}
