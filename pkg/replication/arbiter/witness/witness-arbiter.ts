import type { Timers } from "../../../runtime/index.js";
import { ReplicationError } from "../../errors.js";
import {
  type AcquireRequest,
  type Arbiter,
  ArbiterError,
  type ArbiterErrorCode,
  type InSyncRequest,
  type LeaseAnswer,
  type LeaseRecord,
  type PeerConnection,
  type ReleaseRequest,
  type RenewRequest,
  type Transport,
  TransportError,
} from "../../ports/index.js";
import { checkRequest, type LeaseRequest } from "../lease.js";
import { RecordWatch } from "../watch-record.js";
import { requestMessage, toAnswer, type WitnessRequest } from "./messages.js";

/** How long the witness may hold a watch open before it answers all the same. */
const WAIT_MS = 10_000;

export interface WitnessArbiterParts {
  /** This node's own; the link to the witness is one more of it. */
  readonly transport: Transport;
  readonly address: string;
  /** Longest wait for an answer. */
  readonly timeoutMs: number;
  /** Pause of a watch after a failure. */
  readonly retryMs: number;
  readonly timers: Timers;
}

/** The witness as a node sees it: which cluster is meant follows from the link's handshake. */
export class WitnessArbiter implements Arbiter {
  readonly #parts: WitnessArbiterParts;
  readonly #link: PeerConnection;
  readonly #watches = new Set<RecordWatch>();
  #closing: Promise<void> | undefined;

  constructor(parts: WitnessArbiterParts) {
    this.#parts = parts;
    this.#link = parts.transport.connect({ address: parts.address });
  }

  acquire(request: AcquireRequest): Promise<LeaseAnswer> {
    return this.#change({ kind: "acquire", ...request });
  }

  renew(request: RenewRequest): Promise<LeaseAnswer> {
    return this.#change({ kind: "renew", ...request });
  }

  recordInSync(request: InSyncRequest): Promise<LeaseAnswer> {
    return this.#change({ kind: "in_sync", ...request });
  }

  release(request: ReleaseRequest): Promise<LeaseAnswer> {
    return this.#change({ kind: "release", ...request });
  }

  async read(): Promise<LeaseRecord> {
    return (await this.#ask({ kind: "read" })).record;
  }

  watch(onChange: (record: LeaseRecord) => void): () => void {
    const { timers, retryMs } = this.#parts;
    const watch = new RecordWatch(
      {
        read: () => this.read(),
        untilChange: async (known, stop) => {
          await this.#ask({ kind: "wait", known, waitMs: WAIT_MS }, WAIT_MS, stop);
        },
        timers,
        retryMs,
      },
      onChange,
    );
    this.#watches.add(watch);
    return () => {
      watch.stop();
      this.#watches.delete(watch);
    };
  }

  close(): Promise<void> {
    for (const watch of this.#watches) watch.stop();
    this.#closing ??= this.#link.close();
    return this.#closing;
  }

  async #change(request: LeaseRequest): Promise<LeaseAnswer> {
    checkRequest(request);
    return this.#ask(request);
  }

  async #ask(request: WitnessRequest, heldOpenMs = 0, signal?: AbortSignal): Promise<LeaseAnswer> {
    if (this.#closing !== undefined) throw new ArbiterError("CLOSED", "the arbiter is closed");
    const timeoutMs = this.#parts.timeoutMs + heldOpenMs;
    const priority = request.kind === "wait" ? "normal" : "urgent";
    try {
      return toAnswer(
        await this.#link.call(requestMessage(request), { timeoutMs, priority, signal }),
      );
    } catch (cause) {
      throw this.#failure(cause);
    }
  }

  #failure(cause: unknown): ArbiterError {
    const text = cause instanceof Error ? cause.message : String(cause);
    return new ArbiterError(codeOf(cause), `the witness: ${text}`, { cause });
  }
}

function codeOf(cause: unknown): ArbiterErrorCode {
  if (cause instanceof ReplicationError) return "INVALID";
  if (!(cause instanceof TransportError)) return "UNREACHABLE";
  const { code, details } = cause;
  if (code === "REFUSED" || details.remoteCode === "REFUSED") return "REFUSED";
  return code === "INVALID" || details.remoteCode === "INVALID" ? "INVALID" : "UNREACHABLE";
}
