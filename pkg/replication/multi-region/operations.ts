import type { RegionId } from "../../base/index.js";
import type { RegionProposal, Vector } from "./core/index.js";

/** What the log of a region says of it; all its nodes and all regions must be set alike. */
export interface RegionSettings {
  readonly self: RegionId;
  /** All regions but this one, ascending. */
  readonly others: readonly RegionId[];
  readonly strategy: "last_write_wins" | "first_write_wins" | "manual" | "resolver";
  /** How far another region's clock may be ahead, in milliseconds. */
  readonly driftMsMax: number;
}

/** What a region's leader puts into its log beside its clients' writes. */
export type RegionOperation =
  | RegionProposal
  | { readonly op: "settle"; readonly settings: RegionSettings }
  | { readonly op: "adopt"; readonly settings: RegionSettings }
  | { readonly op: "forget"; readonly beforeMs: number; readonly after: string }
  | { readonly op: "promote"; readonly region: RegionId; readonly epoch: number }
  | { readonly op: "readmit"; readonly region: RegionId; readonly contains: Vector };

/**
 * The operation as a command of the state machine.
 * @throws ReplicationError `TOO_LARGE`
 */
export type EncodeRegionOperation = (operation: RegionOperation) => {
  readonly type: number;
  readonly data: Uint8Array;
};
