import { type LogIndex, NO_POSITION, type Position } from "../../base/index.js";
import { ReplicationError } from "../../replication/errors.js";
import {
  type ApplyResult,
  type ComparableContent,
  type Digest,
  type Entry,
  type SnapshotReader,
  StateMachineError,
} from "../../replication/ports/index.js";
import { compareUtf8 } from "../canonical.js";
import type { DecodedCommand } from "../commands.js";
import { inspectContent } from "../content/inspect-content.js";
import { sumContent } from "../digest-sums.js";
import type { EdgeQuery, NodeQuery } from "../graph.js";
import { GraphRules } from "../graph-rules.js";
import { STORAGE_LIMITS } from "../limits.js";
import { OfflineWrites, ownedByLog, toOperationResult } from "../offline-writes.js";
import {
  afterOf,
  changesFloor,
  checkApplied,
  checkKept,
  checkLimit,
  matcherOf,
  matchesEdge,
  toChanges,
  toPage,
} from "../queries.js";
import { toGraphEdge, toGraphNode } from "../records.js";
import { StateEngine } from "../state-engine.js";
import type { Storage } from "../storage.js";
import { MemoryContent, repairMemory } from "./memory-content.js";
import { decodeSnapshot, encodeSnapshot } from "./memory-snapshot.js";
import { MemoryStore } from "./memory-store.js";

export interface MemoryStorageOptions {
  /** Part of the state: the same on every node. */
  readonly rememberedRequestsMax?: number | undefined;
}

/** A storage without a disk: gone with the process. For tests, and to show what one must do. */
export function createMemoryStorage(options: MemoryStorageOptions = {}): MemoryStorage {
  return new MemoryStorage(options.rememberedRequestsMax ?? STORAGE_LIMITS.rememberedRequestsMax);
}

const CHUNK_BYTES = 256 * 1024;

export class MemoryStorage extends OfflineWrites implements Storage {
  readonly #window: number;
  #store = new MemoryStore();
  #rules: GraphRules;
  #engine: StateEngine<GraphRules>;
  #owned = false;
  #closed = false;
  #fixed: MemoryContent | undefined;
  readonly content: ComparableContent = {
    fix: () => {
      this.#fixed = new MemoryContent(this.#store);
      return this.#engine.position;
    },
    inspect: async (query) => {
      if (this.#fixed === undefined) {
        throw new StateMachineError("STORAGE_FAILED", "nothing is fixed");
      }
      return (await inspectContent(this.#fixed, query, async () => {})) as never;
    },
    release: () => {
      this.#fixed = undefined;
    },
    repair: (records) => {
      const { content, counts } = repairMemory(this.#store, records);
      this.#engine.recount(content.sums, { ...counts });
      return this.#engine.position;
    },
  };

  constructor(window: number) {
    super();
    this.#window = window;
    this.#rules = new GraphRules(this.#store);
    this.#engine = new StateEngine(this.#rules, this.#store, window);
  }

  applyBatch(entries: readonly Entry[]): readonly ApplyResult[] {
    this.#assertOpen();
    this.#owned = true;
    const results = this.#engine.apply(entries);
    this.#store.dropApplied(this.#engine.position.index - this.#window);
    return results;
  }

  getWALPosition(): Position {
    return this.#engine.position;
  }

  /** Nothing here survives the process, so a log under it must never be cut. */
  durablePosition(): Position {
    return NO_POSITION;
  }

  flush(): Position {
    return NO_POSITION;
  }

  setWALPosition(position: Position): void {
    if (this.#owned) throw ownedByLog();
    this.#engine.setPosition(position);
  }

  digest(): Digest {
    return { position: this.#engine.position, shards: this.#engine.shards() };
  }

  /** The digest from the content, for comparison. */
  recomputeDigest(): Digest {
    const { nodes, edges, indexes } = this.#store;
    const content = {
      nodes: nodes.values(),
      edges: edges.values(),
      indexes: indexes.values(),
    };
    return { position: this.#engine.position, shards: sumContent(content) };
  }

  async snapshot(): Promise<SnapshotReader> {
    this.#assertOpen();
    const bytes = encodeSnapshot(this.#store, this.#engine.state());
    return {
      position: this.#engine.position,
      sizeBytes: bytes.length,
      chunks: async function* () {
        for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
          yield new Uint8Array(bytes.subarray(at, at + CHUNK_BYTES));
        }
      },
      close: async () => {},
    };
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<Position> {
    this.#assertOpen();
    const parts: Uint8Array[] = [];
    for await (const chunk of chunks) parts.push(chunk);
    const { store, state } = decodeSnapshot(Buffer.concat(parts));
    const rules = new GraphRules(store);
    const engine = new StateEngine(rules, store, this.#window);
    engine.load(state, store.rows);
    this.#fixed = undefined;
    this.#store = store;
    this.#rules = rules;
    this.#engine = engine;
    return engine.position;
  }

  async getNode(id: string, atLeast: Position) {
    this.#assertReadable(atLeast);
    const found = this.#store.node(id);
    return found === undefined ? undefined : toGraphNode(found);
  }

  async getEdge(id: string, atLeast: Position) {
    this.#assertReadable(atLeast);
    const found = this.#store.edge(id);
    return found === undefined ? undefined : toGraphEdge(found);
  }

  async findNodes(query: NodeQuery, atLeast: Position) {
    this.#assertReadable(atLeast);
    checkLimit(query.limit);
    const after = afterOf(query.cursor);
    const matches = matcherOf(query);
    const found = [...this.#store.nodes.values()]
      .filter((node) => after === "" || compareUtf8(node.id, after) > 0)
      .filter((node) => query.label === undefined || JSON.parse(node.labels).includes(query.label))
      .filter(matches)
      .sort((a, b) => compareUtf8(a.id, b.id));
    return toPage(found, query.limit, toGraphNode);
  }

  async findEdges(query: EdgeQuery, atLeast: Position) {
    this.#assertReadable(atLeast);
    checkLimit(query.limit);
    const after = afterOf(query.cursor);
    const found = this.#store
      .edgesOf(query.nodeId, Number.POSITIVE_INFINITY)
      .filter((edge) => after === "" || compareUtf8(edge.id, after) > 0)
      .filter((edge) => matchesEdge(edge, query));
    return toPage(found, query.limit, toGraphEdge);
  }

  async counts(atLeast: Position) {
    this.#assertReadable(atLeast);
    return this.#rules.counts;
  }

  async indexes(atLeast: Position) {
    this.#assertReadable(atLeast);
    return [...this.#store.indexes.values()]
      .map(({ label, property }) => ({ label, property }))
      .sort((a, b) => compareUtf8(a.label, b.label) || compareUtf8(a.property, b.property));
  }

  async changes(after: LogIndex, limit: number) {
    this.#assertOpen();
    checkLimit(limit);
    const { position, changesFrom } = this.#engine.state();
    checkKept(after, changesFloor(position.index, changesFrom, this.#window));
    return toChanges(
      this.#store.rows.filter((row) => row.lastIndex > after),
      after,
      limit,
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  protected writeOffline(command: DecodedCommand) {
    this.#assertOpen();
    if (this.#owned) throw ownedByLog();
    return toOperationResult(
      this.#engine.write((rules, version) => rules.prepareCommand(command, version)),
    );
  }

  #assertReadable(atLeast: Position): void {
    this.#assertOpen();
    checkApplied(this.#engine.position, atLeast);
  }

  #assertOpen(): void {
    if (this.#closed) throw new ReplicationError("CLOSED", "the storage is closed");
  }
}
