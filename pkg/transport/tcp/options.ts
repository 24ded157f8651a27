import type { NodeId } from "../../base/index.js";
import type {
  Address,
  Clock,
  Logger,
  Metrics,
  Network,
  Random,
  Timers,
  TlsOptions,
} from "../../runtime/index.js";

export interface TransportLimits {
  /** Milliseconds for a connection to be made, and again for its handshake. */
  readonly handshakeTimeoutMs: number;
  /** For a connection to be made, where that is not the handshake's time. */
  readonly connectTimeoutMs?: number | undefined;
  /** For the handshake of a connection that comes in, where callers may be further away. */
  readonly acceptTimeoutMs?: number | undefined;
  /** See `pingIntervalMs`, for connections that came in. */
  readonly acceptPingIntervalMs?: number | undefined;
  /** A silent connection is asked for a sign of life this often, and given up after three. */
  readonly pingIntervalMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /** Calls in flight and waiting, on each lane to a peer. */
  readonly callsMax: number;
  /** Bytes waiting to be sent, on each lane: a call beyond it is refused. */
  readonly queueBytesMax: number;
  /** Requests that one connection may have in the handler at a time. */
  readonly inboundCallsMax: number;
  /** Bytes of those requests; a single one is taken whatever its size. */
  readonly inboundBytesMax: number;
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  /** Failed proofs an address may send within `authFailureWindowMs`. */
  readonly authFailuresMax: number;
  readonly authFailureWindowMs: number;
}

export const DEFAULT_LIMITS: TransportLimits = {
  handshakeTimeoutMs: 5_000,
  pingIntervalMs: 1_000,
  backoffMinMs: 50,
  backoffMaxMs: 5_000,
  callsMax: 16_384,
  queueBytesMax: 80 * 1024 * 1024,
  inboundCallsMax: 16_384,
  inboundBytesMax: 96 * 1024 * 1024,
  connectionsMax: 512,
  connectionsPerAddressMax: 128,
  authFailuresMax: 10,
  authFailureWindowMs: 10_000,
};

export interface TransportOptions {
  readonly nodeId: NodeId;
  readonly clusterId: string;
  /** Serves nodes of every cluster, each under the one that it names and its certificate allows. */
  readonly everyCluster?: boolean | undefined;
  readonly listen: Address;
  /** At least 16 bytes. With it everything sent is sealed with a MAC. */
  readonly secret?: Uint8Array | undefined;
  readonly tls?: TlsOptions | undefined;
  /** Allows neither secret nor verified TLS: anybody who reaches the port is believed. */
  readonly insecure?: boolean | undefined;
  /** Serves NornicDB nodes too, which know no handshake. Only together with `insecure`. */
  readonly legacyPeers?: boolean | undefined;
  /** Whether a node with that proven id may talk to this one; all may when missing. */
  readonly mayConnect?: ((id: NodeId) => boolean) | undefined;
  readonly limits?: Partial<TransportLimits> | undefined;
  readonly network: Network;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}
