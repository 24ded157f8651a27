import { copyFileSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type NodeId, parseNodeId } from "../../pkg/base/index.js";
import type { FileLock, FileSystem } from "../../pkg/runtime/index.js";
import { type DataFolders, databaseFile, logFolder } from "../../pkg/wiring/index.js";

const IDENTITY = "node.json";
const STAGE = "restoring.tmp";

/** One folder of the node, and what of it a restore replaces. */
interface Half {
  readonly folder: string;
  readonly names: readonly string[];
}

/**
 * A data directory while a snapshot takes its place. The folders themselves stay, as they may be
 * mount points; their contents are exchanged. While that is under way the node's identity is a
 * text that no node starts with, so that a crash in between cannot begin an empty or mixed node;
 * the same restore, run again, then ends it.
 */
export class RestorePlace {
  readonly #fileSystem: FileSystem;
  readonly #folders: DataFolders;
  readonly #halves: readonly [Half, Half];
  readonly #identity: string;

  constructor(folders: DataFolders, fileSystem: FileSystem) {
    const { dataDir, replicationDir } = folders;
    this.#folders = folders;
    this.#fileSystem = fileSystem;
    this.#identity = join(replicationDir, IDENTITY);
    this.#halves = [
      { folder: dataDir, names: ["graph.db", "graph.db-wal", "graph.db-shm"] },
      { folder: replicationDir, names: ["wal", "members.json"] },
    ];
  }

  /** Where the new contents are built: the same layout, on the same disks. */
  get stage(): DataFolders {
    const [data, replication] = this.#halves;
    return {
      dataDir: join(data.folder, STAGE),
      replicationDir: join(replication.folder, STAGE),
    };
  }

  /** What is there already, but for folders and locks. */
  contents(): string[] {
    const all = this.#halves.flatMap(({ folder, names }) =>
      names.map((name) => join(folder, name)),
    );
    return [...all, this.#identity].filter((path) => this.#fileSystem.exists(path));
  }

  /** The node that the directory was of, also in the middle of a restore. */
  nodeId(): NodeId | undefined {
    try {
      const { node_id } = Object(JSON.parse(readFileSync(this.#identity, "utf8")));
      return typeof node_id === "string" ? parseNodeId(node_id) : undefined;
    } catch {
      return undefined;
    }
  }

  /** @throws Error code `ELOCKED` while a node runs on the directory */
  async lock(): Promise<FileLock> {
    const { dataDir, replicationDir } = this.#folders;
    await this.#fileSystem.makeDirectory(dataDir);
    await this.#fileSystem.makeDirectory(replicationDir);
    const lock = this.#fileSystem.lock(join(dataDir, "LOCK"));
    try {
      const log = logFolder(this.#folders);
      if (this.#fileSystem.exists(log)) this.#fileSystem.lock(join(log, "LOCK")).release();
      return lock;
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  async clearStage(): Promise<void> {
    const { dataDir, replicationDir } = this.stage;
    for (const folder of [dataDir, replicationDir]) {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /**
   * Exchanges the contents for those of the stage. On return everything is durable.
   * @param stamp - names the folders that the old contents go to
   * @returns those folders; none when there was nothing
   */
  async exchange(nodeId: NodeId, stamp: string): Promise<string[]> {
    const fileSystem = this.#fileSystem;
    const aside = this.contents().length > 0 ? `before-restore-${stamp}` : undefined;
    if (aside !== undefined) await this.#keepIdentity(aside);
    await this.#closeGate(nodeId);
    for (const { folder, names } of this.#halves) {
      for (const name of names) {
        const path = join(folder, name);
        if (aside === undefined || !fileSystem.exists(path)) continue;
        fileSystem.rename(path, join(folder, aside, name));
      }
      if (aside !== undefined) await fileSystem.syncDirectory(join(folder, aside));
      await fileSystem.syncDirectory(folder);
    }
    const { stage } = this;
    fileSystem.rename(databaseFile(stage), databaseFile(this.#folders));
    fileSystem.rename(logFolder(stage), logFolder(this.#folders));
    for (const { folder } of this.#halves) await fileSystem.syncDirectory(folder);
    fileSystem.rename(join(stage.replicationDir, IDENTITY), this.#identity);
    await fileSystem.syncDirectory(this.#folders.replicationDir);
    await this.clearStage();
    return aside === undefined ? [] : this.#halves.map(({ folder }) => join(folder, aside));
  }

  async #keepIdentity(aside: string): Promise<void> {
    for (const { folder } of this.#halves) {
      mkdirSync(join(folder, aside), { mode: 0o700 });
      await this.#fileSystem.syncDirectory(folder);
    }
    if (!this.#fileSystem.exists(this.#identity)) return;
    copyFileSync(this.#identity, join(this.#folders.replicationDir, aside, IDENTITY));
  }

  async #closeGate(nodeId: NodeId): Promise<void> {
    const fileSystem = this.#fileSystem;
    const draft = `${this.#identity}.gate`;
    if (fileSystem.exists(draft)) fileSystem.remove(draft);
    const file = fileSystem.open(draft, "create");
    const text = { format: "a restore is under way", node_id: nodeId };
    file.write(Buffer.from(`${JSON.stringify(text)}\n`), 0);
    await file.sync();
    file.close();
    fileSystem.rename(draft, this.#identity);
    await fileSystem.syncDirectory(this.#folders.replicationDir);
  }
}
