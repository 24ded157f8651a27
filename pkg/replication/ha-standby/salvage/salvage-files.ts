import { crc32 } from "node:zlib";
import {
  isSafeCount,
  type JsonValue,
  type LogIndex,
  type NodeId,
  type Position,
  parseNodeId,
  type Term,
  toLogIndex,
  toTerm,
} from "../../../base/index.js";
import type { Clock, File, FileSystem } from "../../../runtime/index.js";
import { ReplicationError } from "../../errors.js";
import type { Entry, EntryKind } from "../../ports/index.js";
import { LineReader } from "./line-reader.js";

const SUFFIX = ".salvage";
const FORMAT = 1;
/** Bytes of payload that a tail is read and written in. */
export const SALVAGE_READ_BYTES = 1024 * 1024;
const COMMAND_KEY = ',"command":';
const ID = /^[0-9]{1,16}-[0-9]{1,16}-[0-9]{1,16}$/;

/** One tail of a log that nobody else has, set aside before it was cut off. */
export interface SalvageSummary {
  /** Its name in every command: first index, term, time. */
  readonly id: string;
  readonly node: NodeId;
  readonly first: LogIndex;
  readonly last: LogIndex;
  /** The node whose log goes on without these entries. */
  readonly primary: NodeId;
  readonly epoch: Term;
  /** Wall clock in milliseconds. */
  readonly at: number;
  readonly commands: number;
  readonly sizeBytes: number;
  /** Null: it has not been offered again. */
  readonly replayedAt: number | null;
}

export interface SalvagedEntry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKind;
  readonly payload: Uint8Array;
}

export interface SalvageOrigin {
  readonly node: NodeId;
  readonly primary: NodeId;
  readonly epoch: Term;
  readonly first: Position;
  readonly last: LogIndex;
}

/**
 * Writes that this node had and the new primary has not (D12). Each tail is one file of JSON lines:
 * where it is from, its entries, and a sum over all of it.
 */
export class SalvageFiles {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #clock: Clock;

  constructor(parts: {
    readonly fileSystem: FileSystem;
    readonly directory: string;
    readonly clock: Clock;
  }) {
    this.#fileSystem = parts.fileSystem;
    this.#directory = parts.directory;
    this.#clock = parts.clock;
  }

