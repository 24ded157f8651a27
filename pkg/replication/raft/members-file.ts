import type { JsonValue, LogIndex, Position } from "../../base/index.js";
import { isSafeCount, toLogIndex, toTerm } from "../../base/index.js";
import type { FileSystem } from "../../runtime/index.js";
import { ReplicationError } from "../errors.js";
import { type ConfigEntry, encodeMembership, toMembership } from "./core/membership.js";

const FILE = "members.json";
const FORMAT = 1;
const BYTES_MAX = 1024 * 1024;

/** What the log cannot tell once its beginning is cut. */
export interface KeptMembers {
  /** Ascending. */
  readonly configs: readonly ConfigEntry[];
  /** A copy of another node at this position was being put in place. */
  readonly installing: Position | null;
}

/** Memberships that a cut or a snapshot takes out of the log; replaced as a whole, durably. */
export class MembersFile {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  #writing: Promise<void> = Promise.resolve();

  constructor(fileSystem: FileSystem, directory: string) {
    this.#fileSystem = fileSystem;
    this.#directory = directory;
  }

  /** @throws ReplicationError `STORAGE_FAILED` when the file is there and cannot be understood */
  read(): KeptMembers {
    const path = `${this.#directory}/${FILE}`;
    if (!this.#fileSystem.exists(path)) return { configs: [], installing: null };
    const file = this.#fileSystem.open(path, "read");
    try {
      const bytes = new Uint8Array(Math.min(file.sizeBytes(), BYTES_MAX));
      file.read(bytes, 0);
      return toKept(JSON.parse(Buffer.from(bytes).toString("utf8")) as JsonValue);
    } catch (cause) {
      throw new ReplicationError(
        "STORAGE_FAILED",
        `${path} is not a list of members that this version can read`,
        { hint: "remove this node from the cluster, wipe its data directory, and add it again" },
        { cause },
      );
    } finally {
      file.close();
    }
  }

  /** Durable on return. Calls may overlap; they take effect in their order. */
  write(kept: KeptMembers): Promise<void> {
    const written = this.#writing.then(() => this.#write(kept));
    this.#writing = written.catch(() => {});
    return written;
  }

  async #write({ configs, installing }: KeptMembers): Promise<void> {
    const text = JSON.stringify({
      format: FORMAT,
      configs: configs.map(({ index, membership }) => ({
        index,
        membership: JSON.parse(Buffer.from(encodeMembership(membership)).toString("utf8")),
      })),
      installing,
    });
    const temporary = `${this.#directory}/${FILE}.tmp`;
    if (this.#fileSystem.exists(temporary)) this.#fileSystem.remove(temporary);
    const file = this.#fileSystem.open(temporary, "create");
    try {
      file.write(Buffer.from(`${text}\n`), 0);
      await file.sync();
    } finally {
      file.close();
    }
    this.#fileSystem.rename(temporary, `${this.#directory}/${FILE}`);
    await this.#fileSystem.syncDirectory(this.#directory);
  }
}

type Fields = { readonly [name: string]: JsonValue };

function toKept(value: JsonValue): KeptMembers {
  const { format, configs, installing } = value as Fields;
  if (format !== FORMAT || !Array.isArray(configs)) throw new Error(`format ${String(format)}`);
  return {
    configs: configs.map(toConfigEntry),
    installing: installing === null ? null : toPosition(installing as Fields),
  };
}

function toPosition({ index, term }: Fields): Position {
  if (!isSafeCount(index) || !isSafeCount(term)) throw new Error("installing is not a position");
  return { index: toLogIndex(index), term: toTerm(term) };
}

/** @throws Error when the value is no membership with its index */
export function toConfigEntry(value: JsonValue): ConfigEntry {
  const { index, membership } = value as Fields;
  const known = membership === undefined ? undefined : toMembership(membership);
  if (!isSafeCount(index) || known === undefined) throw new Error("this is not a membership");
  return { index: index as LogIndex, membership: known };
}

/** The newest membership at or below `index`, and all after it. */
export function neededFrom(configs: readonly ConfigEntry[], index: number): readonly ConfigEntry[] {
  const at = configs.findLastIndex((config) => config.index <= index);
  return at <= 0 ? configs : configs.slice(at);
}
