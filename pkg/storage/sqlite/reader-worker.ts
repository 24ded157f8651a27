import { workerData } from "node:worker_threads";
import type { LogIndex, Position } from "../../base/index.js";
import type { ContentQuery } from "../../replication/ports/index.js";
import { systemTimers } from "../../runtime/node/index.js";
import type { EdgeQuery, NodeQuery } from "../graph.js";
import { serveCalls } from "../threads/thread-calls.js";
import { type Connection, openConnection } from "./connection.js";
import { ContentView } from "./content-view.js";
import { readState } from "./schema.js";
import { copyDatabase } from "./snapshot-file.js";
import { toStateMachineError } from "./sqlite-error.js";
import type { SqliteReader } from "./sqlite-reader.js";
import { threadModel, threadReader, threadRegionReader } from "./thread-models.js";
import type { ReaderWorkerData } from "./worker-messages.js";

/** A thread for statements that may take seconds: scans in one, copies and checkpoints in another. */
const { settings, ports } = workerData as ReaderWorkerData;

let connection: Connection | undefined;
const view = new ContentView(threadModel(settings), settings.path, (run) => systemTimers.soon(run));

function opened(): Connection {
  // Checkpoints write, so that this connection may; nothing else here does.
  connection ??= openConnection(settings.path, "write");
  return connection;
}

function reader(): SqliteReader {
  return threadReader(settings, opened());
}

const regionReader = () => threadRegionReader(settings, opened());

const handlers = {
  findNodes: (query: NodeQuery) => reader().findNodes(query),
  findEdges: (query: EdgeQuery) => reader().findEdges(query),
  changes: (after: LogIndex, limit: number) => reader().changes(after, limit),
  conflicts: (after: string, limit: number) => regionReader().conflicts(after, limit),
  conflict: (id: string) => regionReader().conflict(id),
  endedConflicts: (after: string, limit: number) => regionReader().endedConflicts(after, limit),
  recompute: () =>
    opened().transaction(() => ({
      position: readState(opened())?.position,
      shards: reader().recomputeShards(),
    }))(),
  copy: (target: string): Position => {
    try {
      return copyDatabase(opened(), target);
    } catch (error) {
      throw toStateMachineError(error, target);
    }
  },
  checkpoint: () => {
    opened().pragma("wal_checkpoint(PASSIVE)");
  },
  fix: (): Position => view.fix(),
  inspect: (query: ContentQuery) => view.inspect(query),
  unfix: () => view.close(),
  /** Lets go of the file; the next call opens it anew. */
  release: () => {
    view.close();
    connection?.close();
    connection = undefined;
  },
};

for (const port of ports) serveCalls(port, handlers);
