import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");

export interface Source {
  /** From the root, with `/`. */
  readonly path: string;
  readonly text: string;
}

/** Every file below the folders whose name matches, sorted by path. */
export function readSources(folders: readonly string[], name: RegExp): Source[] {
  return folders.flatMap((folder) =>
    readdirSync(path.join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => name.test(file))
      .sort()
      .map((file) => {
        const relative = path.join(folder, file).replaceAll("\\", "/");
        return { path: relative, text: readFileSync(path.join(ROOT, relative), "utf8") };
      }),
  );
}
