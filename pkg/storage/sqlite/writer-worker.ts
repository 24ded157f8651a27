import { rmSync } from "node:fs";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { invariant, type Position } from "../../base/index.js";
import type {
  ComparableContent,
  ContentRecord,
  Digest,
  Entry,
  SnapshotReader,
  StateMachine,
} from "../../replication/ports/index.js";
import type { Logger } from "../../runtime/index.js";
import { systemTimers } from "../../runtime/node/index.js";
import type { DecodedCommand } from "../commands.js";
import { toOperationResult } from "../offline-writes.js";
import { RegionalRules } from "../regions/regional-rules.js";
import { serveStateMachine } from "../threads/state-machine-port.js";
import { CallClient, serveCalls } from "../threads/thread-calls.js";
import { latestRegionLog } from "./region-log.js";
import type { GraphCommandRules } from "./single-storage.js";
import {
  checkSnapshot,
  installSnapshot,
  openSnapshot,
  receiveSnapshot,
  restorePath,
  snapshotPath,
} from "./snapshot-file.js";
import { SqliteWriter } from "./sqlite-writer.js";
import { threadModel } from "./thread-models.js";
import type { WorkerLogLine, WriterWorkerData } from "./worker-messages.js";

/** The thread that writes. Whoever has a port to it drives it, without passing the main thread. */
const data = workerData as WriterWorkerData;
const { path, identity } = data.settings;
const owner = new CallClient(data.owner);
const keeper = new CallClient(data.keeper);

const logger: Logger = {
  log: (level, event, message, fields) =>
    parentPort?.postMessage({ level, event, message, fields } satisfies WorkerLogLine),
  child: () => logger,
};

let writer: SqliteWriter<GraphCommandRules> | undefined;
let checkpointing = false;
let snapshots = 0;

function requestCheckpoint(): void {
  if (checkpointing) return;
  checkpointing = true;
  keeper
    .call("checkpoint", [])
    .catch((error: unknown) => {
      logger.log("warn", "checkpoint_failed", "[storage] A checkpoint failed", {
        reason: String(error),
      });
    })
    .finally(() => {
      checkpointing = false;
    });
}

function openWriter(): void {
  const { settings } = data;
  const ports = { timers: systemTimers, logger, requestCheckpoint };
  writer = new SqliteWriter({ model: threadModel(settings), ...settings, ...ports });
}

function opened(): SqliteWriter<GraphCommandRules> {
  invariant(writer !== undefined, "the writer is open");
  return writer;
}

const content: ComparableContent = {
  fix: () => {
    opened().commit();
    return keeper.call<Position>("fix", []);
  },
  inspect: (query) => keeper.call("inspect", [query]),
  release: () => keeper.call("unfix", []),
  repair: (records: readonly ContentRecord[]) => opened().repair(records),
};

const machine: StateMachine = {
  content,
  regions: latestRegionLog(() => opened().regions),
  applyBatch: (entries: readonly Entry[]) => opened().applyBatch(entries),
  getWALPosition: (): Position => opened().applied,
  durablePosition: (): Position => opened().durable,
  flush: () => opened().flush(),
  digest: (): Digest => opened().digest(),
  snapshot: takeSnapshot,
  restore,
  // The owner of the storage closes it; whoever drives it only makes sure that all is on disk.
  close: async () => {
    await writer?.flush();
  },
};

async function takeSnapshot(): Promise<SnapshotReader> {
  opened().commit();
  snapshots += 1;
  const file = snapshotPath(path, snapshots);
  return openSnapshot(file, await keeper.call<Position>("copy", [file]));
}

async function restore(chunks: AsyncIterable<Uint8Array>): Promise<Position> {
  const file = restorePath(path);
  try {
    await receiveSnapshot(chunks, file);
    checkSnapshot(file, identity, threadModel(data.settings).growsFrom?.name);
    await install(file);
  } finally {
    rmSync(file, { force: true });
  }
  return opened().applied;
}

/** Every other connection lets go first: only then is the -wal file emptied and removed. */
async function install(file: string): Promise<void> {
  await owner.call("suspend", []);
  try {
    await opened().close({ discard: true });
    installSnapshot(file, path);
  } finally {
    try {
      openWriter();
    } finally {
      await owner.call("resume", [opened().applied]);
    }
  }
}

serveCalls(data.control, {
  open: openWriter,
  connect: (port: MessagePort) => serveStateMachine(port, machine),
  commit: () => opened().commit(),
  write: (command: DecodedCommand) =>
    toOperationResult(opened().write((rules, version) => rules.prepareCommand(command, version))),
  conflictNews: (after: number) => {
    const { rules } = opened();
    invariant(rules instanceof RegionalRules, "only a region is asked for conflicts");
    return rules.conflictNews(after);
  },
  setPosition: (position: Position) => opened().setPosition(position),
  close: () => writer?.close(),
});
