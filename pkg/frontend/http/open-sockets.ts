import type { Server } from "node:http";
import type { Server as TlsServer } from "node:https";
import type { Socket } from "node:net";

/**
 * The sockets of a server, also those that node does not count as idle connections: opened ahead
 * of a request that never came, or still in the TLS handshake.
 */
export class OpenSockets {
  readonly #all = new Set<Socket>();
  readonly #readable = new Set<Socket>();

  constructor(server: Server | TlsServer) {
    keep(this.#all, server, "connection");
    keep(this.#readable, server, "setSecureContext" in server ? "secureConnection" : "connection");
  }

  /** Closes the connections on which nothing was ever asked. */
  closeSilent(): void {
    for (const socket of this.#readable) if (socket.bytesRead === 0) socket.destroy();
  }

  cutAll(): void {
    for (const socket of this.#all) socket.destroy();
  }
}

function keep(sockets: Set<Socket>, server: Server | TlsServer, event: string): void {
  server.on(event, (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
}
