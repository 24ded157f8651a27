export { REGION_WIRE_LIMITS } from "./limits.js";
export {
  type RegionAgreement,
  type RegionRemarks,
  readAnswerFrame,
  readChangesFrame,
  readRemarks,
  toAnswerFrame,
  toChangesFrame,
} from "./region-wire.js";
