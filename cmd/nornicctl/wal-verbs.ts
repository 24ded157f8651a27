import { nodeFileSystem } from "../../pkg/runtime/node/index.js";
import { cutLog, type LogInfo, verifyLog } from "../../pkg/storage/log/index.js";
import { type DataFolders, logFolder } from "../../pkg/wiring/index.js";
import { EXIT } from "../exit-codes.js";
import { type Answer, bytesText, rangeText, table } from "./answer.js";
import { Failure } from "./failure.js";
import type { Io } from "./io.js";

const AFTER_CUT = `next: start the node; should it say that its storage is ahead of its log:
  nornicctl snapshot save --offline FILE && nornicctl snapshot restore --force FILE
`;

/** Facts about the log of a stopped node, and its segments. Changes nothing. */
export function walInfo(folders: DataFolders, io: Io): Answer {
  const info = read(folders, io);
  const segments = info.segments.map(({ segment, base, sizeBytes }) => [
    segment,
    String(base.index + 1),
    bytesText(sizeBytes),
  ]);
  return {
    exit: EXIT.ok,
    json: { directory: logFolder(folders), ...info },
    text: `${table(facts(folders, info))}\n${table([["segment", "from", "size"], ...segments])}`,
  };
}

/** Every record of the log of a stopped node, checked; exit 2 when one is not what was written. */
export function walVerify(folders: DataFolders, io: Io): Answer {
  const info = read(folders, io);
  const directory = logFolder(folders);
  const found = info.problems.map(({ segment, offset, reason, kind }) => {
    const next =
      kind === "torn"
        ? "the next start cuts it off; nothing acknowledged is known to be lost"
        : `restore this node from its peers or a snapshot; when there is neither, with a copy of the directory kept: nornicctl wal verify --cut ${segment}:${offset}`;
    return `${kind}: ${segment} at byte ${offset}: ${reason}\nnext: ${next}\n`;
  });
  const well = info.state !== "damaged";
  return {
    exit: well ? EXIT.ok : EXIT.problemFound,
    json: { directory, ok: well, ...info },
    text: `${table(facts(folders, info))}${found.join("")}${well ? "the log is good\n" : ""}`,
  };
}

/** Cuts the log at the place named, and tells what it is then. */
export async function walCut(folders: DataFolders, place: string, io: Io): Promise<Answer> {
  const [, segment, digits] = /^([^:/\\]+):(\d{1,15})$/.exec(place) ?? [];
  if (segment === undefined || digits === undefined) {
    throw new Failure(
      EXIT.usage,
      "USAGE",
      `--cut ${JSON.stringify(place)}: SEGMENT:BYTE is needed`,
      "nornicctl wal verify names the place",
    );
  }
  const directory = logFolder(folders);
  requireLog(directory);
  const log = { directory, fileSystem: nodeFileSystem() };
  const kept = await cutLog(log, { segment, offset: Number(digits) });
  const after = walVerify(folders, io);
  return {
    exit: after.exit,
    json: { ...after.json, kept },
    text: `what was cut is kept in ${kept.join(", ")}\n${after.text}${AFTER_CUT}`,
  };
}

function read(folders: DataFolders, io: Io): LogInfo {
  const directory = logFolder(folders);
  requireLog(directory);
  return verifyLog({ directory, fileSystem: nodeFileSystem() }, (segment, sizeBytes) =>
    io.progress(`reading ${segment} (${bytesText(sizeBytes)})`),
  );
}

/** Reading takes the lock, which would put a file into a folder that is no log. */
export function requireLog(directory: string): void {
  const fileSystem = nodeFileSystem();
  const names = fileSystem.exists(directory) ? fileSystem.list(directory) : [];
  if (names.some((name) => name.endsWith(".log"))) return;
  throw new Failure(
    EXIT.failed,
    "NO_LOG",
    `there is no log in ${directory}`,
    "name the node's data directory with --data-dir, or its file of settings with --config",
  );
}

function facts(folders: DataFolders, info: LogInfo): string[][] {
  const { hardState, last } = info;
  return [
    ["directory", logFolder(folders)],
    ["cluster", info.clusterId ?? "-"],
    ["state", info.state],
    ["entries", rangeText(info.firstIndex, last.index)],
    ["last term", String(last.term)],
    ["term", String(hardState.term)],
    ["committed", String(hardState.commit)],
    ["voted for", hardState.votedFor ?? "-"],
    ["epoch", String(hardState.epoch)],
    ["size", bytesText(info.sizeBytes)],
  ];
}
