import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { ROOT } from "./nornicd.js";

const CACHE = path.join(ROOT, "node_modules/.cache/etcd");
const UNPACKED = path.join(CACHE, "usr/bin/etcd");
const PACKAGE = "etcd-server";
const FETCH_MS_MAX = 30_000;

const runs = (program: string) => spawnSync(program, ["--version"]).status === 0;
const say = (line: string) => process.stderr.write(`${line}\n`);

/**
 * A real etcd: the one that is installed, or Debian's package, fetched and unpacked without being
 * installed. @returns undefined, after a line that says so, where none can be had
 */
export function etcdProgram(): string | undefined {
  if (runs("etcd")) return "etcd";
  if (!existsSync(UNPACKED)) fetchPackage();
  if (runs(UNPACKED)) return UNPACKED;
  say("no etcd here, and none to be had from Debian: the tests against a real etcd are skipped");
  return undefined;
}

/** Unpacked aside and renamed: test files that run at once do not meet. */
function fetchPackage(): void {
  say(`etcd is not installed: fetching ${PACKAGE} from Debian into ${path.relative(ROOT, CACHE)}`);
  mkdirSync(path.dirname(CACHE), { recursive: true });
  const cwd = mkdtempSync(`${CACHE}-`);
  const options = { cwd, timeout: FETCH_MS_MAX };
  if (spawnSync("apt-get", ["download", PACKAGE], options).status !== 0) {
    spawnSync("apt-get", ["update"], options);
    spawnSync("apt-get", ["download", PACKAGE], options);
  }
  const archive = readdirSync(cwd).find((name) => name.endsWith(".deb"));
  if (archive !== undefined) spawnSync("dpkg-deb", ["-x", archive, "."], options);
  try {
    if (archive !== undefined) renameSync(cwd, CACHE);
  } catch {
    // Another one was first.
  }
  rmSync(cwd, { recursive: true, force: true });
}
