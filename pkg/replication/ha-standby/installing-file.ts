import { isSafeCount, type Position, toLogIndex, toTerm } from "../../base/index.js";
import type { FileSystem } from "../../runtime/index.js";
import { ReplicationError } from "../errors.js";

const FILE = "installing.json";
const BYTES_MAX = 4_096;

/** Says durably that a copy of another node at that position is being put in place. */
export class InstallingFile {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;

  constructor(fileSystem: FileSystem, directory: string) {
    this.#fileSystem = fileSystem;
    this.#directory = directory;
  }

  /** @throws ReplicationError `STORAGE_FAILED` when the file is there and cannot be understood */
  read(): Position | null {
    if (!this.#fileSystem.exists(this.#path)) return null;
    const file = this.#fileSystem.open(this.#path, "read");
    try {
      const bytes = new Uint8Array(Math.min(file.sizeBytes(), BYTES_MAX));
      file.read(bytes, 0);
      const { index, term } = JSON.parse(Buffer.from(bytes).toString("utf8"));
      if (isSafeCount(index) && isSafeCount(term)) {
        return { index: toLogIndex(index), term: toTerm(term) };
      }
      throw new Error("it names no position");
    } catch (cause) {
      throw new ReplicationError(
        "STORAGE_FAILED",
        `${this.#path} cannot be read`,
        { hint: "wipe this node's data directory; it copies everything from the primary" },
        { cause },
      );
    } finally {
      file.close();
    }
  }

  async write(position: Position): Promise<void> {
    const temporary = `${this.#path}.tmp`;
    if (this.#fileSystem.exists(temporary)) this.#fileSystem.remove(temporary);
    const file = this.#fileSystem.open(temporary, "create");
    try {
      file.write(Buffer.from(`${JSON.stringify(position)}\n`), 0);
      await file.sync();
    } finally {
      file.close();
    }
    this.#fileSystem.rename(temporary, this.#path);
    await this.#fileSystem.syncDirectory(this.#directory);
  }

  /** It is in place. */
  async clear(): Promise<void> {
    if (!this.#fileSystem.exists(this.#path)) return;
    this.#fileSystem.remove(this.#path);
    await this.#fileSystem.syncDirectory(this.#directory);
  }

  get #path(): string {
    return `${this.#directory}/${FILE}`;
  }
}
