import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { type ErrorDetails, ReplicationError } from "../../service/index.js";
import type { HttpContext } from "./context.js";
import { replicationHealth } from "./health-body.js";
import { toProblem, toReplicationError } from "./problem.js";
import { toCredentials } from "./route.js";

/** `WS /events`: the node's state once, then each event as one JSON message. */
export class EventSockets {
  readonly #context: HttpContext;
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: 1024 });

  constructor(context: HttpContext) {
    this.#context = context;
  }

  /** Takes over a connection that asked to be upgraded, or refuses it in HTTP. */
  onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    try {
      this.#admit(request);
    } catch (error) {
      refuse(socket, this.#context, error);
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (client) => this.#serve(client));
  }

  close(): void {
    for (const client of this.#server.clients) client.close(1001, "the node is shutting down");
  }

  /** For clients that did not answer the closing. */
  terminate(): void {
    for (const client of this.#server.clients) client.terminate();
  }

  #admit(request: IncomingMessage): void {
    const { service, closing } = this.#context;
    if (closing.aborted) throw new ReplicationError("SHUTTING_DOWN", "this node is shutting down");
    const path = (request.url ?? "/").split("?", 1)[0];
    if (path !== "/events") throw new ReplicationError("NOT_FOUND", "only /events is a WebSocket");
    const { origin, host } = request.headers;
    if (origin !== undefined && !isSameOrigin(origin, host)) {
      const details: ErrorDetails = { field: "origin" };
      throw new ReplicationError("FORBIDDEN", "Origin: pages of other hosts may not", details);
    }
    const { authenticator } = service;
    if (!authenticator.required) return;
    const source = request.socket.remoteAddress ?? "";
    const credentials = toCredentials(request.headers.authorization);
    authenticator.authorize(authenticator.authenticate(credentials, source), "read");
  }

  #serve(client: WebSocket): void {
    const { service, limits } = this.#context;
    const send = (message: unknown) => {
      if (client.readyState !== client.OPEN) return;
      if (client.bufferedAmount > limits.eventBytesMax) client.terminate();
      else client.send(JSON.stringify(message));
    };
    client.on("error", () => client.terminate());
    try {
      const stop = service.onEvent(send);
      client.once("close", stop);
    } catch {
      client.close(1013, "too many listen already");
      return;
    }
    service.health().then(
      (health) => send({ kind: "state_now", replication: replicationHealth(health) }),
      () => client.close(1011, "the node does not answer"),
    );
  }
}

function isSameOrigin(origin: string, host: string | undefined): boolean {
  return URL.canParse(origin) && new URL(origin).host === host;
}

function refuse(socket: Duplex, context: HttpContext, thrown: unknown): void {
  const problem = toProblem(toReplicationError(thrown, false), context.httpOf);
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 ${problem.status} ${problem.title}\r\nconnection: close\r\n` +
      `content-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
