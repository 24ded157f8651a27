import type { FileSystem } from "../../runtime/index.js";
import type { RoundReport } from "./report.js";

/** Files kept; the oldest goes first. */
const DUMPS_MAX = 16;
const PREFIX = "difference-";

/** Writes down what a round found, durably. @returns the file's path */
export async function writeDump(
  fileSystem: FileSystem,
  directory: string,
  found: RoundReport & { readonly at: number },
): Promise<string> {
  await fileSystem.makeDirectory(directory);
  const name = `${PREFIX}${String(found.index).padStart(16, "0")}-${found.at}.json`;
  const path = `${directory}/${name}`;
  const file = fileSystem.open(path, "create");
  try {
    file.write(Buffer.from(`${JSON.stringify(found, null, 2)}\n`, "utf8"), 0);
    await file.sync();
  } finally {
    file.close();
  }
  const old = fileSystem.list(directory).filter((entry) => entry.startsWith(PREFIX));
  for (const entry of old.slice(0, -DUMPS_MAX)) fileSystem.remove(`${directory}/${entry}`);
  await fileSystem.syncDirectory(directory);
  return path;
}
