import { connect, isIP, type Socket } from "node:net";
import * as tls from "node:tls";
import type { Address, ConnectOptions, Stream, TlsOptions } from "../network.js";
import { BUFFER_BYTES, SocketStream } from "./stream.js";
import { codeOf, systemError } from "./system-error.js";
import { credentials } from "./tls-credentials.js";

/**
 * What gets lost of a dial the system repeats after a second, and then ever later. A network that
 * heals would have to wait for that, so another dial goes out beside those under way, and the first
 * that gets through is it.
 */
const DIAL_AGAIN_MS = 250;
const DIALS_MAX = 24;

/** See `Network.connect`. */
export function dial(address: Address, options: ConnectOptions): Promise<Stream> {
  return new Promise((resolve, reject) => new Dialling(address, options, { resolve, reject }));
}

interface Outcome {
  resolve(stream: Stream): void;
  reject(error: Error): void;
}

class Dialling {
  readonly #address: Address;
  readonly #options: ConnectOptions;
  readonly #outcome: Outcome;
  /** Those under way, each with what lets go of it. */
  readonly #open = new Map<Socket, () => void>();
  readonly #again: NodeJS.Timeout;
  #limit: NodeJS.Timeout;
  /** A name is being looked up. */
  #isLooking = false;
  #isOver = false;

  constructor(address: Address, options: ConnectOptions, outcome: Outcome) {
    this.#address = address;
    this.#options = options;
    this.#outcome = outcome;
    this.#begin();
    // Behind what has arrived: after a stall the answer may be here already.
    this.#again = setInterval(() => setImmediate(() => this.#repeat()), DIAL_AGAIN_MS);
    this.#limit = this.#startLimit();
  }

  #begin(): void {
    const { tls: secured } = this.#options;
    this.#isLooking = isIP(this.#address.host) === 0;
    const socket = openSocket(this.#address, secured);
    /** One that fails by itself leaves the others; that nobody listens is true for all. */
    const onError = (error: Error) => {
      this.#open.delete(socket);
      if (this.#open.size === 0 || codeOf(error) === "ECONNREFUSED") this.#fail(error);
    };
    const onClose = () => {
      this.#open.delete(socket);
      if (this.#open.size === 0) this.#fail();
    };
    this.#open.set(socket, () => void socket.off("error", onError).off("close", onClose));
    socket.on("error", onError);
    socket.on("close", onClose);
    socket.once("lookup", () => {
      this.#isLooking = false;
    });
    socket.once("connect", () => {
      this.#keepOnly(socket);
      this.#limit = this.#startLimit();
    });
    socket.once(secured ? "secureConnect" : "connect", () => {
      clearTimeout(this.#limit);
      const stream = new SocketStream(socket);
      this.#open.get(socket)?.();
      this.#outcome.resolve(stream);
    });
  }

  /** Not while a name is looked up: lookups cannot be taken back, and would queue up. */
  #repeat(): void {
    if (!this.#isOver && !this.#isLooking && this.#open.size < DIALS_MAX) this.#begin();
  }

  #startLimit(): NodeJS.Timeout {
    const { timeoutMs } = this.#options;
    return setTimeout(() => {
      this.#fail(systemError("ETIMEDOUT", `no answer within ${timeoutMs} ms`));
    }, timeoutMs);
  }

  #fail(cause?: Error): void {
    this.#keepOnly(undefined);
    const code = (cause && codeOf(cause)) ?? "ECONNRESET";
    const target = `${this.#address.host}:${this.#address.port}`;
    const reason = cause?.message || code;
    this.#outcome.reject(systemError(code, `cannot connect to ${target}: ${reason}`, cause));
  }

  #keepOnly(kept: Socket | undefined): void {
    this.#isOver = true;
    clearInterval(this.#again);
    clearTimeout(this.#limit);
    for (const [socket, letGo] of this.#open) {
      if (socket === kept) continue;
      this.#open.delete(socket);
      letGo();
      socket.on("error", () => {}).destroy();
    }
  }
}

function openSocket({ host, port }: Address, options: TlsOptions | undefined): Socket {
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
