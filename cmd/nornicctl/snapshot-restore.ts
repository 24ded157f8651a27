import { NO_POSITION, type NodeId, toLogIndex } from "../../pkg/base/index.js";
import type { LoadedConfig } from "../../pkg/config/index.js";
import { StateMachineError } from "../../pkg/replication/ports/index.js";
import { decodeSnapshot, type SnapshotManifest } from "../../pkg/replication/snapshot/index.js";
import { type FileSystem, noMetrics, silentLogger } from "../../pkg/runtime/index.js";
import { nodeFileSystem, systemClock, systemRandom } from "../../pkg/runtime/node/index.js";
import {
  openRegionStorage,
  openSqliteStorage,
  type SqliteStorage,
} from "../../pkg/storage/index.js";
import { openSegmentedLog } from "../../pkg/storage/log/index.js";
import {
  type DataFolders,
  databaseFile,
  logFolder,
  settleIdentity,
} from "../../pkg/wiring/index.js";
import { EXIT } from "../exit-codes.js";
import { type Answer, table } from "./answer.js";
import { Failure } from "./failure.js";
import type { Io } from "./io.js";
import { RestorePlace } from "./restore-place.js";
import { foldersOf } from "./settings.js";
import { proveSnapshot, readSnapshotFile } from "./snapshot-file.js";

export interface RestoreOptions {
  readonly file: string;
  readonly loaded: LoadedConfig;
  /** Put what is there aside. */
  readonly force: boolean;
}

/**
 * Makes the data directory of a stopped node hold what the snapshot holds, and nothing else. Until
 * everything new is on disk and proven, the directory is as it was.
 */
export async function snapshotRestore(options: RestoreOptions, io: Io): Promise<Answer> {
  const { file, loaded, force } = options;
  const folders = foldersOf(loaded);
  const { manifest } = await proveSnapshot(file, io);
  if (manifest.storage !== "sqlite") throw foreign(manifest);
  const fileSystem = nodeFileSystem();
  const place = new RestorePlace(folders, fileSystem);
  const lock = await place.lock();
  try {
    const present = place.contents();
    if (present.length > 0 && !force) throw notEmpty(folders, present);
    const wanted = loaded.config.nodeId ?? place.nodeId() ?? null;
    await place.clearStage();
    io.progress(`restoring ${file}`);
    const building = { file, stage: place.stage, wanted };
    const nodeId = await buildEither(loaded, building, place, fileSystem);
    const stamp = new Date(systemClock.wallMs()).toISOString().replace(/[-:]/g, "");
    const kept = await place.exchange(nodeId, stamp);
    return restored({ folders, manifest, nodeId, kept, loaded });
  } finally {
    await place.clearStage();
    lock.release();
  }
}

type OpenStorage = (path: string, clusterId: string) => Promise<SqliteStorage>;

const openGraph: OpenStorage = (path, clusterId) =>
  openSqliteStorage({ path, threads: "single", clusterId });
const openRegion: OpenStorage = (path, clusterId) =>
  openRegionStorage({ path, threads: "single", clusterId });

interface Building {
  readonly file: string;
  readonly stage: DataFolders;
  readonly wanted: string | null;
}

/** A snapshot does not say outside whether it holds a graph or a region's: the likelier is tried. */
async function buildEither(
  loaded: LoadedConfig,
  building: Building,
  place: RestorePlace,
  fileSystem: FileSystem,
): Promise<NodeId> {
  const isRegion = loaded.config.mode === "multi_region";
  const [likely, other] = isRegion ? [openRegion, openGraph] : [openGraph, openRegion];
  try {
    return await build(building, likely, fileSystem);
  } catch (error) {
    if (!(error instanceof StateMachineError)) throw error;
    await place.clearStage();
    return build(building, other, fileSystem).catch(() => Promise.reject(error));
  }
}

/** @returns the id that the node has from now on */
async function build(
  { file, stage, wanted }: Building,
  open: OpenStorage,
  fileSystem: FileSystem,
): Promise<NodeId> {
  await fileSystem.makeDirectory(stage.dataDir);
  await fileSystem.makeDirectory(stage.replicationDir);
  const { manifest, chunks } = await decodeSnapshot(readSnapshotFile(file));
  const { clusterId, position } = manifest;
  const storage = await open(databaseFile(stage), clusterId);
  try {
    const got = await storage.restore(chunks());
    if (got.index !== position.index || got.term !== position.term) {
      throw new StateMachineError(
        "SNAPSHOT_INVALID",
        `the snapshot says it is at index ${position.index}, its contents are at ${got.index}`,
      );
    }
    await storage.flush();
  } finally {
    await storage.close();
  }
  await fileSystem.syncDirectory(stage.dataDir);
  const log = await openSegmentedLog({
    directory: logFolder(stage),
    fileSystem,
    clock: systemClock,
    logger: silentLogger,
    metrics: noMetrics,
    clusterId,
  });
  try {
    log.saveHardState({ term: position.term, votedFor: null, commit: toLogIndex(0), epoch: 0 });
    await log.sync();
    if (position.index > NO_POSITION.index) await log.reset(position);
  } finally {
    await log.close();
  }
  const ports = { fileSystem, random: systemRandom };
  const identity = await settleIdentity({ nodeId: wanted, clusterId }, stage.replicationDir, ports);
  return identity.nodeId;
}

interface Restored {
  readonly folders: DataFolders;
  readonly manifest: SnapshotManifest;
  readonly nodeId: NodeId;
  readonly kept: readonly string[];
  readonly loaded: LoadedConfig;
}

function restored({ folders, manifest, nodeId, kept, loaded }: Restored): Answer {
  const { clusterId, position } = manifest;
  const rows = [
    ["restored", folders.dataDir],
    ["node", nodeId],
    ["cluster", clusterId],
    ["index", String(position.index)],
    ...kept.map((path) => ["old data", path]),
  ];
  const other = clusterId !== loaded.config.cluster.clusterId;
  const next = other
    ? `next: start the node with NORNICDB_CLUSTER_RAFT_CLUSTER_ID=${clusterId}\n`
    : "next: start the node\n";
  return {
    exit: EXIT.ok,
    json: { ...folders, nodeId, clusterId, position, kept },
    text: `${table(rows)}${next}`,
  };
}

function foreign(manifest: SnapshotManifest): Failure {
  return new Failure(
    EXIT.failed,
    "SNAPSHOT_INVALID",
    `the snapshot is of the format ${JSON.stringify(manifest.storage)}, this program restores sqlite`,
    "use the program version that saved it",
  );
}

function notEmpty(folders: DataFolders, present: readonly string[]): Failure {
  return new Failure(
    EXIT.failed,
    "NOT_EMPTY",
    `${folders.dataDir} holds data: ${present.join(", ")}`,
    "name an empty directory with --data-dir, or add --force, which puts the old data aside",
  );
}
