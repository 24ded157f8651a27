import { createServer, type RequestListener, type Server, type ServerOptions } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { Duplex } from "node:stream";
import swagger from "@fastify/swagger";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { type Awaitable, deferred } from "../../base/index.js";
import type { Address, Logger, Timers } from "../../runtime/index.js";
import { ReplicationError, type Service } from "../../service/index.js";
import { addAdminRoutes } from "./admin-routes.js";
import { sendJson, sendProblem } from "./answer.js";
import { addChangeRoutes } from "./change-routes.js";
import { ConnectionSignals } from "./connection-signals.js";
import type { HttpContext } from "./context.js";
import { EventSockets } from "./events.js";
import { addGraphRoutes } from "./graph-routes.js";
import { addHealthRoutes } from "./health-routes.js";
import { parseJsonBody } from "./json-body.js";
import { HTTP_LIMITS, type HttpLimits } from "./limits.js";
import { OpenSockets } from "./open-sockets.js";
import { toProblem, toReplicationError } from "./problem.js";
import { SHARED_SCHEMAS } from "./schemas.js";

/** PEM texts. With `ca`, clients must show a certificate that it signed. */
export interface HttpTls {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string | undefined;
  readonly minVersion?: "TLSv1.2" | "TLSv1.3" | undefined;
}

export interface HttpServerParts {
  readonly service: Service;
  /** Port 0 picks a free one. */
  readonly address: Address;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly tls?: HttpTls | undefined;
  /** The text of `/metrics`. */
  readonly metricsText: () => Awaitable<string>;
  /** Where a node serves HTTP (`http://host:port`), for redirects and errors. */
  readonly httpOf?: ((nodeId: string) => string | undefined) | undefined;
  /** As `httpOf`, and asks the node when it is not known yet. */
  readonly findHttp?: ((nodeId: string) => Awaitable<string | undefined>) | undefined;
  readonly limits?: Partial<HttpLimits> | undefined;
}

export interface HttpServer {
  /** @throws the system's error (`EADDRINUSE`, …) */
  listen(): Promise<Address>;
  /** New connections get these certificates; open ones go on. */
  reloadTls(tls: HttpTls): void;
  /**
   * Stops accepting, refuses new requests with `SHUTTING_DOWN`, ends streams, and lets what is
   * under way finish. After `drainMs` what still waits is answered `COMMIT_UNKNOWN`; `cutMs` later
   * the rest is cut. Idempotent.
   */
  close(): Promise<void>;
}

const DRAIN_STEP_MS = 20;

export async function createHttpServer(parts: HttpServerParts): Promise<HttpServer> {
  const server = new FastifyHttpServer(parts);
  await server.prepare();
  return server;
}

class FastifyHttpServer implements HttpServer {
  readonly #parts: HttpServerParts;
  readonly #context: HttpContext;
  readonly #closing = new AbortController();
  readonly #server: Server | TlsServer;
  readonly #sockets: OpenSockets;
  readonly #app: FastifyInstance;
  readonly #events: EventSockets;
  #closed: Promise<void> | undefined;

