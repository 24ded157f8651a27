import { join } from "node:path";
import type { LogIndex } from "../../base/index.js";
import { type HardState, LogError } from "../../replication/ports/index.js";
import type { File, FileSystem } from "../../runtime/index.js";
import {
  decodeHardState,
  entryKind,
  FORMAT_VERSION,
  HEADER_BYTES,
  isKnownType,
  parseSegmentName,
  RECORD_TYPES,
  type RecordView,
  type SegmentHeader,
} from "./format.js";
import { LOG_LIMITS } from "./limits.js";
import { LogMap } from "./log-map.js";
import { findProof, readHeader, ScanBuffer, scanRecords } from "./segment-scan.js";

export interface Segment {
  readonly sequence: number;
  readonly name: string;
  readonly path: string;
  sizeBytes: number;
  /** What its own records prove to be durable. */
  provenBytes: number;
}

export interface Identity {
  readonly clusterId: string;
  readonly group: number;
}

/** What a walk over all segments found; `problem` ends it. */
export interface Walk {
  readonly map: LogMap;
  hardState: HardState;
  readonly segments: Segment[];
  /** Segments that a later reset made void. */
  readonly voided: Segment[];
  /** The last record is a seal: the log was closed in order. */
  sealed: boolean;
  problem?: Problem | undefined;
  /** What else is bad behind it; only looked for when asked to. */
  readonly further: Problem[];
}

export interface Problem {
  /** Index into `Walk.segments` of the segment that is bad. */
  readonly at: number;
  /** First bad byte; 0 when the header itself is bad. */
  readonly offset: number;
  readonly reason: string;
  /** Why it must be damage and not the end of an interrupted write; undefined for a torn tail. */
  readonly proof?: string | undefined;
}

export const NO_HARD_STATE: HardState = {
  term: 0 as HardState["term"],
  votedFor: null,
  commit: 0 as LogIndex,
  epoch: 0,
};

export function listSegments(fileSystem: FileSystem, directory: string): Segment[] {
  const found: Segment[] = [];
  for (const name of fileSystem.list(directory)) {
    const parsed = parseSegmentName(name);
    if (parsed === undefined) continue;
    found.push({
      sequence: parsed.sequence,
      name,
      path: join(directory, name),
      sizeBytes: 0,
      provenBytes: 0,
    });
  }
  return found.sort((a, b) => a.sequence - b.sequence);
}

export function damaged(segment: string, offset: number, reason: string): LogError {
  const hint = `stop the node, copy its data directory, then either empty the directory and let the node be seeded by its peers, or, when there is no peer, type: nornicctl wal verify --cut ${segment}:${offset} (entries from there on are lost)`;
  return new LogError(
    "LOG_DAMAGED",
    `the log is damaged in segment ${segment} at byte ${offset}: ${reason}`,
    { segment, offset, hint },
  );
}

/** Told before the records of a segment are read; without a header that is intact, there is none. */
type OnSegment = (segment: Segment, header: SegmentHeader | undefined) => void;

/**
 * Reads every record of every segment, in order, up to the first that is bad, and decides whether
 * that is the torn end of the last, never acknowledged writes or damage. Changes nothing.
 * @param thoroughly - go on behind the first bad place and list the others
 */
export function walkLog(
  fileSystem: FileSystem,
  segments: readonly Segment[],
  identity: Identity | undefined,
  onSegment: OnSegment = () => {},
  thoroughly = false,
): Walk {
  const files = segments.map((segment) => fileSystem.open(segment.path, "read"));
  try {
    segments.forEach((segment, i) => {
      segment.sizeBytes = (files[i] as File).sizeBytes();
    });
    return new Walker(segments, files, identity, onSegment).run(thoroughly);
  } finally {
    for (const file of files) file.close();
  }
}

const BAD_HEADER = "the segment header is not intact";
const BAD_RECORD = "the record there is not intact";

class Walker {
  readonly #buffer = new ScanBuffer(LOG_LIMITS.scanBytes);
  readonly #files: readonly File[];
  readonly #headers: readonly (SegmentHeader | undefined)[];
  readonly #walk: Walk;
  readonly #onSegment: OnSegment;

