import type { NodeId } from "../../base/index.js";
import type { Clock, Logger, Metrics, Timers } from "../../runtime/index.js";
import type { Arbiter, LogStore, Transport } from "../ports/index.js";
import type { Verification, VerificationHost } from "../verification/index.js";
import type { HaCopies, HaCopiesHost } from "./copies.js";
import type { HaEffect } from "./core/effects.js";
import type { HaCore } from "./core/step.js";
import type { FailoverLog } from "./failover-log.js";
import type { PeerAddress } from "./peers.js";
import type { SalvageFiles } from "./salvage/salvage-files.js";

type SharedKind = "persist" | "apply" | "answer" | "hold" | "settle" | "refuse" | "note";
/** The effects that the shared driver does not know. */
export type HaOwnEffect = Exclude<HaEffect, { readonly kind: SharedKind }>;

export interface HaModeParts {
  readonly core: HaCore;
  readonly own: PeerAddress;
  /** The name that this node proves to others; `own.id` where they call it by that. */
  readonly nodeId: NodeId;
  readonly peers: readonly PeerAddress[];
  /** False: the one peer is known by its address alone. */
  readonly named: boolean;
  /** A peer may be a NornicDB node. */
  readonly open: boolean;
  /** Of this data directory; a wiped one has another. */
  readonly disk: string;
  readonly log: LogStore;
  readonly transport: Transport;
  readonly arbiter: Arbiter;
  readonly salvage: SalvageFiles;
  readonly failovers: FailoverLog;
  readonly openCopies: (host: HaCopiesHost) => Promise<HaCopies>;
  readonly openVerification: (host: VerificationHost) => Verification;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly timing: HaTiming;
}

/** All in milliseconds. */
export interface HaTiming {
  /** One tick of the core. */
  readonly tickMs: number;
  /** A loop that stood still for longer has lost its authority until it is confirmed again. */
  readonly stallMs: number;
  /** Longest wait for a peer's answer. */
  readonly callTimeoutMs: number;
  /** Between two looks at whether the process of a silent peer is gone. */
  readonly probeMs: number;
  readonly leaseTtlMs: number;
  /** How long entries may gather before they leave that nobody waits for; 0: not at all. */
  readonly gatherMs: number;
  /** Longest that a write looks for a primary before it is refused. */
  readonly patienceMs: number;
  /** Longest wait for a write or a read of another node. */
  readonly retryMs: number;
  /** Longest wait for a successor at shutdown. */
  readonly handOverMs: number;
}
