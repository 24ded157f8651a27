export { LOG_LIMITS } from "./limits.js";
export { openSegmentedLog } from "./open-log.js";
export { SegmentedLog, type SegmentedLogOptions } from "./segmented-log.js";
