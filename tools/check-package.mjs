// Checks what would be published: the file list, the entry points and their types.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { publint } from "publint";
import { formatMessage } from "publint/utils";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
const problems = [];

const packed = spawnSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
  cwd: root,
  encoding: "utf8",
});
const files = JSON.parse(packed.stdout)[0].files.map((file) => file.path);
const expected =
  /^(dist\/(pkg|cmd|test\/contract)\/.*\.(js|d\.ts|json)|package\.json|README\.md|LICENSE|CHANGELOG\.md)$/;
for (const file of files) {
  if (!expected.test(file) || /\.test\./.test(file)) problems.push(`stray file: ${file}`);
}

const entries = Object.values(manifest.exports).flatMap((entry) =>
  typeof entry === "string" ? [entry] : Object.values(entry),
);
for (const file of [...entries, ...Object.values(manifest.bin)].map((name) =>
  name.replace(/^\.\//, ""),
)) {
  if (!files.includes(file)) problems.push(`missing file: ${file}`);
}

for (const [name, entry] of Object.entries(manifest.exports)) {
  if (typeof entry === "string") continue;
  const module = await import(pathToFileURL(path.join(root, entry.default)).href);
  if (Object.keys(module).length === 0) problems.push(`${name} exports nothing`);
}
for (const file of Object.values(manifest.bin)) {
  const at = path.join(root, file);
  if (existsSync(at) && !readFileSync(at, "utf8").startsWith("#!/usr/bin/env node\n"))
    problems.push(`${file} has no #! line`);
}

const { messages } = await publint({ pkgDir: root, strict: true });
problems.push(...messages.map((message) => formatMessage(message, manifest) ?? message.code));

for (const problem of problems) process.stderr.write(`${problem}\n`);
process.stderr.write(`${files.length} files checked, ${problems.length} problems\n`);
process.exit(problems.length === 0 ? 0 : 1);