  constructor(
    all: readonly Segment[],
    files: readonly File[],
    identity: Identity | undefined,
    onSegment: OnSegment,
  ) {
    const headers = files.map((file, i) => {
      const header = readHeader(file);
      if (header !== undefined) refuseForeign((all[i] as Segment).name, header, identity);
      return header?.sequence === all[i]?.sequence ? header : undefined;
    });
    const start = Math.max(
      0,
      headers.findLastIndex((header) => header?.reset === true),
    );
    this.#headers = headers.slice(start);
    this.#files = files.slice(start);
    this.#onSegment = onSegment;
    this.#walk = {
      map: new LogMap(),
      hardState: NO_HARD_STATE,
      segments: all.slice(start),
      voided: all.slice(0, start),
      sealed: false,
      further: [],
    };
  }

  run(thoroughly: boolean): Walk {
    const walk = this.#walk;
    for (let at = 0; at < walk.segments.length; at += 1) {
      this.#onSegment(walk.segments[at] as Segment, this.#headers[at]);
      const found = this.#checkHead(at) ?? this.#scan(at);
      if (found === undefined) continue;
      walk.problem = { at, ...found, proof: this.#prove(at, found.offset) };
      if (thoroughly) this.#lookFurther(at, found.offset);
      break;
    }
    return walk;
  }

  /** Behind the first bad place the order of entries says nothing; each record does by itself. */
  #lookFurther(first: number, offset: number): void {
    const { segments, further } = this.#walk;
    for (let at = first; at < segments.length; at += 1) {
      const segment = segments[at] as Segment;
      let from = offset;
      if (at > first) {
        this.#onSegment(segment, this.#headers[at]);
        if (this.#headers[at] === undefined) {
          further.push({ at, offset: 0, reason: BAD_HEADER, proof: this.#prove(at, 0) });
        }
        from = this.#scanFrom(at, HEADER_BYTES);
        if (from < segment.sizeBytes) this.#addFurther(at, from);
      }
      while (from < segment.sizeBytes) {
        const intact = findProof(this.#files[at] as File, this.#buffer, from + 1, 0);
        if (intact === undefined) break;
        from = this.#scanFrom(at, intact);
        if (from < segment.sizeBytes) this.#addFurther(at, from);
      }
    }
  }

  #scanFrom(at: number, offset: number): number {
    return scanRecords(this.#files[at] as File, this.#buffer, offset, () => true);
  }

  #addFurther(at: number, offset: number): void {
    this.#walk.further.push({ at, offset, reason: BAD_RECORD, proof: this.#prove(at, offset) });
  }

  #checkHead(at: number): { offset: number; reason: string } | undefined {
    const { map, segments } = this.#walk;
    const header = this.#headers[at];
    if (header === undefined) return { offset: 0, reason: BAD_HEADER };
    if (at === 0) {
      map.reset(header.base);
      return undefined;
    }
    const before = segments[at - 1] as Segment;
    const expected = before.sequence + 1;
    if (header.sequence !== expected) {
      return { offset: 0, reason: `the segment number ${expected} before it is missing` };
    }
    if (header.previousBytes !== before.sizeBytes) {
      const had = `${before.sizeBytes} instead of ${header.previousBytes} bytes`;
      return { offset: 0, reason: `the segment ${before.name} before it has ${had}` };
    }
    if (header.base.index !== map.lastIndex || header.base.term !== map.lastTerm) {
      return { offset: 0, reason: "it does not follow the last entry of the segment before it" };
    }
    return undefined;
  }

  #scan(at: number): { offset: number; reason: string } | undefined {
    const walk = this.#walk;
    const segment = walk.segments[at] as Segment;
    let reason = BAD_RECORD;
    const end = scanRecords(this.#files[at] as File, this.#buffer, HEADER_BYTES, (record) => {
      const wrong = this.#take(segment, record);
      if (wrong !== undefined) reason = wrong;
      return wrong === undefined;
    });
    if (end !== segment.sizeBytes) return { offset: end, reason };
    if (end === HEADER_BYTES)
      return { offset: end, reason: "the hard state at its head is missing" };
    return undefined;
  }

  /** @returns what is wrong with the record, though it is intact */
  #take(segment: Segment, record: RecordView): string | undefined {
    const walk = this.#walk;
    const { type, index, term } = record;
    const { map } = walk;
    if (!isKnownType(type)) {
      throw new LogError(
        "LOG_FOREIGN",
        `record type ${type} in segment ${segment.name} at byte ${record.offset} is of a newer version of this program; start that version`,
        { segment: segment.name, offset: record.offset },
      );
    }
    const isState = type === RECORD_TYPES.hardState || type === RECORD_TYPES.seal;
    if (record.offset === HEADER_BYTES && !isState) return "the hard state at its head is missing";
    const kind = entryKind(type);
    if (kind !== undefined) {
      if (index !== map.lastIndex + 1) return `entry ${index} follows entry ${map.lastIndex}`;
      if (term < map.lastTerm) return `entry ${index} falls back to term ${term}`;
      map.add(segment.sequence, index, term, record.offset);
      if (kind === "config") map.markConfig();
    } else if (type === RECORD_TYPES.truncate) {
      if (index > map.lastIndex) return `a cut at ${index} lies behind entry ${map.lastIndex}`;
      map.truncate(index, term);
    } else {
      walk.hardState = decodeHardState(record);
    }
    walk.sealed = type === RECORD_TYPES.seal;
    segment.provenBytes = Math.max(segment.provenBytes, record.durableBytes);
    return undefined;
  }

  /**
   * Durable bytes ended at or before the bad place, unless something was written afterwards that
   * says otherwise.
   */
  #prove(at: number, offset: number): string | undefined {
    const { segments } = this.#walk;
    if (at === 0 && offset <= HEADER_BYTES)
      return "the head of the first segment is always durable";
    const own = findProof(this.#files[at] as File, this.#buffer, offset, offset + 1);
    if (own !== undefined) {
      return `the record at byte ${own} was written when everything up to there was durable`;
    }
    for (let later = at + 1; later < segments.length; later += 1) {
      const { name } = segments[later] as Segment;
      if (later >= at + 2 && this.#headers[later] !== undefined) {
        return `segment ${name} was begun when this one was durable`;
      }
      const found = findProof(this.#files[later] as File, this.#buffer, 0, HEADER_BYTES);
      if (found !== undefined) {
        return `the record at byte ${found} of segment ${name} was written when this one was durable`;
      }
    }
    return undefined;
  }
}

function refuseForeign(name: string, header: SegmentHeader, identity: Identity | undefined): void {
  if (header.version > FORMAT_VERSION) {
    throw new LogError(
      "LOG_FOREIGN",
      `segment ${name} has format version ${header.version}, this program knows ${FORMAT_VERSION}; start the newer program`,
      { segment: name },
    );
  }
  if (identity === undefined) return;
  if (header.clusterId !== identity.clusterId) {
    throw new LogError(
      "LOG_FOREIGN",
      `segment ${name} belongs to cluster "${header.clusterId}", this node to cluster "${identity.clusterId}"; check the data directory and the cluster id`,
      { segment: name },
    );
  }
  if (header.group !== identity.group) {
    throw new LogError(
      "LOG_FOREIGN",
      `segment ${name} belongs to group ${header.group}, not to group ${identity.group}`,
      { segment: name },
    );
  }
}
