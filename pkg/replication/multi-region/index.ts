export type { MultiRegionMode } from "./mode.js";
export {
  type MultiRegionSettings,
  type OpenMultiRegionParts,
  openMultiRegion,
} from "./open-multi-region.js";
export type { EncodeRegionOperation, RegionOperation, RegionSettings } from "./operations.js";
