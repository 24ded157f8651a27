export { REGION_WIRE_LIMITS } from "./limits.js";
export {
  readAnswerFrame,
  readChangesFrame,
  toAnswerFrame,
  toChangesFrame,
} from "./region-wire.js";
