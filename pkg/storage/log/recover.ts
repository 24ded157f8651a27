import type { FileSystem, Logger } from "../../runtime/index.js";
import { HEADER_BYTES } from "./format.js";
import { LOG_LIMITS } from "./limits.js";
import {
  damaged,
  type Identity,
  listSegments,
  type Problem,
  type Segment,
  type Walk,
  walkLog,
} from "./walk-log.js";

/**
 * Brings the directory into order after whatever ended the last run, and makes durable what was
 * found. Each step leaves a directory from which the same call gets to the same end.
 * @throws LogError `LOG_DAMAGED` | `LOG_FOREIGN`: nothing was changed
 */
export async function recoverLog(
  fileSystem: FileSystem,
  directory: string,
  identity: Identity,
  logger: Logger,
): Promise<Walk> {
  const walk = walkLog(fileSystem, listSegments(fileSystem, directory), identity);
  const { problem } = walk;
  if (problem?.proof !== undefined) {
    const { name } = walk.segments[problem.at] as Segment;
    throw damaged(name, problem.offset, `${problem.reason}; ${problem.proof}`);
  }
  for (const segment of walk.voided) {
    fileSystem.remove(segment.path);
    await fileSystem.syncDirectory(directory);
  }
  if (problem !== undefined) await cutTail(fileSystem, directory, walk, problem, logger);
  // A proof in the last segment covers all before it, so at most two have an unproven end.
  const unproven = walk.segments.at(-1)?.provenBytes === 0 ? 2 : 1;
  for (const segment of walk.segments.slice(-unproven)) await rewriteTail(fileSystem, segment);
  await fileSystem.syncDirectory(directory);
  return walk;
}

async function cutTail(
  fileSystem: FileSystem,
  directory: string,
  walk: Walk,
  problem: Problem,
  logger: Logger,
): Promise<void> {
  const bad = walk.segments[problem.at] as Segment;
  const removeFrom = problem.offset <= HEADER_BYTES ? problem.at : problem.at + 1;
  const gone = walk.segments.splice(removeFrom);
  const cutBytes =
    gone.reduce((sum, segment) => sum + segment.sizeBytes, 0) +
    (removeFrom > problem.at ? bad.sizeBytes - problem.offset : 0);
  logger.log("warn", "wal_tail_cut", "the log ended in writes that never became durable; cut", {
    segment: bad.name,
    offset: problem.offset,
    cutBytes,
    lastIndex: walk.map.lastIndex,
    reason: problem.reason,
  });
  for (const segment of gone.reverse()) {
    fileSystem.remove(segment.path);
    await fileSystem.syncDirectory(directory);
  }
  if (removeFrom === problem.at) return;
  const file = fileSystem.open(bad.path, "write");
  try {
    file.truncate(problem.offset);
    await file.sync();
  } finally {
    file.close();
  }
  bad.sizeBytes = problem.offset;
}

/**
 * Writes the bytes that nothing proves to be on the disk once more, the same bytes at the same
 * place: after a failed sync the page cache may show as clean what the disk never got (FC-035).
 */
async function rewriteTail(fileSystem: FileSystem, segment: Segment): Promise<void> {
  const file = fileSystem.open(segment.path, "write");
  try {
    const buffer = new Uint8Array(LOG_LIMITS.scanBytes);
    for (let at = segment.provenBytes; at < segment.sizeBytes; ) {
      const count = file.read(
        buffer.subarray(0, Math.min(buffer.length, segment.sizeBytes - at)),
        at,
      );
      if (count === 0) break;
      file.write(buffer.subarray(0, count), at);
      at += count;
    }
    await file.sync();
  } finally {
    file.close();
  }
}
