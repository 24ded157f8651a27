export const TRANSPORT_ERROR_CODES = [
  "DISCONNECTED",
  "TIMEOUT",
  "BACKPRESSURE",
  "REMOTE",
  "REFUSED",
  "ABORTED",
  "INVALID",
] as const;
export type TransportErrorCode = (typeof TRANSPORT_ERROR_CODES)[number];

export interface TransportErrorDetails {
  /** Why a handshake or a frame was refused, such as `wrong_cluster`; the metric's label. */
  readonly reason?: string;
  /** The code the peer's handler failed with, for `REMOTE`. */
  readonly remoteCode?: string;
}

/**
 * `DISCONNECTED`, `TIMEOUT` and `ABORTED`: the peer may or may not have handled the call.
 * `BACKPRESSURE`, `REFUSED` and `INVALID`: it never left. `REMOTE`: the peer answered that it failed.
 */
export class TransportError extends Error {
  override readonly name = "TransportError";
  constructor(
    readonly code: TransportErrorCode,
    message: string,
    readonly details: TransportErrorDetails = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
