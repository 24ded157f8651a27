import type { RegionId } from "../../base/index.js";
import { noMetrics } from "../../runtime/index.js";
import { ReplicationError } from "../errors.js";
import { MessageType, type Transport } from "../ports/index.js";
import { type OpenRaftParts, openRaft, raftTickMs } from "../raft/index.js";
import { createRegionCore, type RegionCoreOptions } from "./core/index.js";
import { REGION_STREAM_LIMITS } from "./limits.js";
import { MultiRegionMode } from "./mode.js";
import type { RegionMessageHandler, RegionWork } from "./mode-parts.js";
import type { EncodeRegionOperation, RegionSettings } from "./operations.js";
import { REGION_WIRE_LIMITS } from "./wire/index.js";

/** What an operator sets of regions; times in milliseconds. */
export interface MultiRegionSettings {
  readonly self: RegionId;
  /** Nodes of the other regions; a region may be named several times. */
  readonly remotes: readonly { readonly region: RegionId; readonly address: string }[];
  readonly mode: "async" | "semi_sync";
  /** Changes that leave without waiting for more. */
  readonly batchChanges: number;
  /** How long a change waits for more. */
  readonly batchMs: number;
  readonly strategy: RegionSettings["strategy"];
  /** How far another region's clock may be ahead before it is reported and not followed. */
  readonly driftMsMax: number;
  /** Tombstones stay at least so long. */
  readonly tombstoneMs: number;
  /** Changes that are kept for a region before it is given up; 0: it never is. */
  readonly keptChangesMax: number;
}

export interface OpenMultiRegionParts extends Omit<OpenRaftParts, "work"> {
  readonly region: MultiRegionSettings;
  /** To other regions, under a name that says of which one this node is; it never listens. */
  readonly links: Pick<Transport, "connect" | "close">;
  readonly encode: EncodeRegionOperation;
}

/**
 * Makes the mode of a node on its disk, after finishing what a crash interrupted. It owns both
 * transports from then on.
 * @throws ReplicationError `INVALID` for a state machine that no regions write; `STORAGE_FAILED`
 * when the members' file cannot be understood
 */
export async function openMultiRegion(parts: OpenMultiRegionParts): Promise<MultiRegionMode> {
  const { region, stateMachine, settings, clock, logger } = parts;
  const { regions } = stateMachine;
  if (regions === undefined) {
    throw new ReplicationError("INVALID", "this storage cannot hold what several regions write", {
      field: "storage",
      hint: "open it with openRegionStorage",
    });
  }
  let handle: RegionMessageHandler | undefined;
  let work: RegionWork = () => undefined;
  const transport: Transport = {
    listen: (handler) =>
      parts.transport.listen((from, message, cluster) =>
        message.type === MessageType.regionChanges && handle !== undefined
          ? handle(from, message.payload)
          : handler(from, message, cluster),
      ),
    connect: (peer) => parts.transport.connect(peer),
    close: () => parts.transport.close(),
  };
  const raft = await openRaft({ ...parts, transport, work: (order) => work(order) });
  const own = regionSettings(region);
  const tickMs = raftTickMs(settings);
  return new MultiRegionMode({
    settings: own,
    openRaft: (ordered) => {
      work = ordered;
      return raft;
    },
    regionCore: createRegionCore(coreOptions(region, tickMs)),
    regions,
    encode: parts.encode,
    transport: parts.links,
    remotes: addressesOf(region),
    callTimeoutMs: REGION_STREAM_LIMITS.callMsMax,
    tickMs,
    semiSync: region.mode === "semi_sync",
    waitMs: Math.floor(settings.retryMs * WAIT_SHARE),
    tombstoneMs: region.tombstoneMs,
    onChanges: (handler) => {
      handle = handler;
    },
    closeLinks: () => parts.links.close(),
    clock,
    timers: parts.timers,
    logger,
    metrics: parts.metrics ?? noMetrics,
  });
}

/** Of a write's patience, for its way to another region: what is left is for its commit here. */
const WAIT_SHARE = 0.75;

function regionSettings({ self, remotes, strategy, driftMsMax }: MultiRegionSettings) {
  const others = [...new Set(remotes.map(({ region }) => region))].sort();
  return { self, others, strategy, driftMsMax };
}

function addressesOf({ remotes }: MultiRegionSettings): ReadonlyMap<RegionId, readonly string[]> {
  const addresses = new Map<RegionId, string[]>();
  for (const { region, address } of remotes) {
    const known = addresses.get(region) ?? [];
    addresses.set(region, [...known, address]);
  }
  return addresses;
}

function coreOptions(region: MultiRegionSettings, tickMs: number): RegionCoreOptions {
  const ticks = (ms: number) => Math.max(1, Math.round(ms / tickMs));
  const { changesMax } = REGION_WIRE_LIMITS;
  const limits = REGION_STREAM_LIMITS;
  const batchChanges = Math.min(region.batchChanges, changesMax);
  return {
    self: region.self,
    batchTicks: ticks(region.batchMs),
    batchChanges,
    messageChangesMax: Math.max(batchChanges, limits.messageChanges),
    messageCharsMax: limits.messageCharsMax,
    windowMax: limits.window,
    proposalsMax: limits.window,
    backoffTicks: ticks(limits.backoffMs),
    backoffTicksMax: ticks(limits.backoffMsMax),
    relayTicks: ticks(limits.relayMs),
    tellTicks: ticks(limits.tellMs),
    waitsMax: limits.waitsMax,
    keptChangesMax: region.keptChangesMax,
  };
}
