import type { NodeId } from "../../base/index.js";

/**
 * JSON, where the `command` of an AppendEntries or WALBatch entry is its UTF-8 JSON as bytes: they
 * go into the frame, and come out of it, without being encoded again.
 */
export type PeerPayload =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly PeerPayload[]
  | { readonly [key: string]: PeerPayload | undefined };

/** One message as it crosses the wire: NornicDB's type code and its payload. */
export interface PeerMessage {
  readonly type: number;
  readonly payload: PeerPayload;
}

export interface CallOptions {
  /** Longest wait for the answer, monotonic milliseconds. */
  readonly timeoutMs: number;
  /** `bulk` frames are cut in and yield to others; heartbeats and votes are `urgent`. */
  readonly priority?: "urgent" | "normal" | "bulk" | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Answers one call. A rejection becomes an error reply, so that no caller ever waits in vain.
 * `cluster` is the caller's: this node's own, unless the transport serves several.
 */
export type RequestHandler = (
  from: NodeId,
  message: PeerMessage,
  cluster: string,
) => Promise<PeerMessage>;

/** How nodes talk. One object a node; groups share it (`group` is 0 until there are several). */
export interface Transport {
  listen(handler: RequestHandler): Promise<{ readonly host: string; readonly port: number }>;
  /** One managed link to that address: it dials, authenticates, and dials again. Idempotent. */
  connect(peer: { readonly id?: NodeId | undefined; readonly address: string }): PeerConnection;
  /** Links first, then the listener; pending calls fail. Idempotent. */
  close(): Promise<void>;
}

export interface PeerConnection {
  readonly address: string;
  isConnected(): boolean;
  /**
   * @throws TransportError `DISCONNECTED` | `TIMEOUT` | `BACKPRESSURE` | `REMOTE` (the peer's
   * handler failed; its reason is in the message) | `REFUSED` (handshake; names what differed)
   */
  call(message: PeerMessage, options: CallOptions): Promise<PeerMessage>;
  close(): Promise<void>;
}
