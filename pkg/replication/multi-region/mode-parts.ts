import type { JsonValue, RegionId } from "../../base/index.js";
import type { Logger, Metrics } from "../../runtime/index.js";
import type { Order } from "../driver/mode.js";
import type { PeerMessage, PeerPayload, RegionLog } from "../ports/index.js";
import type { RaftMode } from "../raft/index.js";
import type { RegionCore } from "./core/index.js";
import type { RegionLinksParts } from "./links.js";
import type { EncodeRegionOperation, RegionSettings } from "./operations.js";

export type RegionWork = (order: Order) => (() => Promise<JsonValue>) | undefined;
export type RegionMessageHandler = (from: string, payload: PeerPayload) => Promise<PeerMessage>;

export interface MultiRegionParts extends Omit<RegionLinksParts, "remarks"> {
  readonly settings: RegionSettings;
  /** The raft of this region, which the mode owns; `work` is what its leader can be ordered besides. */
  readonly openRaft: (work: RegionWork) => RaftMode;
  readonly regionCore: RegionCore;
  /** Of the state machine. */
  readonly regions: RegionLog;
  readonly encode: EncodeRegionOperation;
  /** One tick of the region's core, in milliseconds. */
  readonly tickMs: number;
  /** Every write waits for another region. */
  readonly semiSync: boolean;
  /** Longest that a write waits for another region, in milliseconds. */
  readonly waitMs: number;
  /** Tombstones stay at least so long, in milliseconds. */
  readonly tombstoneMs: number;
  /** Names who handles the messages of other regions that reach this node; called once. */
  readonly onChanges: (handler: RegionMessageHandler) => void;
  /** Ends the transport to other regions. */
  readonly closeLinks: () => Promise<void>;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The regions a deployment consists of, this one among them, ascending. */
export function allRegions({ self, others }: RegionSettings): readonly RegionId[] {
  return [self, ...others].sort();
}
