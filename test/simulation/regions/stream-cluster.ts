import type { RegionId } from "../../../pkg/base/index.js";
import type { ApplyResult, Entry } from "../../../pkg/replication/ports/index.js";
import type { Region } from "../../../pkg/storage/regions/region-record.js";
import { Entries } from "../../contract/index.js";
import type { StreamNode } from "./stream-node.js";

/** A command on its way into the log. */
export interface Pending {
  readonly command: { readonly type: number; readonly data: Uint8Array };
  readonly at: number;
  readonly node: StreamNode;
  readonly done: (result: ApplyResult | undefined) => void;
}

/** One region: one log, two nodes, one of which leads, and what is on its way into the log. */
export class Cluster {
  readonly entries = new Entries();
  readonly log: Entry[] = [];
  readonly pending: Pending[] = [];
  /** Every change it made, as it was first told. */
  readonly told: string[] = [];
  readonly nodes: StreamNode[] = [];
  leader = 0;
  skewMs = 0;

  constructor(readonly id: RegionId) {}

  get first(): StreamNode {
    return this.nodes[this.leader] as StreamNode;
  }

  get region(): Region {
    return this.first.machine.region as Region;
  }
}
