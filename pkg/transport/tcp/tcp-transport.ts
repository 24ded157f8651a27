import { closeInOrder, type NodeId } from "../../base/index.js";
import {
  type CallOptions,
  type PeerConnection,
  type PeerMessage,
  type RequestHandler,
  type Transport,
  TransportError,
} from "../../replication/ports/index.js";
import type { TlsOptions } from "../../runtime/index.js";
import { Acceptor } from "./acceptor.js";
import { parseAddress } from "./address.js";
import { TransportContext } from "./context.js";
import { LANES, type LaneName } from "./handshake.js";
import { Lane } from "./lane.js";
import type { TransportOptions } from "./options.js";

const SECRET_BYTES_MIN = 16;

export interface ClusterTransport extends Transport, AsyncDisposable {
  /** From now on new connections use these certificates; open ones stay. */
  updateTls(tls: TlsOptions): Promise<void>;
  /** Calls without an answer yet, over all peers. */
  pendingCalls(): number;
  /** Connections accepted and open, also those still greeting. */
  inboundConnections(): number;
}

/**
 * @throws TransportError `INVALID` for options that would leave the port open to anybody without
 * saying so
 */
export function createTransport(options: TransportOptions): ClusterTransport {
  checkOptions(options);
  return new TcpTransport(options);
}

function checkOptions(options: TransportOptions): void {
  const { secret, tls, insecure, legacyPeers } = options;
  if (secret !== undefined && secret.length < SECRET_BYTES_MIN) {
    throw new TransportError("INVALID", `secret: at least ${SECRET_BYTES_MIN} bytes are needed`);
  }
  const proven = secret !== undefined || tls?.verifyPeer === true;
  if (!proven && insecure !== true) {
    const text = "set a cluster secret, or TLS that verifies the peer, or say insecure: true";
    throw new TransportError("INVALID", text);
  }
  if (legacyPeers === true && proven) {
    throw new TransportError(
      "INVALID",
      "legacyPeers: NornicDB nodes cannot prove who they are; drop it",
    );
  }
}

class TcpTransport implements ClusterTransport {
  readonly #context: TransportContext;
  readonly #peers = new Map<string, Peer>();
  #peersMade = 0;
  #acceptor: Acceptor | undefined;
  #closing: Promise<void> | undefined;
  /** Changes of certificates, one after the other. */
  #renewing: Promise<void> = Promise.resolve();

  constructor(options: TransportOptions) {
    this.#context = new TransportContext(options);
  }

  listen(handler: RequestHandler): Promise<{ readonly host: string; readonly port: number }> {
    if (this.#acceptor !== undefined) {
      return Promise.reject(new TransportError("INVALID", "the transport listens already"));
    }
    this.#acceptor = new Acceptor(this.#context, handler);
    return this.#acceptor.listen();
  }

  connect(peer: { readonly id?: NodeId | undefined; readonly address: string }): PeerConnection {
    parseAddress(peer.address);
    const key = `${peer.address} ${peer.id ?? ""}`;
    const known = this.#peers.get(key);
    if (known !== undefined) return known;
    this.#peersMade += 1;
    const instance = `${this.#context.instance}-${this.#peersMade}`;
    const made: Peer = new Peer(this.#context, { ...peer, instance }, () => {
      if (this.#peers.get(key) === made) this.#peers.delete(key);
    });
    if (this.#closing === undefined) {
      this.#peers.set(key, made);
      made.start();
    } else void made.close();
    return made;
  }

  updateTls(tls: TlsOptions): Promise<void> {
    const renewed = this.#renewing.then(() => this.#renewTls(tls));
    this.#renewing = renewed.catch(() => {});
    return renewed;
  }

  async #renewTls(tls: TlsOptions): Promise<void> {
    const before = this.#context.tls;
    this.#context.tls = tls;
    try {
      await this.#acceptor?.renewTls();
    } catch (error) {
      this.#context.tls = before;
      await this.#acceptor?.listen();
      throw new TransportError(
        "INVALID",
        "the new certificates cannot be used",
        {},
        { cause: error },
      );
    }
  }

  pendingCalls(): number {
    return [...this.#peers.values()].reduce((sum, peer) => sum + peer.pendingCalls(), 0);
  }

  inboundConnections(): number {
    return this.#acceptor?.connections ?? 0;
  }

  close(): Promise<void> {
    this.#closing ??= closeInOrder([
      ...[...this.#peers.values()].map((peer) => () => peer.close()),
      () => this.#acceptor?.close(),
    ]);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** One lane a priority: within a lane calls leave in order, and no lane waits for another. */
class Peer implements PeerConnection {
  readonly address: string;
  readonly #lanes: Readonly<Record<LaneName, Lane>>;
  readonly #onClose: () => void;

  constructor(
    context: TransportContext,
    peer: { readonly id?: NodeId | undefined; address: string; instance: string },
    onClose: () => void,
  ) {
    this.address = peer.address;
    const { address, id, instance } = peer;
    const make = (lane: LaneName) => new Lane(context, { address, peer: id, lane, instance });
    this.#lanes = { urgent: make("urgent"), normal: make("normal"), bulk: make("bulk") };
    this.#onClose = onClose;
  }

  start(): void {
    this.#lanes.urgent.start();
    this.#lanes.normal.start();
  }

  isConnected(): boolean {
    return this.#lanes.urgent.ready && this.#lanes.normal.ready;
  }

  pendingCalls(): number {
    return LANES.reduce((sum, lane) => sum + this.#lanes[lane].pendingCalls, 0);
  }

  call(message: PeerMessage, options: CallOptions): Promise<PeerMessage> {
    return this.#lanes[options.priority ?? "normal"].call(message, options);
  }

  async close(): Promise<void> {
    for (const lane of LANES) this.#lanes[lane].close();
    this.#onClose();
  }
}
