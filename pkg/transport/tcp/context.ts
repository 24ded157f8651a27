import type { TlsOptions } from "../../runtime/index.js";
import { DEFAULT_LIMITS, type TransportLimits, type TransportOptions } from "./options.js";
import { RejectionLog } from "./rejection-log.js";

const INSTANCE_BYTES = 8;

const REJECT_REASONS = [
  "wrong_version",
  "wrong_cluster",
  "wrong_node",
  "wrong_secret",
  "wrong_certificate",
  "not_authenticated",
  "not_a_member",
  "self_connection",
  "duplicate_node",
  "handshake_timeout",
  "too_many_connections",
  "too_many_failures",
  "protocol",
  "bad_frame",
  "bad_mac",
  "tls",
  "send_queue_full",
] as const;
/** Why a connection, a handshake or a frame was refused: error detail, log field, metric label. */
export type RejectReason = (typeof REJECT_REASONS)[number];

/** A peer's word for it, which becomes a metric's label only if it is one of ours. */
export function toRejectReason(text: unknown): RejectReason {
  return REJECT_REASONS.find((reason) => reason === text) ?? "protocol";
}

/** What all parts of one transport share. */
export class TransportContext {
  readonly limits: TransportLimits;
  tls: TlsOptions | undefined;
  /** Tells this transport from every other that has the same node id. */
  readonly instance: string;
  readonly #rejected;
  readonly #log = new RejectionLog();

  constructor(readonly options: TransportOptions) {
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.tls = options.tls;
    this.instance = Buffer.from(options.random.bytes(INSTANCE_BYTES)).toString("hex");
    this.#rejected = options.metrics.counter(
      "nornicdb_transport_frames_rejected_total",
      "Frames, handshakes and connections refused, by reason.",
      ["reason"],
    );
  }

  /** Counts it, and logs it unless there have been such lines lately. */
  rejected(reason: RejectReason, remote: string, message: string): void {
    this.#rejected.add(1, { reason });
    const silenced = this.#log.next(reason, remote, this.options.clock.monotonicMs());
    if (silenced === undefined) return;
    const end = silenced === 0 ? "" : `; ${silenced} more of these since the last line`;
    this.options.logger.log("warn", "transport_rejected", message + end, { reason, remote });
  }
}
