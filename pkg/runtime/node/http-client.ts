import * as http from "node:http";
import * as https from "node:https";
import type { HttpAnswer, HttpClient, HttpRequest } from "../http-client.js";
import { credentials } from "./tls-credentials.js";

const IDLE_SOCKETS_MAX = 8;

export function nodeHttpClient(): HttpClient {
  return new NodeHttpClient();
}

class NodeHttpClient implements HttpClient {
  readonly #plain = new http.Agent({ keepAlive: true, maxFreeSockets: IDLE_SOCKETS_MAX });
  readonly #secure = new https.Agent({ keepAlive: true, maxFreeSockets: IDLE_SOCKETS_MAX });

  async send(request: HttpRequest): Promise<HttpAnswer> {
    const deadline = AbortSignal.timeout(request.timeoutMs);
    const response = await this.#begin(request, deadline);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response) {
      bytes += (chunk as Buffer).length;
      if (bytes > request.answerBytesMax) throw tooLong(response, request);
      chunks.push(chunk as Buffer);
    }
    return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") };
  }

  async follow(request: HttpRequest, onLine: (line: string) => void): Promise<void> {
    const head = new AbortController();
    const giveUp = setTimeout(() => head.abort(timedOut(request)), request.timeoutMs);
    const response = await this.#begin(request, head.signal).finally(() => clearTimeout(giveUp));
    const status = response.statusCode ?? 0;
    if (status < 200 || status > 299) {
      response.destroy();
      throw new Error(`HTTP ${status} from ${request.url}`);
    }
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of response) {
      const lines = (rest + decoder.decode(chunk as Buffer, { stream: true })).split("\n");
      rest = lines.pop() as string;
      if (rest.length > request.answerBytesMax) throw tooLong(response, request);
      for (const line of lines) onLine(line);
    }
    if (rest !== "") onLine(rest);
  }

  close(): void {
    this.#plain.destroy();
    this.#secure.destroy();
  }

  #begin(request: HttpRequest, deadline: AbortSignal): Promise<http.IncomingMessage> {
    const secure = request.url.startsWith("https:");
    const signals = request.signal === undefined ? [deadline] : [deadline, request.signal];
    const { tls } = request;
    const options: https.RequestOptions = {
      method: request.method,
      headers: {
        ...(request.body === undefined ? {} : { "content-type": "application/json" }),
        ...request.headers,
      },
      signal: AbortSignal.any(signals),
      agent: secure ? this.#secure : this.#plain,
      ...(secure && tls ? credentials(tls) : {}),
    };
    return new Promise((resolve, reject) => {
      const sent = (secure ? https : http).request(request.url, options, resolve);
      sent.on("error", reject);
      sent.end(request.body);
    });
  }
}

function tooLong(response: http.IncomingMessage, request: HttpRequest): Error {
  response.destroy();
  return new Error(`the answer is longer than ${request.answerBytesMax} bytes: ${request.url}`);
}

function timedOut(request: HttpRequest): Error {
  return new Error(`no answer within ${request.timeoutMs} ms from ${request.url}`);
}
