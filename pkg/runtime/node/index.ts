export { type DelaySummary, type EventLoopDelay, eventLoopDelay } from "./event-loop-delay.js";
export { nodeFileSystem } from "./file-system.js";
export { nodeHttpClient } from "./http-client.js";
export { type LogDestination, type PinoLoggerOptions, pinoLogger } from "./logger.js";
export {
  type MetricsJson,
  mergeMetrics,
  type PrometheusMetrics,
  prometheusMetrics,
} from "./metrics.js";
export { nodeNetwork } from "./network.js";
export { systemRandom } from "./random.js";
export { limitGarbage, THREAD_LIMITS, WIDE_THREAD_LIMITS } from "./thread-limits.js";
export { systemClock, systemTimers } from "./time.js";
