import { crc32 } from "node:zlib";
import type { FileSystem } from "../../../runtime/index.js";
import type { PeerPayload } from "../../ports/index.js";
import { PayloadFields } from "../../wire/index.js";
import type { StoredLease } from "../lease.js";
import { ARBITER_LIMITS } from "../limits.js";
import { storedJson, toStored } from "../stored-lease.js";

const FORMAT = 1;
const SUFFIX = ".json";
const DRAFT = ".tmp";

/**
 * One file a cluster, replaced as a whole: a crash leaves the old record or the new one. A record
 * that cannot be read is never skipped, or an epoch could be given twice.
 */
export class RecordFiles {
  readonly #directory: string;
  readonly #fileSystem: FileSystem;

  constructor(directory: string, fileSystem: FileSystem) {
    this.#directory = directory;
    this.#fileSystem = fileSystem;
  }

  /** @throws Error naming the file that is damaged */
  async readAll(): Promise<ReadonlyMap<string, StoredLease>> {
    await this.#fileSystem.makeDirectory(this.#directory);
    const found = new Map<string, StoredLease>();
    for (const name of this.#fileSystem.list(this.#directory)) {
      const path = `${this.#directory}/${name}`;
      if (name.endsWith(DRAFT)) this.#fileSystem.remove(path);
      else if (name.endsWith(SUFFIX)) {
        found.set(name.slice(0, -SUFFIX.length), this.#read(path, name));
      }
    }
    return found;
  }

  #read(path: string, name: string): StoredLease {
    const file = this.#fileSystem.open(path, "read");
    try {
      const bytes = new Uint8Array(Math.min(file.sizeBytes(), ARBITER_LIMITS.recordBytesMax));
      file.read(bytes, 0);
      return parse(Buffer.from(bytes).toString("utf8"), name.slice(0, -SUFFIX.length));
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(
        `${path} is damaged (${reason}); an epoch could be given twice, so the witness does not ` +
          "start; with the primary of that cluster running, move the file away and start again",
        { cause },
      );
    } finally {
      file.close();
    }
  }

  /** Durable on return. After a failure either record may be there after a restart. */
  async write(cluster: string, stored: StoredLease): Promise<void> {
    const path = `${this.#directory}/${cluster}${SUFFIX}`;
    const draft = `${path}${DRAFT}`;
    if (this.#fileSystem.exists(draft)) this.#fileSystem.remove(draft);
    const file = this.#fileSystem.open(draft, "create");
    try {
      file.write(Buffer.from(render(cluster, stored)), 0);
      await file.sync();
    } finally {
      file.close();
    }
    this.#fileSystem.rename(draft, path);
    await this.#fileSystem.syncDirectory(this.#directory);
  }
}

function render(cluster: string, stored: StoredLease): string {
  const record = { format: FORMAT, cluster, ...storedJson(stored) };
  return `${JSON.stringify({ ...record, crc32: crc32(JSON.stringify(record)) })}\n`;
}

function parse(text: string, cluster: string): StoredLease {
  const fields = new PayloadFields(JSON.parse(text) as PeerPayload, "record");
  if (fields.count("format") !== FORMAT) throw fields.bad("format", String(FORMAT));
  const stored = toStored(fields);
  if (render(cluster, stored) !== text) throw new Error("its checksum is wrong");
  return stored;
}
