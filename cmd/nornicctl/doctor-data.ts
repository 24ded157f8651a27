import { accessSync, constants, existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { ConfigError, type LoadedConfig, renderProblems } from "../../pkg/config/index.js";
import { LogError } from "../../pkg/replication/ports/index.js";
import type { FileSystem } from "../../pkg/runtime/index.js";
import { nodeFileSystem, systemClock } from "../../pkg/runtime/node/index.js";
import { verifyLog } from "../../pkg/storage/log/index.js";
import { type DataFolders, logFolder } from "../../pkg/wiring/index.js";
import { bytesText } from "./answer.js";
import { causeText } from "./failure.js";
import type { Finding } from "./finding.js";

const SPACE_WARN_BYTES = 1024 * 1024 * 1024;
const SYNC_COUNT = 50;
const SYNC_BYTES = 4096;
/** Slower than this and each write of a lone client is felt. */
const SYNC_WARN_MS = 100;
/** No disk is this fast: what was written is in memory only. */
const SYNC_SUSPECT_MS = 0.01;

export function checkConfiguration(load: () => LoadedConfig): {
  readonly finding: Finding;
  readonly loaded?: LoadedConfig;
} {
  const name = "configuration";
  try {
    const loaded = load();
    const { warnings, config } = loaded;
    if (warnings.length === 0) {
      return { finding: { name, status: "ok", detail: `mode ${config.mode}` }, loaded };
    }
    const detail = renderProblems(warnings).replaceAll("\n", "; ");
    const next = "nornicctl config show --origin";
    return { finding: { name, status: "warn", detail, next }, loaded };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const detail = renderProblems(error.problems).replaceAll("\n", "; ");
    const next = "correct these; the rest is checked once they are";
    return { finding: { name, status: "fail", detail, next } };
  }
}

/** The folder itself, or the nearest one above it that exists. */
function existingFolder(folder: string): string {
  let path = resolve(folder);
  while (!existsSync(path) && path !== dirname(path)) path = dirname(path);
  return path;
}

/** @param reserveBytes - under this the node refuses writes */
export function checkFolders(folders: DataFolders, reserveBytes: number): Finding[] {
  const { dataDir, replicationDir } = folders;
  const paths = new Set([dataDir, replicationDir].map(existingFolder));
  return [...paths].map((folder) => checkFolder(folder, reserveBytes));
}

function checkFolder(folder: string, reserveBytes: number): Finding {
  const name = "folder";
  try {
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const next = "give the user that runs the node the right to read and write there";
    return { name, status: "fail", detail: causeText(error), next };
  }
  const free = nodeFileSystem().freeBytes(folder);
  const detail = `${folder} can be written to, ${bytesText(free)} free`;
  const next = "free space there, or move the data directory";
  if (free <= reserveBytes) {
    return { name, status: "fail", detail: `${detail}: writes are refused`, next };
  }
  if (free < SPACE_WARN_BYTES) return { name, status: "warn", detail, next };
  return { name, status: "ok", detail };
}

/** How long a small write takes until it survives a power cut, where the log is. */
export async function checkSync({ replicationDir }: DataFolders): Promise<Finding> {
  const folder = existingFolder(replicationDir);
  const name = "sync";
  let times: number[];
  try {
    times = await measureSyncs(nodeFileSystem(), folder);
  } catch (error) {
    const next = "give the user that runs the node the right to write there";
    return { name, status: "fail", detail: `${folder}: ${causeText(error)}`, next };
  }
  const at = (share: number) =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))]!;
  const [p50, p99] = [at(0.5), at(0.99)];
  const detail = `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms of ${times.length} at ${folder}`;
  if (p50 < SYNC_SUSPECT_MS) {
    const next = "use a disk that keeps what it syncs; this one seems to be memory";
    return { name, status: "warn", detail, next };
  }
  if (p99 > SYNC_WARN_MS) {
    const next = "use a faster disk, or one that others do not keep busy";
    return { name, status: "warn", detail, next };
  }
  return { name, status: "ok", detail };
}

/** @returns milliseconds, the shortest first */
async function measureSyncs(fileSystem: FileSystem, folder: string): Promise<number[]> {
  const path = join(folder, `.doctor-${process.pid}.tmp`);
  const file = fileSystem.open(path, "create");
  const bytes = Buffer.alloc(SYNC_BYTES, 1);
  const times: number[] = [];
  try {
    for (let turn = 0; turn < SYNC_COUNT; turn += 1) {
      const start = systemClock.monotonicMs();
      file.write(bytes, turn * SYNC_BYTES);
      await file.sync();
      times.push(systemClock.monotonicMs() - start);
    }
  } finally {
    file.close();
    fileSystem.remove(path);
  }
  return times.sort((a, b) => a - b);
}

export function checkLog(folders: DataFolders): Finding {
  const name = "log";
  const directory = logFolder(folders);
  if (!existsSync(directory)) return { name, status: "ok", detail: "none yet" };
  try {
    const { state, last, sizeBytes, problems } = verifyLog({
      directory,
      fileSystem: nodeFileSystem(),
    });
    const detail = `${state}, up to index ${last.index}, ${bytesText(sizeBytes)}`;
    if (state === "damaged") {
      const reason = problems.map((one) => `${one.segment}: ${one.reason}`).join("; ");
      return { name, status: "fail", detail: `${detail}: ${reason}`, next: "nornicctl wal verify" };
    }
    if (state !== "torn") return { name, status: "ok", detail };
    return { name, status: "warn", detail, next: "start the node, which cuts the torn end off" };
  } catch (error) {
    if (error instanceof LogError && error.code === "LOG_LOCKED") {
      return { name, status: "ok", detail: "in use by a running node" };
    }
    const next = (error instanceof LogError && error.details.hint) || "nornicctl wal verify";
    return { name, status: "fail", detail: causeText(error), next };
  }
}
