/**
 * Byte streams between nodes. A stream delivers bytes in order, cut anywhere, until it closes; it
 * may also hang for ever. Handlers are set before the first byte can arrive: a stream is handed
 * out paused and flows after `start`.
 */
export interface Network {
  /**
   * Opens a stream. With `tls` the promise resolves after the handshake and identity check.
   * @throws Error with a system `code` (`ECONNREFUSED`, …) or a TLS reason
   */
  connect(address: Address, options: ConnectOptions): Promise<Stream>;
  /** Port 0 picks a free one; see `Listener.address`. */
  listen(
    address: Address,
    options: ListenOptions,
    onStream: (s: Stream) => void,
  ): Promise<Listener>;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface ConnectOptions {
  /** For the connection, and again for its TLS handshake. */
  readonly timeoutMs: number;
  readonly tls?: TlsOptions | undefined;
}

export interface ListenOptions {
  readonly tls?: TlsOptions | undefined;
  /** Longest TLS handshake, in milliseconds. */
  readonly handshakeTimeoutMs: number;
  /** Told of streams that never came to be: failed handshakes. */
  readonly onRefused?: (reason: string, remote: string) => void;
}

/** PEM texts; `verifyPeer` on a listener asks for a client certificate and checks it. */
export interface TlsOptions {
  readonly certificate: string;
  readonly key: string;
  readonly authority: string;
  readonly verifyPeer: boolean;
  readonly serverName?: string | undefined;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  readonly cipherSuites?: string | undefined;
}

export interface Listener {
  readonly address: Address;
  /** Stops accepting; open streams stay. Idempotent. */
  close(): Promise<void>;
}

export interface StreamHandlers {
  onData(bytes: Uint8Array): void;
  /** The send buffer has drained after `write` answered false. */
  onDrain(): void;
  /** Called exactly once, whoever closed; `error` is missing after a clean end. */
  onClose(error?: Error): void;
}

export interface Stream {
  readonly remote: string;
  /** Names in the peer's certificate (common name and DNS/URI alternatives), when TLS verified it. */
  readonly peerNames: readonly string[];
  start(handlers: StreamHandlers): void;
  /** Takes the bytes in any case; false asks the caller to wait for `onDrain`. */
  write(bytes: Uint8Array): boolean;
  /** Bytes taken and not yet handed to the system. */
  readonly pendingBytes: number;
  pause(): void;
  resume(): void;
  /** Drops what is pending and closes. Idempotent. */
  destroy(): void;
}
