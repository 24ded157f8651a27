import { connect, createServer, isIP, type Server, type Socket } from "node:net";
import * as tls from "node:tls";
import type {
  Address,
  ConnectOptions,
  Listener,
  ListenOptions,
  Network,
  Stream,
  TlsOptions,
} from "../network.js";
import { remoteOf, SocketStream } from "./stream.js";
import { codeOf, systemError } from "./system-error.js";

/** Bytes that a socket buffers before `write` answers false. */
const BUFFER_BYTES = 256 * 1024;

/** TCP, with TLS on top where asked for. */
export function nodeNetwork(): Network {
  return { connect: open, listen };
}

/**
 * What gets lost of a dial the system repeats after a second, and then ever later. A network that
 * heals would have to wait for that, so another dial goes out beside those under way, and the first
 * that gets through is it.
 */
const DIAL_AGAIN_MS = 250;
const DIALS_MAX = 24;

function open(address: Address, options: ConnectOptions): Promise<Stream> {
  return new Promise((resolve, reject) => {
    /** Each with what lets go of it. */
    const dialed = new Map<Socket, () => void>();
    let isLooking = isIP(address.host) === 0;
    let isOver = false;
    begin();
    // Behind what has arrived: after a stall the answer may be here already.
    const again = setInterval(() => setImmediate(repeat), DIAL_AGAIN_MS);
    let limit = setTimeout(giveUp, options.timeoutMs);

    function begin(): void {
      const socket = dial(address, options.tls);
      dialed.set(socket, () => void socket.off("error", onError).off("close", onClose));
      socket.once("lookup", () => {
        isLooking = false;
      });
      socket.on("error", onError);
      socket.on("close", onClose);
      socket.once("connect", () => {
        keepOnly(socket);
        limit = setTimeout(giveUp, options.timeoutMs);
      });
      socket.once(options.tls ? "secureConnect" : "connect", () => {
        clearTimeout(limit);
        const stream = new SocketStream(socket);
        dialed.get(socket)?.();
        resolve(stream);
      });

      /** One that fails by itself leaves the others; that nobody listens is true for all. */
      function onError(error: Error): void {
        dialed.delete(socket);
        if (dialed.size === 0 || codeOf(error) === "ECONNREFUSED") fail(error);
      }

      function onClose(): void {
        dialed.delete(socket);
        if (dialed.size === 0) fail();
      }
    }

    /** A name is looked up once: lookups cannot be taken back, and would queue up. */
    function repeat(): void {
      if (!isOver && !isLooking && dialed.size < DIALS_MAX) begin();
    }

    function giveUp(): void {
      fail(systemError("ETIMEDOUT", `no answer within ${options.timeoutMs} ms`));
    }

    function fail(cause?: Error): void {
      keepOnly(undefined);
      const code = (cause && codeOf(cause)) ?? "ECONNRESET";
      const target = `${address.host}:${address.port}`;
      reject(systemError(code, `cannot connect to ${target}: ${cause?.message || code}`, cause));
    }

    function keepOnly(kept: Socket | undefined): void {
      isOver = true;
      clearInterval(again);
      clearTimeout(limit);
      for (const [socket, letGo] of dialed) {
        if (socket === kept) continue;
        dialed.delete(socket);
        letGo();
        socket.on("error", () => {}).destroy();
      }
    }
  });
}

function dial({ host, port }: Address, options: TlsOptions | undefined): Socket {
  const sizes = { highWaterMark: BUFFER_BYTES, writableHighWaterMark: BUFFER_BYTES };
  if (!options) return connect({ host, port, ...sizes });
  const expected = options.serverName ?? host;
  return tls.connect({
    host,
    port,
    ...sizes,
    ...credentials(options),
    rejectUnauthorized: options.verifyPeer,
    // An address must not be sent as a server name, but is still what the certificate must say.
    ...(isIP(expected) === 0 ? { servername: expected } : {}),
    checkServerIdentity: (_name, certificate) => tls.checkServerIdentity(expected, certificate),
  });
}

function credentials(options: TlsOptions): tls.SecureContextOptions {
  return {
    cert: options.certificate,
    key: options.key,
    minVersion: options.minVersion,
    ...(options.authority === "" ? {} : { ca: options.authority }),
    ...(options.cipherSuites === undefined ? {} : { ciphers: options.cipherSuites }),
  };
}

function listen(
  address: Address,
  options: ListenOptions,
  onStream: (stream: Stream) => void,
): Promise<Listener> {
  const handshakes = new Set<Socket>();
  const server = options.tls
    ? tlsServer(options.tls, options, handshakes, onStream)
    : createServer({ pauseOnConnect: true, highWaterMark: BUFFER_BYTES }, (socket) =>
        onStream(new SocketStream(socket)),
      );
  return new Promise((resolve, reject) => {
    const onFail = (error: Error) => {
      const target = `${address.host}:${address.port}`;
      const code = codeOf(error) ?? "EINVAL";
      reject(systemError(code, `cannot listen on ${target}: ${error.message}`, error));
    };
    // Stays for the server's whole life: after listening, a failed accept is not our end.
    server.on("error", onFail);
    server.listen(address.port, address.host, () => {
      resolve(listenerOf(server, address.host, handshakes));
    });
  });
}

function listenerOf(server: Server, host: string, handshakes: Set<Socket>): Listener {
  const bound = server.address();
  const port = bound !== null && typeof bound === "object" ? bound.port : 0;
  return {
    address: { host, port },
    async close() {
      if (server.listening) server.close();
      for (const socket of handshakes) socket.destroy();
    },
  };
}

function tlsServer(
  options: TlsOptions,
  { handshakeTimeoutMs, onRefused }: ListenOptions,
  handshakes: Set<Socket>,
  onStream: (stream: Stream) => void,
): Server {
  const server = tls.createServer({
    ...credentials(options),
    requestCert: options.verifyPeer,
    rejectUnauthorized: options.verifyPeer,
    handshakeTimeout: handshakeTimeoutMs,
    highWaterMark: BUFFER_BYTES,
  });
  const byRemote = new Map<string, Socket>();
  server.on("connection", (raw: Socket) => {
    const remote = remoteOf(raw);
    handshakes.add(raw);
    byRemote.set(remote, raw);
    raw.on("error", () => {});
    raw.on("close", () => {
      handshakes.delete(raw);
      if (byRemote.get(remote) === raw) byRemote.delete(remote);
    });
  });
  server.on("secureConnection", (socket) => {
    const raw = byRemote.get(remoteOf(socket));
    if (raw) handshakes.delete(raw);
    onStream(new SocketStream(socket));
  });
  server.on("tlsClientError", (error, socket) => {
    onRefused?.(codeOf(error) ?? error.message, remoteOf(socket));
    socket.on("error", () => {});
    socket.destroy();
  });
  return server;
}
