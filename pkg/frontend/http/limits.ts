/** The bounds of the HTTP front end. */
export interface HttpLimits {
  /** Largest request body. */
  readonly bodyBytesMax: number;
  /** Bodies from this size on are counted while they are being read. */
  readonly largeBodyBytes: number;
  /** Deepest nesting of arrays and objects in a body. */
  readonly jsonDepthMax: number;
  /** Longest id in a path, in characters once decoded. */
  readonly pathParameterCharsMax: number;
  /** Most items a page may ask for, and what a page holds if it does not ask. */
  readonly pageItemsMax: number;
  readonly pageItemsDefault: number;
  /** Most conditions in one query. */
  readonly conditionsMax: number;
  /** Connections open at one time; further ones are closed at once. */
  readonly connectionsMax: number;
  /** Time a client has for the headers, and for the whole request. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** How long an idle connection is kept. */
  readonly keepAliveTimeoutMs: number;
  /** How long a connection may stand still in either direction. */
  readonly connectionTimeoutMs: number;
  /** How long a stream waits for a slow client before it ends. */
  readonly streamStallMs: number;
  /** Time between the comments that keep an event stream open. */
  readonly streamHeartbeatMs: number;
  /** Bytes a listener on `/events` may be behind. */
  readonly eventBytesMax: number;
  /** How long `close` lets requests finish before they are answered as unknown. */
  readonly drainMs: number;
  /** How long after that until what is left is cut. */
  readonly cutMs: number;
}

export const HTTP_LIMITS: HttpLimits = {
  bodyBytesMax: 16 * 1024 * 1024,
  largeBodyBytes: 64 * 1024,
  jsonDepthMax: 64,
  pathParameterCharsMax: 4096,
  pageItemsMax: 10_000,
  pageItemsDefault: 100,
  conditionsMax: 16,
  connectionsMax: 10_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  keepAliveTimeoutMs: 65_000,
  connectionTimeoutMs: 120_000,
  streamStallMs: 30_000,
  streamHeartbeatMs: 15_000,
  eventBytesMax: 1024 * 1024,
  drainMs: 5000,
  cutMs: 1000,
};
