import type { LogIndex, Position } from "../../base/index.js";
import type { ComparableContent, Digest, Entry, RegionLog } from "../../replication/ports/index.js";
import type { FileLock } from "../../runtime/index.js";
import type { DecodedCommand } from "../commands.js";
import type { Change, EdgeQuery, GraphCounts, NodeQuery } from "../graph.js";
import { OfflineWrites, toOperationResult } from "../offline-writes.js";
import type { Counts, Prepared, StateRules } from "../state-engine.js";
import { type MachineOptions, SqliteMachine } from "./sqlite-machine.js";
import type { SqliteReader } from "./sqlite-reader.js";
import type { SqliteStorage } from "./sqlite-storage.js";

/** Rules of a graph, whatever else they keep with it. */
export interface GraphCommandRules extends StateRules {
  readonly counts: Counts & GraphCounts;
  prepareCommand(command: DecodedCommand, version: number): Prepared;
}

export type SingleThreadOptions<
  Rules extends GraphCommandRules,
  Reader extends SqliteReader,
> = Omit<MachineOptions<Rules, Reader>, "lock">;

/** The graph, everything in the calling thread: for simulation, tests and small machines. */
export class SingleThreadStorage<
    Rules extends GraphCommandRules = GraphCommandRules,
    Reader extends SqliteReader = SqliteReader,
  >
  extends OfflineWrites
  implements SqliteStorage
{
  readonly path: string;
  readonly content: ComparableContent;
  readonly regions: RegionLog | undefined;
  readonly #machine: SqliteMachine<Rules, Reader>;

  constructor(options: SingleThreadOptions<Rules, Reader>, lock: FileLock) {
    super();
    this.#machine = new SqliteMachine({ ...options, lock });
    this.path = this.#machine.path;
    this.content = this.#machine.content;
    this.regions = this.#machine.regions;
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

  protected get rules(): Rules {
    return this.#machine.rules;
  }

  /** A reader that sees everything applied. */
  protected latest(): Reader {
    return this.#machine.latest().reader;
  }

  protected writeOffline(command: DecodedCommand) {
    return toOperationResult(
      this.#machine.write((rules, version) => rules.prepareCommand(command, version)),
    );
  }
}
