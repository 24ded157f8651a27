import type { JsonValue } from "../../base/index.js";
import type { Clock, Timers } from "../../runtime/index.js";
import type { Order } from "../driver/mode.js";
import type { LogStore, Transport } from "../ports/index.js";
import type { Verification, VerificationHost } from "../verification/index.js";
import type { KeysOf } from "./blocked-keys.js";
import type { ConfigEntry } from "./core/membership.js";
import type { RaftCore } from "./core/step.js";
import type { MembersFile } from "./members-file.js";
import type { RaftSnapshots, SnapshotsHost } from "./snapshots.js";
import type { WireSender } from "./wire/index.js";

export interface RaftModeParts {
  readonly core: RaftCore;
  readonly own: WireSender;
  readonly log: LogStore;
  readonly transport: Transport;
  readonly members: MembersFile;
  readonly kept: readonly ConfigEntry[];
  readonly openSnapshots: (host: SnapshotsHost) => Promise<RaftSnapshots>;
  readonly openVerification: (host: VerificationHost) => Verification;
  /** Missing: no key is ever blocked. */
  readonly keysOf?: KeysOf | undefined;
  /** What a leader can be ordered beside raft's own; undefined for an action that is none of that. */
  readonly work?: ((order: Order) => (() => Promise<JsonValue>) | undefined) | undefined;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly timing: RaftTiming;
}

/** All in milliseconds. */
export interface RaftTiming {
  /** One tick of the core. */
  readonly tickMs: number;
  /** A loop that stood still for longer drops its lease. */
  readonly stallMs: number;
  /** Longest wait for a peer's answer. */
  readonly callTimeoutMs: number;
  /** Longest that a write or read looks for a leader. */
  readonly patienceMs: number;
  /** Longest that a write whose fate is unknown is tried again. */
  readonly retryMs: number;
  /** A leader that has not heard a quorum for longer takes no second write of a key. */
  readonly outageMs: number;
  /** Longest wait for a successor at shutdown. */
  readonly handOverMs: number;
}
