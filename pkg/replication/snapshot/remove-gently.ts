import type { FileSystem, Timers } from "../../runtime/index.js";

const STEP_BYTES = 8 * 1024 * 1024;

/**
 * Removes a file, if it is there, some MiB in a turn of the loop: to free a large one at once takes
 * about half a millisecond for each MiB, and everything else waits.
 */
export async function removeGently(
  fileSystem: FileSystem,
  path: string,
  timers: Timers,
): Promise<void> {
  if (!fileSystem.exists(path)) return;
  const file = fileSystem.open(path, "write");
  try {
    for (let size = file.sizeBytes(); size > STEP_BYTES; size -= STEP_BYTES) {
      file.truncate(size - STEP_BYTES);
      await new Promise<void>((resolve) => void timers.soon(resolve));
    }
  } finally {
    file.close();
  }
  if (fileSystem.exists(path)) fileSystem.remove(path);
}
