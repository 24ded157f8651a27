import { join } from "node:path";
import type { Position } from "../../base/index.js";
import type { HardState } from "../../replication/ports/index.js";
import type { File, FileSystem } from "../../runtime/index.js";
import { isFull, toLogError } from "./failures.js";
import {
  encodeHardState,
  encodeHeader,
  FORMAT_VERSION,
  HEADER_BYTES,
  RECORD_TYPES,
  segmentName,
} from "./format.js";
import type { LogMap } from "./log-map.js";
import { RecordBatch } from "./record-batch.js";
import type { Identity, Segment } from "./walk-log.js";

/** The segment that is written to. */
export interface ActiveSegment {
  readonly sequence: number;
  readonly name: string;
  readonly path: string;
  readonly file: File;
  /** End of the last record that counts; the next one goes there. */
  sizeBytes: number;
  /** What the last finished sync covered; 0 until its head and all before it are durable. */
  durableBytes: number;
}

/** As one of the closed segments. */
export function toSegment({ sequence, name, path, sizeBytes }: ActiveSegment): Segment {
  return { sequence, name, path, sizeBytes, provenBytes: 0 };
}

export interface SegmentStart {
  readonly identity: Identity;
  readonly sequence: number;
  readonly base: Position;
  readonly previousBytes: number;
  readonly reset: boolean;
  readonly hardState: HardState;
}

export function segmentHead(start: SegmentStart): Uint8Array {
  const { identity, sequence, base, previousBytes, reset, hardState } = start;
  const batch = new RecordBatch();
  const { term, commit } = hardState;
  batch.add(RECORD_TYPES.hardState, commit, term, 0, encodeHardState(hardState));
  const head = new Uint8Array(HEADER_BYTES + batch.usedBytes);
  encodeHeader(
    { version: FORMAT_VERSION, ...identity, sequence, base, previousBytes, reset },
    head,
  );
  head.set(batch.bytes(), HEADER_BYTES);
  return head;
}

/** A segment behind others: its name may show up before its head is durable. */
export function beginSegment(
  fileSystem: FileSystem,
  directory: string,
  start: SegmentStart,
): ActiveSegment {
  const name = segmentName(start.sequence, start.base.index + 1);
  const path = join(directory, name);
  const file = fileSystem.open(path, "create");
  try {
    const head = segmentHead(start);
    file.write(head, 0);
    const { sequence } = start;
    return { sequence, name, path, file, sizeBytes: head.length, durableBytes: 0 };
  } catch (error) {
    file.close();
    fileSystem.remove(path);
    throw error;
  }
}

/**
 * A segment that stands alone (the first, or after a reset): it gets its name only when its head
 * is durable, so that one with a bad head is known to be damaged.
 * @throws LogError `LOG_FULL`: it has no name, nothing was changed
 */
export async function beginAlone(
  fileSystem: FileSystem,
  directory: string,
  start: SegmentStart,
): Promise<ActiveSegment> {
  const name = segmentName(start.sequence, start.base.index + 1);
  const path = join(directory, name);
  const draft = `${path}.tmp`;
  if (fileSystem.exists(draft)) fileSystem.remove(draft);
  const head = segmentHead(start);
  try {
    const fresh = fileSystem.open(draft, "create");
    try {
      fresh.write(head, 0);
      await fresh.sync();
    } finally {
      fresh.close();
    }
  } catch (error) {
    throw isFull(error) ? toLogError("no space for a segment", error) : error;
  }
  fileSystem.rename(draft, path);
  await fileSystem.syncDirectory(directory);
  const file = fileSystem.open(path, "write");
  const { sequence } = start;
  return { sequence, name, path, file, sizeBytes: head.length, durableBytes: head.length };
}

/** What the opening found and holds. */
export interface Opened {
  readonly map: LogMap;
  readonly hardState: HardState;
  readonly older: Segment[];
  readonly active: ActiveSegment;
  readonly sealed: boolean;
}
