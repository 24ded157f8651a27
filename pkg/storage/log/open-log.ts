import { join } from "node:path";
import { NO_POSITION } from "../../base/index.js";
import { LogError } from "../../replication/ports/index.js";
import type { FileLock, FileSystem } from "../../runtime/index.js";
import { type ActiveSegment, beginAlone } from "./active-segment.js";
import { toLogError } from "./failures.js";
import { recoverLog } from "./recover.js";
import { SegmentedLog, type SegmentedLogOptions } from "./segmented-log.js";
import { type Identity, NO_HARD_STATE } from "./walk-log.js";

/**
 * Opens the log in `directory`, or makes one there, and makes durable whatever it finds.
 * @throws LogError `LOG_LOCKED` | `LOG_FOREIGN` | `LOG_DAMAGED`: nothing was changed;
 * `LOG_FULL` | `LOG_FAILED`: a write or sync of the opening itself failed
 */
export async function openSegmentedLog(options: SegmentedLogOptions): Promise<SegmentedLog> {
  const { directory, fileSystem, clusterId, logger } = options;
  const identity: Identity = { clusterId, group: options.group ?? 0 };
  await fileSystem.makeDirectory(directory);
  const lock = takeLock(fileSystem, directory);
  try {
    const walk = await recoverLog(fileSystem, directory, identity, logger);
    for (const name of fileSystem.list(directory)) {
      if (name.endsWith(".log.tmp")) fileSystem.remove(join(directory, name));
    }
    const newest = walk.segments.at(-1);
    let active: ActiveSegment;
    if (newest === undefined) {
      const start = { identity, sequence: 1, base: NO_POSITION, previousBytes: 0, reset: false };
      active = await beginAlone(fileSystem, directory, { ...start, hardState: NO_HARD_STATE });
    } else {
      const file = fileSystem.open(newest.path, "write");
      const { sequence, name, path, sizeBytes } = newest;
      active = { sequence, name, path, file, sizeBytes, durableBytes: sizeBytes };
    }
    return new SegmentedLog(options, identity, lock, {
      map: walk.map,
      hardState: walk.hardState,
      older: walk.segments.slice(0, -1),
      active,
      sealed: walk.sealed,
    });
  } catch (error) {
    lock.release();
    if (error instanceof LogError) throw error;
    throw toLogError("the log could not be opened", error);
  }
}

function takeLock(fileSystem: FileSystem, directory: string): FileLock {
  try {
    return fileSystem.lock(join(directory, "LOCK"));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LogError(
      "LOG_LOCKED",
      `another process uses the log in ${directory} (${reason}); stop it, or give this node a directory of its own`,
      {},
      { cause },
    );
  }
}
