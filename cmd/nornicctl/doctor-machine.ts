import { readFileSync, statSync } from "node:fs";
import { totalmem } from "node:os";
import { systemClock } from "../../pkg/runtime/node/index.js";
import { sqliteVersion } from "../../pkg/storage/index.js";
import { type DataFolders, databaseFile } from "../../pkg/wiring/index.js";
import { bytesText, timeText } from "./answer.js";
import { causeText } from "./failure.js";
import type { Finding } from "./finding.js";

const NODE_MIN = [20, 19] as const;
const MIB = 1024 * 1024;
const MEMORY_FAIL_BYTES = 128 * MIB;
const MEMORY_WARN_BYTES = 512 * MIB;
const OPEN_FILES_WARN = 4096;
/** Before this no version of the program existed. */
const WALL_MS_MIN = Date.UTC(2026, 0, 1);
/** Clocks of one machine and its disks differ by less. */
const CLOCK_SLACK_MS = 2_000;

export function checkNodeVersion(version: string = process.versions.node): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const enough = major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1]);
  if (enough) return { name: "node", status: "ok", detail: version };
  const next = `install Node ${NODE_MIN.join(".")} or later`;
  return { name: "node", status: "fail", detail: `${version} is too old`, next };
}

export function checkSqlite(): Finding {
  try {
    return { name: "sqlite", status: "ok", detail: sqliteVersion() };
  } catch (error) {
    const next = "run npm ci, with the Node version that will run the node";
    return { name: "sqlite", status: "fail", detail: causeText(error), next };
  }
}

/** What this process may still use, also inside a container. */
export function checkMemory(): Finding {
  const limit = process.constrainedMemory() ?? 0;
  const total = limit > 0 && limit < totalmem() ? limit : totalmem();
  const available = Math.min(total, availableBytes());
  const detail = `${bytesText(available)} of ${bytesText(total)} available`;
  const next = "give the node more memory, or stop what else uses it";
  if (available < MEMORY_FAIL_BYTES) return { name: "memory", status: "fail", detail, next };
  if (available < MEMORY_WARN_BYTES) return { name: "memory", status: "warn", detail, next };
  return { name: "memory", status: "ok", detail };
}

function availableBytes(): number {
  const { availableMemory } = process as { readonly availableMemory?: () => number };
  return availableMemory?.() ?? totalmem();
}

export function checkOpenFiles(limits: string | undefined = processLimits()): Finding {
  const soft = /^Max open files\s+(\S+)/m.exec(limits ?? "")?.[1];
  if (soft === undefined) {
    return { name: "open files", status: "ok", detail: "this system does not tell the limit" };
  }
  if (soft === "unlimited" || Number(soft) >= OPEN_FILES_WARN) {
    return { name: "open files", status: "ok", detail: `up to ${soft}` };
  }
  const next = `each connection takes one: ulimit -n 65536, or LimitNOFILE= in the unit file`;
  return { name: "open files", status: "warn", detail: `only up to ${soft}`, next };
}

function processLimits(): string | undefined {
  try {
    return readFileSync("/proc/self/limits", "utf8");
  } catch {
    return undefined;
  }
}

/** The wall clock must not be behind what this node has already written. */
export function checkClock(folders: DataFolders, nowMs: number = systemClock.wallMs()): Finding {
  const next = "set the machine's clock and let it be kept, with chrony for instance";
  const detail = timeText(nowMs);
  if (nowMs < WALL_MS_MIN) {
    return { name: "clock", status: "fail", detail: `${detail} is in the past`, next };
  }
  const written = statSync(databaseFile(folders), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (written > nowMs + CLOCK_SLACK_MS) {
    const behind = `${detail} is before the last write at ${timeText(written)}`;
    return { name: "clock", status: "warn", detail: behind, next };
  }
  return { name: "clock", status: "ok", detail };
}
