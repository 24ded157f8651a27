import { isSafeCount, type Term, toTerm } from "../../base/index.js";
import type { Clock, File, FileSystem, Logger } from "../../runtime/index.js";
import { KEPT_NOTES } from "./kept-notes.js";

const NAME = "failovers.jsonl";
/** Events kept; the oldest go first. */
const FAILOVER_EVENTS_MAX = 1_000;
/** The file is written anew when it has this many lines. */
const LINES_MAX = 2 * FAILOVER_EVENTS_MAX;
const CAUSE_CHARACTERS_MAX = 500;

/** Something that befell the roles of a pair, as this node saw it. */
export interface FailoverEvent {
  /** Wall clock in milliseconds. */
  readonly at: number;
  readonly event: string;
  readonly epoch: Term;
  readonly cause: string;
  /** Entries of the log that were set aside. */
  readonly entries?: number | undefined;
  /** The salvage file that has them. */
  readonly salvage?: string | undefined;
}

export interface FailoverLogParts {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * HB-60: what befell the roles, kept over restarts. Nothing waits for it, and a disk that refuses it
 * stops nothing: what is not there yet is written with the next event.
 */
export class FailoverLog {
  readonly #parts: FailoverLogParts;
  #events: readonly FailoverEvent[] = [];
  #unwritten: readonly FailoverEvent[] = [];
  #lines = 0;
  #sizeBytes = 0;
  /** The file is not known to hold what it should: it is replaced as a whole. */
  #isBroken = true;
  #writing: Promise<void> | undefined;

  private constructor(parts: FailoverLogParts) {
    this.#parts = parts;
  }

  /** Reads what there is; lines that cannot be understood, as a torn last one, are left out. */
  static open(parts: FailoverLogParts): FailoverLog {
    const log = new FailoverLog(parts);
    if (parts.fileSystem.exists(log.#path)) log.#read();
    return log;
  }

  /** Oldest first. */
  list(): readonly FailoverEvent[] {
    return this.#events;
  }

  /** A note of the core; those that tell nothing of the roles are left out. */
  noted(event: string, epoch: Term, cause: string): void {
    if (KEPT_NOTES.has(event)) this.record({ event, epoch, cause });
  }

  record(event: Omit<FailoverEvent, "at">): void {
    const cause = event.cause.slice(0, CAUSE_CHARACTERS_MAX);
    const kept = { at: this.#parts.clock.wallMs(), ...event, cause };
    this.#events = [...this.#events, kept].slice(-FAILOVER_EVENTS_MAX);
    this.#unwritten = [...this.#unwritten, kept].slice(-FAILOVER_EVENTS_MAX);
    this.#flush();
  }

  /** What was recorded is durable, or was refused by the disk. */
  async close(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  #flush(): void {
    if (this.#writing !== undefined || this.#unwritten.length === 0) return;
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined;
      this.#flush();
    });
  }

  #read(): void {
    const file = this.#parts.fileSystem.open(this.#path, "read");
    try {
      const bytes = new Uint8Array(file.sizeBytes());
      file.read(bytes, 0);
      const lines = Buffer.from(bytes).toString("utf8").split("\n");
      const isWhole = lines.pop() === "";
      const events = lines.flatMap((line) => toEvent(line) ?? []);
      this.#events = events.slice(-FAILOVER_EVENTS_MAX);
      this.#lines = lines.length;
      this.#sizeBytes = bytes.length;
      this.#isBroken = !isWhole || events.length !== lines.length;
    } finally {
      file.close();
    }
  }

  async #write(): Promise<void> {
    while (this.#unwritten.length > 0) {
      const events = this.#unwritten;
      this.#unwritten = [];
      const isAnew = this.#isBroken || this.#lines + events.length > LINES_MAX;
      this.#isBroken = true;
      try {
        await (isAnew ? this.#replace() : this.#append(events));
        this.#isBroken = false;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        const text = "[failover] An event could not be kept; it is written with the next one";
        this.#parts.logger.log("warn", "history_unwritten", text, { reason });
      }
    }
  }

  async #append(events: readonly FailoverEvent[]): Promise<void> {
    const bytes = toBytes(events);
    await this.#inFile("write", async (file) => {
      file.write(bytes, this.#sizeBytes);
      await file.sync();
    });
    this.#sizeBytes += bytes.length;
    this.#lines += events.length;
  }

  async #replace(): Promise<void> {
    const { fileSystem, directory } = this.#parts;
    const temporary = `${this.#path}.tmp`;
    await fileSystem.makeDirectory(directory);
    if (fileSystem.exists(temporary)) fileSystem.remove(temporary);
    const events = this.#events;
    const bytes = toBytes(events);
    this.#unwritten = [];
    await this.#inFile(
      "create",
      async (file) => {
        file.write(bytes, 0);
        await file.sync();
      },
      temporary,
    );
    fileSystem.rename(temporary, this.#path);
    await fileSystem.syncDirectory(directory);
    this.#sizeBytes = bytes.length;
    this.#lines = events.length;
  }

  async #inFile(
    mode: "write" | "create",
    body: (file: File) => Promise<void>,
    path = this.#path,
  ): Promise<void> {
    const file = this.#parts.fileSystem.open(path, mode);
    try {
      await body(file);
    } finally {
      file.close();
    }
  }

  get #path(): string {
    return `${this.#parts.directory}/${NAME}`;
  }
}

function toBytes(events: readonly FailoverEvent[]): Uint8Array {
  return Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join(""));
}

function toEvent(line: string): FailoverEvent | undefined {
  try {
    const { at, event, epoch, cause, entries, salvage } = Object(JSON.parse(line));
    if (!isSafeCount(at) || !isSafeCount(epoch)) return undefined;
    if (typeof event !== "string" || typeof cause !== "string") return undefined;
    return {
      at,
      event,
      epoch: toTerm(epoch),
      cause,
      ...(isSafeCount(entries) ? { entries } : {}),
      ...(typeof salvage === "string" ? { salvage } : {}),
    };
  } catch {
    return undefined;
  }
}
