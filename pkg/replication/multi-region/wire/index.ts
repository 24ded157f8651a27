export { REGION_WIRE_LIMITS } from "./limits.js";
export {
  type RegionAgreement,
  readAgreement,
  readAnswerFrame,
  readChangesFrame,
  toAnswerFrame,
  toChangesFrame,
} from "./region-wire.js";
