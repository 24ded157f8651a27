import type { LogIndex, Position } from "../../base/index.js";
import type { ComparableContent, Digest, Entry } from "../../replication/ports/index.js";
import type { FileLock } from "../../runtime/index.js";
import type { DecodedCommand } from "../commands.js";
import type { Change, EdgeQuery, NodeQuery } from "../graph.js";
import type { GraphRules } from "../graph-rules.js";
import { OfflineWrites, toOperationResult } from "../offline-writes.js";
import { graphModel } from "./graph-model.js";
import { SqliteMachine } from "./sqlite-machine.js";
import { SqliteReader } from "./sqlite-reader.js";
import type { SqliteStorage } from "./sqlite-storage.js";
import type { WriterOptions } from "./sqlite-writer.js";

/** The graph, everything in the calling thread: for simulation, tests and small machines. */
export class SingleThreadStorage extends OfflineWrites implements SqliteStorage {
  readonly path: string;
  readonly content: ComparableContent;
  readonly #machine: SqliteMachine<GraphRules, SqliteReader>;

  constructor(options: Omit<WriterOptions<GraphRules>, "model">, lock: FileLock) {
    super();
    const { rememberedRequestsMax } = options.identity;
    this.#machine = new SqliteMachine({
      ...options,
      model: graphModel,
      lock,
      newReader: (connection) => new SqliteReader(connection, rememberedRequestsMax),
    });
    this.path = this.#machine.path;
    this.content = this.#machine.content;
  }

  applyBatch(entries: readonly Entry[]) {
    return this.#machine.applyBatch(entries);
  }

  getWALPosition(): Position {
    return this.#machine.getWALPosition();
  }

  durablePosition(): Position {
    return this.#machine.durablePosition();
  }

  flush(): Promise<Position> {
    return this.#machine.flush();
  }

  setWALPosition(position: Position): void {
    this.#machine.setWALPosition(position);
  }

  digest(): Digest {
    return this.#machine.digest();
  }

  async recomputeDigest(): Promise<Digest> {
    const { reader, position } = this.#machine.latest();
    return { position, shards: reader.recomputeShards() };
  }

  snapshot() {
    return this.#machine.snapshot();
  }

  restore(chunks: AsyncIterable<Uint8Array>): Promise<Position> {
    return this.#machine.restore(chunks);
  }

  async getNode(id: string, atLeast: Position) {
    return this.#machine.readerAt(atLeast).getNode(id);
  }

  async getEdge(id: string, atLeast: Position) {
    return this.#machine.readerAt(atLeast).getEdge(id);
  }

  async findNodes(query: NodeQuery, atLeast: Position) {
    return this.#machine.readerAt(atLeast).findNodes(query);
  }

  async findEdges(query: EdgeQuery, atLeast: Position) {
    return this.#machine.readerAt(atLeast).findEdges(query);
  }

  async counts(atLeast: Position) {
    return this.#machine.readerAt(atLeast).counts();
  }

  async indexes(atLeast: Position) {
    return this.#machine.readerAt(atLeast).indexes();
  }

  changes(after: LogIndex, limit: number): Promise<readonly Change[]> {
    return this.#machine.readChanges(after, limit);
  }

  close(): Promise<void> {
    return this.#machine.close();
  }

  protected writeOffline(command: DecodedCommand) {
    return toOperationResult(
      this.#machine.write((rules, version) => rules.prepareCommand(command, version)),
    );
  }
}
