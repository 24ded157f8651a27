import { existsSync, renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { nodeFileSystem } from "../../pkg/runtime/node/index.js";
import { EXIT } from "../exit-codes.js";
import { type Answer, bytesText } from "./answer.js";
import type { Client } from "./client.js";
import { Failure } from "./failure.js";
import type { Io } from "./io.js";
import { factsAnswer, proveSnapshot } from "./snapshot-file.js";

/**
 * Fetches a snapshot of the running node. `file` appears, or is replaced, only once the whole copy
 * is on disk and was read back and found right; anything else leaves it as it was.
 */
export async function snapshotSave(client: Client, file: string, io: Io): Promise<Answer> {
  if (!existsSync(dirname(file))) {
    const message = `the folder ${dirname(file)} does not exist`;
    throw new Failure(EXIT.failed, "ENOENT", message, "make the folder, or name another file");
  }
  const draft = `${file}.partial-${process.pid}`;
  try {
    const source = await client.bytes("/admin/snapshot");
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
