/** The bounds of what clients may ask for. Every one is a maximum; at it the answer is an error. */
export interface ServiceLimits {
  /** Requests under way at one time, reads and writes together. */
  readonly requestsInFlightMax: number;
  /** Bytes of commands and large request bodies held at one time. */
  readonly bytesInFlightMax: number;
  /** Longest wait a caller may ask for. */
  readonly timeoutMsMax: number;
  /** Change streams open at one time. */
  readonly changeStreamsMax: number;
  /** Changes read from storage at once for one stream. */
  readonly changesPerRead: number;
  /** How often waiting streams look for changes that other nodes caused. */
  readonly changesPollMs: number;
  /** Role, leader and state events kept for `history`. */
  readonly historyEventsMax: number;
  /** Listeners for events at one time. */
  readonly eventListenersMax: number;
  /** How often lag is looked at while someone listens for events. */
  readonly lagPollMs: number;
  /** A health check that takes longer has failed. */
  readonly checkTimeoutMs: number;
  /** Free bytes on the data volume below which the `disk` check fails. */
  readonly diskFreeBytesMin: number;
}

export const SERVICE_LIMITS: ServiceLimits = {
  requestsInFlightMax: 4096,
  bytesInFlightMax: 256 * 1024 * 1024,
  timeoutMsMax: 60_000,
  changeStreamsMax: 256,
  changesPerRead: 256,
  changesPollMs: 50,
  historyEventsMax: 1000,
  eventListenersMax: 256,
  lagPollMs: 1000,
  checkTimeoutMs: 2000,
  diskFreeBytesMin: 64 * 1024 * 1024,
};
