import { createServer, type Server, type Socket } from "node:net";
import * as tls from "node:tls";
import type { Address, Listener, ListenOptions, Network, Stream, TlsOptions } from "../network.js";
import { dial } from "./dial.js";
import { BUFFER_BYTES, remoteOf, SocketStream } from "./stream.js";
import { codeOf, systemError } from "./system-error.js";
import { credentials } from "./tls-credentials.js";

/** TCP, with TLS on top where asked for. */
export function nodeNetwork(): Network {
  return { connect: dial, listen };
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