  /**
   * Sets the entries aside; `read` gives some from that index on, at least one.
   * @returns the file's id; the file survives a power cut by then
   */
  async write(origin: SalvageOrigin, read: (from: LogIndex) => readonly Entry[]): Promise<string> {
    await this.#fileSystem.makeDirectory(this.#directory);
    const at = this.#clock.wallMs();
    const id = `${origin.first.index}-${origin.first.term}-${at}`;
    const temporary = `${this.#directory}/${id}.tmp`;
    if (this.#fileSystem.exists(temporary)) this.#fileSystem.remove(temporary);
    const file = this.#fileSystem.open(temporary, "create");
    try {
      writeAll(file, origin, at, read);
      await file.sync();
    } finally {
      file.close();
    }
    this.#fileSystem.rename(temporary, this.#path(id));
    await this.#fileSystem.syncDirectory(this.#directory);
    return id;
  }

  /** Oldest first. A file that cannot be read is left out. */
  list(): readonly SalvageSummary[] {
    if (!this.#fileSystem.exists(this.#directory)) return [];
    const ids = this.#fileSystem
      .list(this.#directory)
      .filter((name) => name.endsWith(SUFFIX))
      .map((name) => name.slice(0, -SUFFIX.length));
    const found = ids.flatMap((id) => {
      try {
        return [this.#summary(id)];
      } catch (error) {
        if (error instanceof ReplicationError) return [];
        throw error;
      }
    });
    return found.sort((a, b) => a.at - b.at || a.first - b.first);
  }

  /** @throws ReplicationError `NOT_FOUND`; `STORAGE_FAILED` when the file is not what was written */
  summary(id: string): SalvageSummary {
    this.#check(id);
    return this.#summary(id);
  }

  /**
   * The entries in order, the whole file checked before the first is given.
   * @throws ReplicationError as {@link summary}
   */
  *entries(id: string): Generator<SalvagedEntry> {
    this.#check(id);
    const { file, reader } = this.#open(id);
    try {
      this.#verify(id, file);
      reader.next();
      for (let line = reader.next(); line !== undefined; line = reader.next()) {
        if (line.startsWith('{"index":')) yield toEntry(line);
      }
    } finally {
      file.close();
    }
  }

  /** Notes durably that its writes were offered again. */
  async markReplayed(id: string): Promise<void> {
    this.#check(id);
    const path = this.#replayedPath(id);
    if (this.#fileSystem.exists(path)) this.#fileSystem.remove(path);
    const file = this.#fileSystem.open(path, "create");
    try {
      file.write(Buffer.from(`${JSON.stringify({ at: this.#clock.wallMs() })}\n`), 0);
      await file.sync();
    } finally {
      file.close();
    }
    await this.#fileSystem.syncDirectory(this.#directory);
  }

  /** Removes it for good. @throws ReplicationError `NOT_FOUND` */
  async discard(id: string): Promise<void> {
    this.#check(id);
    const replayed = this.#replayedPath(id);
    if (this.#fileSystem.exists(replayed)) this.#fileSystem.remove(replayed);
    this.#fileSystem.remove(this.#path(id));
    await this.#fileSystem.syncDirectory(this.#directory);
  }

  #path(id: string): string {
    return `${this.#directory}/${id}${SUFFIX}`;
  }

  #replayedPath(id: string): string {
    return `${this.#directory}/${id}.replayed`;
  }

  /** An id comes from outside: it must not lead to another folder. */
  #check(id: string): void {
    if (ID.test(id) && this.#fileSystem.exists(this.#path(id))) return;
    throw new ReplicationError("NOT_FOUND", `there is no salvage file ${JSON.stringify(id)}`, {
      field: "id",
      hint: "nornicctl salvage list",
    });
  }

  #open(id: string): { readonly file: File; readonly reader: LineReader } {
    const file = this.#fileSystem.open(this.#path(id), "read");
    return { file, reader: new LineReader(file) };
  }

  #summary(id: string): SalvageSummary {
    const { file, reader } = this.#open(id);
    try {
      const head = parse(reader.next(), this.#path(id));
      const tail = parse(lastLine(file), this.#path(id));
      const node = parseNodeId(String(head.node));
      const primary = parseNodeId(String(head.primary));
      const { format, first, last, epoch, at } = head;
      const known =
        format === FORMAT && isSafeCount(first) && isSafeCount(last) && isSafeCount(epoch);
      if (!known || node === undefined || primary === undefined || !isSafeCount(tail.commands)) {
        throw damaged(this.#path(id), "its first or last line is not one of ours");
      }
      return {
        id,
        node,
        primary,
        first: toLogIndex(first),
        last: toLogIndex(last),
        epoch: toTerm(epoch),
        at: Number(at),
        commands: tail.commands,
        sizeBytes: file.sizeBytes(),
        replayedAt: this.#replayedAt(id),
      };
    } finally {
      file.close();
    }
  }

  #replayedAt(id: string): number | null {
    const path = this.#replayedPath(id);
    if (!this.#fileSystem.exists(path)) return null;
    const file = this.#fileSystem.open(path, "read");
    try {
      return Number(parse(new LineReader(file).next(), path).at);
    } finally {
      file.close();
    }
  }

  #verify(id: string, file: File): void {
    const reader = new LineReader(file);
    let sum = 0;
    let before: string | undefined;
    for (let line = reader.next(); line !== undefined; line = reader.next()) {
      if (before !== undefined) sum = crc32(`${before}\n`, sum);
      before = line;
    }
    if (parse(before, this.#path(id)).crc === sum) return;
    throw damaged(this.#path(id), "its sum does not fit");
  }
}

function writeAll(
  file: File,
  origin: SalvageOrigin,
  at: number,
  read: (from: LogIndex) => readonly Entry[],
): void {
  let position = 0;
  let sum = 0;
  const put = (text: string): void => {
    const bytes = Buffer.from(text, "utf8");
    sum = crc32(bytes, sum);
    file.write(bytes, position);
    position += bytes.length;
  };
  const { node, primary, epoch, first, last } = origin;
  const head = { format: FORMAT, node, primary, epoch, first: first.index, last, at };
  put(`${JSON.stringify(head)}\n`);
  let commands = 0;
  for (let next = first.index; next <= last; ) {
    const entries = read(next).filter(({ index }) => index <= last);
    if (entries.length === 0) throw new Error(`entry ${next} cannot be read`);
    commands += entries.filter(({ kind }) => kind === "command").length;
    put(entries.map(toLine).join(""));
    next = toLogIndex((entries.at(-1)?.index ?? last) + 1);
  }
  put(`${JSON.stringify({ commands, crc: sum })}\n`);
}

/** The payload goes in as the JSON it is: a write that is offered again has the very same bytes. */
function toLine({ index, term, kind, payload }: Entry): string {
  const command = payload.length === 0 ? "null" : Buffer.from(payload).toString("utf8");
  return `{"index":${index},"term":${term},"kind":"${kind}"${COMMAND_KEY}${command}}\n`;
}

function toEntry(line: string): SalvagedEntry {
  const { index, term, kind } = JSON.parse(line) as Entry;
  const text = line.slice(line.indexOf(COMMAND_KEY) + COMMAND_KEY.length, -1);
  const payload = new Uint8Array(text === "null" ? [] : Buffer.from(text, "utf8"));
  return { index: toLogIndex(index), term: toTerm(term), kind, payload };
}

function lastLine(file: File): string | undefined {
  const size = file.sizeBytes();
  const bytes = new Uint8Array(Math.min(size, 256));
  file.read(bytes, size - bytes.length);
  return Buffer.from(bytes).toString("utf8").trimEnd().split("\n").at(-1);
}

function parse(line: string | undefined, path: string): { readonly [key: string]: JsonValue } {
  try {
    return JSON.parse(line ?? "") as { readonly [key: string]: JsonValue };
  } catch {
    throw damaged(path, "a line is not JSON");
  }
}

function damaged(path: string, why: string): ReplicationError {
  return new ReplicationError("STORAGE_FAILED", `${path} is not what was written: ${why}`, {
    hint: "look at it by hand; its lines are JSON, one entry each",
  });
}
