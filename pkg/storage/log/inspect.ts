import { join } from "node:path";
import type { Position } from "../../base/index.js";
import { type HardState, LogError } from "../../replication/ports/index.js";
import type { FileSystem } from "../../runtime/index.js";
import { parseSegmentName, type SegmentHeader } from "./format.js";
import { LOG_LIMITS } from "./limits.js";
import { listSegments, type Segment, type Walk, walkLog } from "./walk-log.js";

export interface LogPlace {
  readonly directory: string;
  readonly fileSystem: FileSystem;
}

export interface SegmentInfo {
  readonly segment: string;
  readonly sizeBytes: number;
  /** The entry before the first one of this segment. */
  readonly base: Position;
}

export interface LogProblem {
  readonly segment: string;
  readonly offset: number;
  readonly reason: string;
  /** `torn`: opening cuts it, nothing acknowledged is known to be lost. `damage`: it refuses. */
  readonly kind: "torn" | "damage";
}

/** Plain data on a log that no process has open. */
export interface LogInfo {
  readonly clusterId: string | undefined;
  readonly group: number | undefined;
  /** Those with an intact header. */
  readonly segments: readonly SegmentInfo[];
  readonly firstIndex: number;
  readonly base: Position;
  readonly last: Position;
  readonly sizeBytes: number;
  readonly hardState: HardState;
  /** `clean`: closed in order. `open-ended`: it was not, all is intact. */
  readonly state: "empty" | "clean" | "open-ended" | "torn" | "damaged";
  /** All that is bad, in order; what is said of the entries holds up to the first. */
  readonly problems: readonly LogProblem[];
}

/**
 * Reads and checks every record of a stopped log and changes nothing. `onSegment` is told before
 * each segment is read, for showing progress. Holds the lock while it reads.
 * @throws LogError `LOG_LOCKED` while a process has the log open, `LOG_FOREIGN` on a newer format
 */
export function verifyLog(
  place: LogPlace,
  onSegment: (segment: string, sizeBytes: number) => void = () => {},
): LogInfo {
  return withLock(place, () => {
    const all = listSegments(place.fileSystem, place.directory);
    const headers: [Segment, SegmentHeader][] = [];
    const note = (segment: Segment, header: SegmentHeader | undefined) => {
      onSegment(segment.name, segment.sizeBytes);
      if (header !== undefined) headers.push([segment, header]);
    };
    return describe(walkLog(place.fileSystem, all, undefined, note, true), headers);
  });
}

function describe(walk: Walk, headers: readonly [Segment, SegmentHeader][]): LogInfo {
  const { map, hardState, problem } = walk;
  const found = problem === undefined ? [] : [problem, ...walk.further];
  const problems = found.map(({ at, offset, reason, proof }): LogProblem => {
    const segment = (walk.segments[at] as Segment).name;
    return proof === undefined
      ? { segment, offset, reason, kind: "torn" }
      : { segment, offset, reason: `${reason}; ${proof}`, kind: "damage" };
  });
  const header = headers[0]?.[1];
  return {
    clusterId: header?.clusterId,
    group: header?.group,
    segments: headers.map(([segment, { base }]) => ({
      segment: segment.name,
      sizeBytes: segment.sizeBytes,
      base,
    })),
    firstIndex: map.base.index + 1,
    base: map.base,
    last: map.last,
    sizeBytes: walk.segments.reduce((sum, segment) => sum + segment.sizeBytes, 0),
    hardState,
    state: stateOf(walk, problems[0]),
    problems,
  };
}

function stateOf(walk: Walk, problem: LogProblem | undefined): LogInfo["state"] {
  if (walk.segments.length === 0) return "empty";
  if (problem !== undefined) return problem.kind === "damage" ? "damaged" : "torn";
  return walk.sealed ? "clean" : "open-ended";
}

export interface CutAt {
  /** Name of the segment, as a `LOG_DAMAGED` error and `verifyLog` give it. */
  readonly segment: string;
  /** The first byte to go. */
  readonly offset: number;
}

/**
 * Cuts the log at a place that an operator named: that segment from `offset` on, and all later
 * segments. What is cut is kept beside it in files that end in `.cut`. Acknowledged entries may be
 * among it: the node must not vote or serve before its peers have brought it up to date.
 * @returns the files that hold what was cut
 * @throws LogError `LOG_LOCKED`, or `LOG_DAMAGED` when the place does not exist or would leave nothing
 */
export async function cutLog(place: LogPlace, cutAt: CutAt): Promise<readonly string[]> {
  const { fileSystem, directory } = place;
  const lock = takeLock(place);
  try {
    const segments = listSegments(fileSystem, directory);
    const at = segments.findIndex(({ name }) => name === cutAt.segment);
    const whole = at === 0 && parseSegmentName(cutAt.segment) !== undefined;
    if (at < 0 || (whole && cutAt.offset === 0)) {
      throw new LogError(
        "LOG_DAMAGED",
        at < 0
          ? `there is no segment ${cutAt.segment} in ${directory}`
          : "cutting the first segment at byte 0 would leave nothing; empty the directory instead",
      );
    }
    const kept: string[] = [];
    for (const segment of segments.slice(at).reverse()) {
      const from = segment.name === cutAt.segment ? cutAt.offset : 0;
      kept.push(await keepTail(fileSystem, segment.path, from));
      await fileSystem.syncDirectory(directory);
      if (from === 0) fileSystem.remove(segment.path);
      else await truncate(fileSystem, segment.path, from);
      await fileSystem.syncDirectory(directory);
    }
    return kept;
  } finally {
    lock.release();
  }
}

async function keepTail(fileSystem: FileSystem, path: string, from: number): Promise<string> {
  let side = `${path}.${from}.cut`;
  for (let n = 2; fileSystem.exists(side); n += 1) side = `${path}.${from}.${n}.cut`;
  const source = fileSystem.open(path, "read");
  const target = fileSystem.open(side, "create");
  try {
    const buffer = new Uint8Array(LOG_LIMITS.scanBytes);
    for (let at = from, count = 1; count > 0; at += count) {
      count = source.read(buffer, at);
      if (count > 0) target.write(buffer.subarray(0, count), at - from);
    }
    await target.sync();
  } finally {
    source.close();
    target.close();
  }
  return side;
}

async function truncate(fileSystem: FileSystem, path: string, sizeBytes: number): Promise<void> {
  const file = fileSystem.open(path, "write");
  try {
    file.truncate(sizeBytes);
    await file.sync();
  } finally {
    file.close();
  }
}

function takeLock({ fileSystem, directory }: LogPlace) {
  try {
    return fileSystem.lock(join(directory, "LOCK"));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `a process uses the log in ${directory} (${reason}); stop it first`;
    throw new LogError("LOG_LOCKED", message, {}, { cause });
  }
}

function withLock<T>(place: LogPlace, body: () => T): T {
  const lock = takeLock(place);
  try {
    return body();
  } finally {
    lock.release();
  }
}
