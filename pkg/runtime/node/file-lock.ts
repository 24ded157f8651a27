import { randomBytes } from "node:crypto";
import { linkSync, readFileSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import type { FileLock } from "../file-system.js";
import { hasCode, systemError } from "./system-error.js";

/** Rounds of looking again when the holder changes under us. */
const ATTEMPTS_MAX = 16;
/** Claims on claims: one for each process that died in the middle of taking over. */
const CLAIM_DEPTH_MAX = 8;
const MISSING = "missing";

/** Who holds a lock. `start` and `boot` tell a process from a later one with the same pid. */
interface Owner {
  readonly pid: number;
  readonly start: string;
  readonly boot: string;
  readonly token: string;
}

/** A file that a power cut left empty: nobody holds it. */
const NOBODY: Owner = { pid: 0, start: "", boot: "", token: "unreadable" };

/**
 * Takes `path` as a lock, or throws `ELOCKED`. The file appears with its content by a hard link.
 *
 * Taking over from a dead owner D: only who holds the lock named after D's token may replace D's
 * file, and only after seeing that it still is D's. A second taker that read D before is either
 * refused that claim, or gets it when the first has already replaced the file, and then sees it.
 */
export function takeFileLock(path: string): FileLock {
  const full = resolve(path);
  const owner: Owner = {
    pid: process.pid,
    start: startOf(process.pid) ?? "",
    boot: bootId(),
    token: randomBytes(8).toString("hex"),
  };
  take(full, owner, 0);
  let held = true;
  return {
    release() {
      if (!held) return;
      held = false;
      remove(full, owner.token);
    },
  };
}

function take(path: string, owner: Owner, depth: number): void {
  const draft = `${path}.${owner.token}.new`;
  writeFileSync(draft, JSON.stringify(owner), { mode: 0o600, flag: "w" });
  try {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      if (linkNew(draft, path)) return;
      const holder = readOwner(path);
      if (holder === MISSING) continue;
      if (isAlive(holder) || depth === CLAIM_DEPTH_MAX) throw locked(path, holder.pid);
      if (takeOver(path, draft, holder, owner, depth)) return;
    }
    throw locked(path, 0);
  } finally {
    unlinkIfThere(draft);
  }
}

function takeOver(path: string, draft: string, dead: Owner, owner: Owner, depth: number): boolean {
  const claim = `${path}.${dead.token}`;
  take(claim, owner, depth + 1);
  try {
    const now = readOwner(path);
    if (now === MISSING || now.token !== dead.token) return false;
    renameSync(draft, path);
    return true;
  } finally {
    remove(claim, owner.token);
  }
}

function linkNew(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    throw error;
  }
}

function remove(path: string, token: string): void {
  const holder = readOwner(path);
  if (holder !== MISSING && holder.token === token) unlinkIfThere(path);
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
  }
}

function readOwner(path: string): Owner | typeof MISSING {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return MISSING;
    throw error;
  }
  try {
    const { pid, start, boot, token } = JSON.parse(text) as Partial<Owner>;
    const valid = Number.isSafeInteger(pid) && /^[0-9a-f]{16}$/.test(token ?? "");
    return valid
      ? { pid: pid as number, start: `${start}`, boot: `${boot}`, token: token as string }
      : NOBODY;
  } catch {
    return NOBODY;
  }
}

function isAlive(owner: Owner): boolean {
  if (owner.pid <= 0) return false;
  if (owner.boot !== "" && bootId() !== "" && owner.boot !== bootId()) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return !hasCode(error, "ESRCH");
  }
  const start = startOf(owner.pid);
  if (start === "zombie") return false;
  return start === undefined || owner.start === "" || start === owner.start;
}

/** Start time in clock ticks since boot; undefined where there is no `/proc`. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? "zombie" : fields[19];
  } catch {
    return undefined;
  }
}

let boot: string | undefined;
function bootId(): string {
  if (boot === undefined) {
    try {
      boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    } catch {
      boot = "";
    }
  }
  return boot;
}

function locked(path: string, pid: number): Error {
  const who = pid === process.pid ? `this process (pid ${pid})` : `the process with pid ${pid}`;
  return systemError("ELOCKED", `${path} is locked by ${who}; stop it first`);
}