  constructor(parts: HttpServerParts) {
    const { service, timers, logger, metricsText } = parts;
    const limits = { ...HTTP_LIMITS, ...parts.limits };
    this.#parts = parts;
    this.#context = {
      service,
      timers,
      logger,
      metricsText,
      limits,
      signals: new ConnectionSignals(),
      closing: this.#closing.signal,
      httpOf: parts.httpOf ?? (() => undefined),
      findHttp: parts.findHttp ?? parts.httpOf ?? (() => undefined),
    };
    this.#events = new EventSockets(this.#context);
    let listener: RequestListener = () => {};
    this.#server = makeServer(
      (request, response) => listener(request, response),
      limits,
      parts.tls,
    );
    this.#sockets = new OpenSockets(this.#server);
    this.#app = fastify({
      logger: false,
      bodyLimit: limits.bodyBytesMax,
      return503OnClosing: false,
      exposeHeadRoutes: false,
      routerOptions: { maxParamLength: limits.pathParameterCharsMax },
      frameworkErrors: (error, request, reply) =>
        sendProblem(this.#context, request, reply as FastifyReply, error, false),
      clientErrorHandler: (error, socket) => refuseUnreadable(this.#context, error, socket),
      serverFactory: (handler) => {
        listener = handler;
        return this.#server as Server;
      },
    });
    this.#server.on("upgrade", (request, socket, head) =>
      this.#events.onUpgrade(request, socket, head),
    );
  }

  /** Builds the routes; before this nothing is served. */
  async prepare(): Promise<void> {
    const app = this.#app;
    const context = this.#context;
    app.setValidatorCompiler(() => () => true);
    app.setSerializerCompiler(() => JSON.stringify);
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("application/json", { parseAs: "string" }, (_request, body, done) => {
      try {
        const text = body as string;
        done(null, text === "" ? undefined : parseJsonBody(text, context.limits.jsonDepthMax));
      } catch (error) {
        done(error as Error);
      }
    });
    app.setErrorHandler((error, request, reply) =>
      sendProblem(context, request, reply, error, false),
    );
    app.setNotFoundHandler((request, reply) =>
      sendProblem(context, request, reply, notFound(app, request), false),
    );
    for (const schema of SHARED_SCHEMAS) app.addSchema(schema);
    await app.register(swagger, OPENAPI);
    addGraphRoutes(app, context);
    addChangeRoutes(app, context);
    addHealthRoutes(app, context);
    addAdminRoutes(app, context);
    app.get("/openapi.json", { schema: { hide: true } }, (_request, reply) =>
      sendJson(reply, 200, app.swagger()),
    );
    await app.ready();
  }

  async listen(): Promise<Address> {
    const { host, port } = this.#parts.address;
    const listening = deferred();
    this.#server.once("error", listening.reject);
    this.#server.listen({ host, port }, () => listening.resolve());
    await listening.promise;
    this.#server.off("error", listening.reject);
    this.#server.on("error", (error) =>
      this.#context.logger.log("error", "http_server_error", "The HTTP listener failed", {
        reason: error.message,
      }),
    );
    const bound = this.#server.address();
    if (bound === null || typeof bound === "string") throw new Error("the server has no port");
    return { host, port: bound.port };
  }

  reloadTls(tls: HttpTls): void {
    if ("setSecureContext" in this.#server) this.#server.setSecureContext(tlsOptions(tls));
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const { limits, signals, timers } = this.#context;
    this.#closing.abort(new Error("the node is shutting down"));
    this.#events.close();
    if (this.#server.listening) {
      const stopped = deferred();
      this.#server.close(() => stopped.resolve());
      const cancels = [
        timers.after(limits.drainMs, () =>
          signals.abortAll(new Error("the node is shutting down")),
        ),
        timers.after(limits.drainMs + limits.cutMs, () => {
          this.#events.terminate();
          this.#sockets.cutAll();
        }),
        this.#closeIdle(),
      ];
      await stopped.promise;
      for (const cancel of cancels) cancel();
    }
    await this.#app.close();
  }

  /** Connections end as soon as they have had their answer, and at once when none is due. */
  #closeIdle(): () => void {
    const { timers } = this.#context;
    let cancel = () => {};
    const step = () => {
      this.#server.closeIdleConnections();
      this.#sockets.closeSilent();
      cancel = timers.after(DRAIN_STEP_MS, step);
    };
    step();
    return () => cancel();
  }
}

function makeServer(listener: RequestListener, limits: HttpLimits, tls?: HttpTls) {
  const options: ServerOptions = {
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(5000, limits.headersTimeoutMs),
    noDelay: true,
    keepAlive: true,
  };
  const server = tls
    ? createTlsServer({ ...options, ...tlsOptions(tls) }, listener)
    : createServer(options, listener);
  server.maxConnections = limits.connectionsMax;
  server.timeout = limits.connectionTimeoutMs;
  return server;
}

function tlsOptions({ cert, key, ca, minVersion }: HttpTls) {
  return {
    cert,
    key,
    minVersion: minVersion ?? "TLSv1.2",
    ...(ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: true }),
  };
}

function notFound(app: FastifyInstance, request: FastifyRequest): ReplicationError {
  const path = (request.raw.url ?? "/").split("?", 1)[0]!;
  const methods = ["GET", "PUT", "PATCH", "POST", "DELETE"].filter((method) =>
    app.findRoute({ method, url: path }),
  );
  const hint = methods.length > 0 ? `it takes ${methods.join(", ")}` : "see /openapi.json";
  return new ReplicationError(
    "NOT_FOUND",
    `${request.method} ${path.slice(0, 200)}: no such request`,
    {
      hint,
    },
  );
}

/** What node refuses before there is a request: bad syntax, too many headers, too slow. */
function refuseUnreadable(
  context: HttpContext,
  error: NodeJS.ErrnoException,
  socket: Duplex,
): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const big = error.code === "HPE_HEADER_OVERFLOW";
  const slow = error.code === "ERR_HTTP_REQUEST_TIMEOUT";
  const what = slow ? "the request did not arrive in time" : "the request is not HTTP";
  const cause = big
    ? new ReplicationError("TOO_LARGE", "the headers are too large")
    : new ReplicationError("INVALID", what);
  const problem = toProblem(toReplicationError(cause, false), context.httpOf);
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 ${problem.status} Refused\r\nconnection: close\r\n` +
      `content-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

const OPENAPI = {
  openapi: {
    openapi: "3.1.0",
    info: {
      title: "nornic-replication",
      description:
        "A replicated graph store. Errors are application/problem+json; match on `code`.",
      version: "1",
    },
    components: {
      securitySchemes: {
        password: { type: "http" as const, scheme: "basic" },
        token: { type: "http" as const, scheme: "bearer" },
      },
    },
    security: [{ password: [] }, { token: [] }],
  },
  refResolver: {
    buildLocalReference: (
      json: { $id?: unknown },
      _base: unknown,
      _fragment: string,
      at: number,
    ) => (typeof json.$id === "string" ? json.$id : `schema-${at}`),
  },
};
