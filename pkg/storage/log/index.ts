export {
  type CutAt,
  cutLog,
  type LogInfo,
  type LogPlace,
  type LogProblem,
  type SegmentInfo,
  verifyLog,
} from "./inspect.js";
export { LOG_LIMITS } from "./limits.js";
export { openSegmentedLog } from "./open-log.js";
export { SegmentedLog, type SegmentedLogOptions } from "./segmented-log.js";
