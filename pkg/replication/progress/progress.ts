import { invariant, type LogIndex } from "../../base/index.js";

/** One message under way to the peer: its last entry, its size, and when it left. */
export interface Inflight {
  readonly upTo: LogIndex;
  readonly bytes: number;
  /** The sender's tick when it left. */
  readonly at: number;
}

/**
 * What a sender of entries knows of one receiver. `probe`: where the logs meet is being searched,
 * one message at a time. `replicate`: entries stream ahead of their acknowledgement, within the
 * window. `snapshot`: the receiver needs what the log no longer holds; nothing else is sent.
 *
 * `match < next`; in flight are the entries `match < upTo < next`, ascending.
 */
export interface Progress {
  readonly phase: "probe" | "replicate" | "snapshot";
  /** Everything up to here is known to be durable at the receiver. */
  readonly match: LogIndex;
  /** The next entry to send. */
  readonly next: LogIndex;
  readonly inflight: readonly Inflight[];
  readonly inflightBytes: number;
  /** A probe is under way, or the driver was asked to send and has not said what it sent. */
  readonly paused: boolean;
  /** The sender's tick when the driver was asked last. */
  readonly askedAt: number;
  /** What the receiver had at its last answer that had more, and the tick of that question. */
  readonly heard: { readonly verified: LogIndex; readonly at: number };
  /** The receiver refused a message of this stream: one before it was lost, or overtaken. */
  readonly refused: boolean;
}

export interface WindowLimits {
  readonly inflightMessagesMax: number;
  readonly inflightBytesMax: number;
}

const NOTHING_HEARD = { verified: 0 as LogIndex, at: Number.NEGATIVE_INFINITY };

export function createProgress(next: LogIndex): Progress {
  return {
    phase: "probe",
    match: 0 as LogIndex,
    next: Math.max(1, next) as LogIndex,
    inflight: [],
    inflightBytes: 0,
    paused: false,
    askedAt: Number.NEGATIVE_INFINITY,
    heard: NOTHING_HEARD,
    refused: false,
  };
}

/** True when entries from `next` on may be sent now. */
export function maySend(progress: Progress, limits: WindowLimits): boolean {
  if (progress.paused || progress.phase === "snapshot") return false;
  if (progress.phase === "probe") return true;
  return (
    progress.inflight.length < limits.inflightMessagesMax &&
    progress.inflightBytes < limits.inflightBytesMax
  );
}

/** The driver was asked to send; until it says what it sent, it is not asked again. */
export function onAsked(progress: Progress, at: number): Progress {
  return { ...progress, paused: true, askedAt: at };
}

/** Entries up to `upTo` left; `upTo` below `next`: nothing did. */
export function onSent(progress: Progress, sent: Inflight): Progress {
  if (progress.phase !== "replicate") return progress;
  if (sent.upTo < progress.next) return { ...progress, paused: false };
  return {
    ...progress,
    paused: false,
    next: (sent.upTo + 1) as LogIndex,
    inflight: [...progress.inflight, sent],
    inflightBytes: progress.inflightBytes + sent.bytes,
  };
}

/** The receiver holds everything up to `match` durably. A late or doubled word changes nothing. */
export function onAcknowledged(progress: Progress, match: LogIndex): Progress {
  if (match < progress.match) return progress;
  if (progress.phase === "replicate") {
    if (match === progress.match) return progress;
    const inflight = progress.inflight.filter((message) => message.upTo > match);
    return {
      ...progress,
      match,
      next: Math.max(progress.next, match + 1) as LogIndex,
      inflight,
      inflightBytes: inflight.reduce((sum, message) => sum + message.bytes, 0),
    };
  }
  const known = { ...progress, match };
  if (progress.phase === "snapshot") {
    return match + 1 < progress.next ? known : { ...toProbe(known), phase: "replicate" };
  }
  return match === progress.match && match === 0
    ? progress
    : { ...toProbe(known), phase: "replicate" };
}

/**
 * The receiver refused entries after `prevIndex`; they may fit after `retryAt - 1`. Only the answer
 * to the probe under way counts at once: a stream is refused when its messages overtake each other,
 * and what was really lost of it shows in the next answered round. Searching anew for each refusal
 * would send the whole window again each time.
 */
export function onRejected(
  progress: Progress,
  rejected: { readonly prevIndex: LogIndex; readonly retryAt: LogIndex },
): Progress {
  if (rejected.prevIndex <= progress.match || progress.phase === "snapshot") return progress;
  if (progress.phase === "replicate") {
    return rejected.prevIndex < progress.next ? { ...progress, refused: true } : progress;
  }
  if (rejected.prevIndex !== progress.next - 1) return progress;
  const next = Math.max(progress.match + 1, Math.min(rejected.prevIndex, rejected.retryAt));
  return { ...progress, next: next as LogIndex, paused: false };
}

/**
 * The receiver answered the round of tick `at` and had `verified` by then. What left before the
 * round and is not in it was lost if the receiver has refused what came after it. Without that sign
 * it counts as lost only when the receiver has got nothing new for more than `lossTicks`: entries
 * travel beside the rounds, one that works off a full window is far behind them, and the window sent
 * anew would bury it. That long after a probe left without an answer it may go again.
 */
export function onRoundAnswered(
  progress: Progress,
  answer: { readonly at: number; readonly verified: LogIndex },
  lossTicks: number,
): Progress {
  const { phase, paused, askedAt, inflight, heard, refused } = progress;
  if (phase === "snapshot") return progress;
  if (phase === "probe") {
    return paused && answer.at - askedAt > lossTicks ? { ...progress, paused: false } : progress;
  }
  const oldest = inflight.find(({ upTo }) => upTo > answer.verified);
  if (refused && oldest !== undefined && oldest.at < answer.at) return toProbe(progress);
  if (answer.verified > heard.verified) return { ...progress, heard: answer };
  if (oldest === undefined) return progress;
  return answer.at - Math.max(oldest.at, heard.at) > lossTicks ? toProbe(progress) : progress;
}

/** Forgets what is under way and searches again from what is known. */
export function toProbe(progress: Progress): Progress {
  return {
    ...progress,
    phase: "probe",
    next: (progress.match + 1) as LogIndex,
    inflight: [],
    inflightBytes: 0,
    paused: false,
    askedAt: Number.NEGATIVE_INFINITY,
    heard: NOTHING_HEARD,
    refused: false,
  };
}

/** Entries at `next` are gone; the receiver needs a snapshot at or above `minIndex`. */
export function toSnapshot(progress: Progress, minIndex: LogIndex): Progress {
  return { ...toProbe(progress), phase: "snapshot", next: (minIndex + 1) as LogIndex };
}

/** The sender cut its own log from `from` on: what was sent of it never was. */
export function onTruncated(progress: Progress, from: LogIndex): Progress {
  if (progress.next <= from) return progress;
  return { ...toProbe(progress), match: Math.min(progress.match, from - 1) as LogIndex };
}

/** @throws InvariantViolation */
export function assertProgress(progress: Progress): void {
  invariant(progress.match < progress.next, "what matches is not sent again");
  invariant(
    progress.phase === "replicate" || progress.inflight.length === 0,
    "only a stream has messages in flight",
  );
  let previous: number = progress.match;
  let bytes = 0;
  for (const message of progress.inflight) {
    invariant(message.upTo > previous, "messages in flight ascend above the match");
    invariant(message.upTo < progress.next, "what is in flight lies below next");
    previous = message.upTo;
    bytes += message.bytes;
  }
  invariant(bytes === progress.inflightBytes, "bytes in flight are counted");
}
