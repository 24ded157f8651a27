import type { TlsOptions } from "./network.js";

export interface HttpRequest {
  readonly method: "GET" | "POST";
  /** `http://…` or `https://…`. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | undefined;
  /** Used for `https`; the server's certificate is checked against its authority. */
  readonly tls?: TlsOptions | undefined;
  /** Longest wait for the whole answer, or for the head of one that is followed. */
  readonly timeoutMs: number;
  /** Bytes of an answer, or of one line of it; a longer one fails. */
  readonly answerBytesMax: number;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

/** Requests to other programs. Connections are kept and used again. */
export interface HttpClient {
  /** @throws Error when no whole answer came; whether the request was carried out is unknown */
  send(request: HttpRequest): Promise<HttpAnswer>;
  /**
   * An answer without end, line by line.
   * @returns when the other side ended it
   * @throws Error as `send`, also when the stream breaks off, or the signal aborts
   */
  follow(request: HttpRequest, onLine: (line: string) => void): Promise<void>;
  /** Ends idle connections and those of requests under way. Idempotent. */
  close(): void;
}
