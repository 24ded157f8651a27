import type { File } from "../../runtime/index.js";
import {
  decodeHeader,
  decodeRecord,
  HEADER_BYTES,
  RecordView,
  type SegmentHeader,
  SHORT,
} from "./format.js";
import { LOG_LIMITS } from "./limits.js";

/** A window over a file, refilled as a scan moves on; grows to the largest record met. */
export class ScanBuffer {
  bytes: Uint8Array;
  view: DataView;
  readonly record = new RecordView();

  constructor(sizeBytes: number) {
    this.bytes = new Uint8Array(sizeBytes);
    this.view = new DataView(this.bytes.buffer);
  }

  ensure(sizeBytes: number): void {
    if (this.bytes.length >= sizeBytes) return;
    this.bytes = new Uint8Array(sizeBytes);
    this.view = new DataView(this.bytes.buffer);
  }
}

export function readHeader(file: File): SegmentHeader | undefined {
  const bytes = new Uint8Array(HEADER_BYTES);
  const count = file.read(bytes, 0);
  return decodeHeader(bytes.subarray(0, count));
}

/**
 * Visits the records from offset `from` in order until one is bad, the file ends, or `visit`
 * answers false (that record then counts as not visited). The record is only valid during the
 * visit.
 * @returns the offset behind the last visited record
 */
export function scanRecords(
  file: File,
  buffer: ScanBuffer,
  from: number,
  visit: (record: RecordView) => boolean,
): number {
  const size = file.sizeBytes();
  const { record } = buffer;
  let position = from;
  while (position < size) {
    const filled = file.read(
      buffer.bytes.subarray(0, Math.min(buffer.bytes.length, size - position)),
      position,
    );
    let at = 0;
    for (;;) {
      const length = decodeRecord(buffer.bytes, buffer.view, at, filled, record);
      if (length < 0) {
        if (length !== SHORT || position + filled >= size) return position + at;
        break;
      }
      record.offset = position + at;
      if (!visit(record)) return position + at;
      at += length;
    }
    if (at === 0) {
      if (buffer.bytes.length >= LOG_LIMITS.payloadBytesMax * 2) return position;
      buffer.ensure(buffer.bytes.length * 4);
    }
    position += at;
  }
  return position;
}

/**
 * Looks at every byte offset from `from` on for an intact record that proves `durable` bytes of
 * this segment, or more, had been synced when it was written.
 */
export function findProof(
  file: File,
  buffer: ScanBuffer,
  from: number,
  durable: number,
): number | undefined {
  const size = file.sizeBytes();
  const { record } = buffer;
  buffer.ensure(LOG_LIMITS.scanBytes);
  let position = from;
  while (position < size) {
    const filled = file.read(
      buffer.bytes.subarray(0, Math.min(buffer.bytes.length, size - position)),
      position,
    );
    const atEnd = position + filled >= size;
    let at = 0;
    let grow = false;
    for (; at < filled; at += 1) {
      const length = decodeRecord(buffer.bytes, buffer.view, at, filled, record);
      if (length > 0) {
        const mark = record.durableBytes;
        if (mark >= durable && mark <= position + at) return position + at;
      } else if (length === SHORT && !atEnd) {
        grow = at === 0;
        break;
      }
    }
    if (grow) {
      if (buffer.bytes.length < LOG_LIMITS.payloadBytesMax * 2) {
        buffer.ensure(buffer.bytes.length * 4);
        continue;
      }
      at = 1;
    }
    position += at;
  }
  return undefined;
}
