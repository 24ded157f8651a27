export type { File, FileLock, FileSystem } from "./file-system.js";
export type { HttpAnswer, HttpClient, HttpRequest } from "./http-client.js";
export { type LogFields, type Logger, type LogLevel, silentLogger } from "./logger.js";
export {
  type Counter,
  type Gauge,
  type Histogram,
  type Labels,
  type Metrics,
  noMetrics,
} from "./metrics.js";
export type {
  Address,
  ConnectOptions,
  Listener,
  ListenOptions,
  Network,
  Stream,
  StreamHandlers,
  TlsOptions,
} from "./network.js";
export type { Random } from "./random.js";
export { type Cancel, type Clock, delay, type Timers } from "./time.js";
export { createRequestIds, uuidV7TimeMs } from "./uuid.js";
