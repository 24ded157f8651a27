import { existsSync, renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import type { LoadedConfig } from "../../pkg/config/index.js";
import { encodeSnapshot } from "../../pkg/replication/snapshot/index.js";
import { nodeFileSystem, systemClock } from "../../pkg/runtime/node/index.js";
import {
  openRegionStorage,
  openSqliteStorage,
  type SqliteStorage,
} from "../../pkg/storage/index.js";
import { databaseFile } from "../../pkg/wiring/index.js";
import { EXIT } from "../exit-codes.js";
import { type Answer, bytesText } from "./answer.js";
import type { Client } from "./client.js";
import { Failure } from "./failure.js";
import type { Io } from "./io.js";
import { RestorePlace } from "./restore-place.js";
import { foldersOf } from "./settings.js";
import { factsAnswer, proveSnapshot } from "./snapshot-file.js";

/**
 * Fetches a snapshot of the running node. `file` appears, or is replaced, only once the whole copy
 * is on disk and was read back and found right; anything else leaves it as it was.
 */
export function snapshotSave(client: Client, file: string, io: Io): Promise<Answer> {
  return save(() => client.bytes("/admin/snapshot"), file, io);
}

/** The same of a stopped node, from its files: what its storage holds, whatever became of its log. */
export async function snapshotSaveOffline(
  loaded: LoadedConfig,
  file: string,
  io: Io,
): Promise<Answer> {
  const folders = foldersOf(loaded);
  const fileSystem = nodeFileSystem();
  const path = databaseFile(folders);
  if (!fileSystem.exists(path)) {
    const next = "name the node's data directory with --data-dir";
    throw new Failure(EXIT.failed, "NO_DATA", `there is no ${path}`, next);
  }
  const place = new RestorePlace(folders, fileSystem);
  const lock = await place.lock();
  try {
    const { clusterId } = loaded.config.cluster;
    const storage = await openStored(path, clusterId);
    try {
      const reader = await storage.snapshot();
      const manifest = {
        clusterId,
        nodeId: place.nodeId() ?? loaded.config.nodeId ?? "unknown",
        position: reader.position,
        createdAt: systemClock.wallMs(),
        storage: "sqlite",
      };
      try {
        return await save(async () => encodeSnapshot(manifest, reader.chunks()), file, io);
      } finally {
        await reader.close();
      }
    } finally {
      await storage.close();
    }
  } finally {
    lock.release();
  }
}

/** A region's storage would make a region's file of a graph's, so that one is tried last. */
async function openStored(path: string, clusterId: string): Promise<SqliteStorage> {
  const options = { path, threads: "single", clusterId } as const;
  try {
    return await openSqliteStorage(options);
  } catch (error) {
    return openRegionStorage(options).catch(() => Promise.reject(error));
  }
}

async function save(
  open: () => Promise<AsyncIterable<Uint8Array>>,
  file: string,
  io: Io,
): Promise<Answer> {
  if (!existsSync(dirname(file))) {
    const message = `the folder ${dirname(file)} does not exist`;
    throw new Failure(EXIT.failed, "ENOENT", message, "make the folder, or name another file");
  }
  const draft = `${file}.partial-${process.pid}`;
  try {
    const source = await open();
    await write(source, draft, (bytes) => io.progress(`received ${bytesText(bytes)}`));
    const facts = await proveSnapshot(draft, io);
    renameSync(draft, file);
    await nodeFileSystem().syncDirectory(dirname(file));
    return factsAnswer(file, facts);
  } finally {
    rmSync(draft, { force: true });
  }
}

async function write(
  source: AsyncIterable<Uint8Array>,
  file: string,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const handle = await open(file, "wx", 0o600);
  try {
    let bytes = 0;
    for await (const part of source) {
      await handle.writeFile(part);
      bytes += part.length;
      onBytes(bytes);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}
