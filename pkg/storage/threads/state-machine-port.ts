import type { MessagePort } from "node:worker_threads";
import {
  BoundedQueue,
  type Deferred,
  deferred,
  invariant,
  type Position,
  type RegionId,
} from "../../base/index.js";
import {
  type ApplyResult,
  type ChangeLimits,
  type ComparableContent,
  type ContentAnswers,
  type ContentQuery,
  type ContentRecord,
  type Digest,
  type Entry,
  type RegionLog,
  type SnapshotReader,
  type StateMachine,
  StateMachineError,
} from "../../replication/ports/index.js";
import { type PackedEntries, packEntries, unpackEntries } from "./packed-entries.js";
import { CallClient, serveCalls } from "./thread-calls.js";

/** A state machine that other threads can reach without passing through this one. */
export interface WriterPortSource {
  /** A fresh port to hand to `connectStateMachine` in another thread. */
  writerPort(): MessagePort;
  /** See `StateMachine.applyAheadMax`. */
  readonly applyAheadMax: number;
}

/** Lets the other end of `port` drive `stateMachine`, which lives here. */
export function serveStateMachine(port: MessagePort, stateMachine: StateMachine): void {
  const snapshots = new Map<
    number,
    { reader: SnapshotReader; chunks: AsyncIterator<Uint8Array> }
  >();
  let lastSnapshot = 0;
  let incoming: IncomingChunks | undefined;
  let restoring: Promise<Position> | undefined;
  serveCalls(port, {
    applyBatch: async (packed: PackedEntries) =>
      JSON.stringify(await stateMachine.applyBatch(unpackEntries(packed))),
    getWALPosition: () => stateMachine.getWALPosition(),
    durablePosition: () => stateMachine.durablePosition(),
    flush: () => stateMachine.flush(),
    digest: () => stateMachine.digest(),
    contentFix: () => contentOf(stateMachine).fix(),
    contentInspect: (query: ContentQuery) => contentOf(stateMachine).inspect(query),
    contentRelease: () => contentOf(stateMachine).release(),
    contentRepair: (records: readonly ContentRecord[]) => contentOf(stateMachine).repair(records),
    regionFacts: () => regionsOf(stateMachine).facts(),
    regionChanges: (origin: RegionId, after: number, limits: ChangeLimits) =>
      regionsOf(stateMachine).changes(origin, after, limits),
    close: () => stateMachine.close(),
    snapshot: async () => {
      const reader = await stateMachine.snapshot();
      lastSnapshot += 1;
      snapshots.set(lastSnapshot, { reader, chunks: reader.chunks()[Symbol.asyncIterator]() });
      return { id: lastSnapshot, position: reader.position, sizeBytes: reader.sizeBytes };
    },
    snapshotChunk: async (id: number) => (await snapshots.get(id)?.chunks.next())?.value,
    snapshotClose: async (id: number) => {
      const open = snapshots.get(id);
      snapshots.delete(id);
      await open?.chunks.return?.();
      await open?.reader.close();
    },
    restoreBegin: () => {
      incoming = new IncomingChunks();
      restoring = stateMachine.restore(incoming);
      restoring.catch((error: unknown) => incoming?.stop(error));
    },
    restoreChunk: (chunk: Uint8Array) => incoming?.push(chunk),
    restoreEnd: async (problem: string | undefined) => {
      incoming?.end(problem);
      return await restoring;
    },
  });
}

function contentOf({ content }: StateMachine): ComparableContent {
  if (content !== undefined) return content;
  throw new StateMachineError("STORAGE_FAILED", "this state machine's content cannot be compared");
}

function regionsOf({ regions }: StateMachine): RegionLog {
  if (regions !== undefined) return regions;
  throw new StateMachineError("STORAGE_FAILED", "this state machine is not that of a region");
}

/**
 * The other end: a state machine that lives in the thread behind `port`.
 * @param applyAheadMax - that of the machine there; batches under way hide the way to its thread
 */
export function connectStateMachine(port: MessagePort, applyAheadMax = 1): StateMachine {
  return new RemoteStateMachine(new CallClient(port), applyAheadMax);
}

class RemoteStateMachine implements StateMachine {
  readonly applyAheadMax: number;
  readonly content: ComparableContent;
  readonly regions: RegionLog;
  readonly #client: CallClient;
  #closing: Promise<void> | undefined;

  constructor(client: CallClient, applyAheadMax: number) {
    this.#client = client;
    this.applyAheadMax = applyAheadMax;
    this.content = {
      fix: () => client.call("contentFix", []),
      inspect: <Kind extends keyof ContentAnswers>(query: ContentQuery & { kind: Kind }) =>
        client.call<ContentAnswers[Kind]>("contentInspect", [query]),
      release: () => client.call("contentRelease", []),
      repair: (records) => client.call("contentRepair", [records]),
    };
    this.regions = {
      facts: () => client.call("regionFacts", []),
      changes: (...question) => client.call("regionChanges", question),
    };
  }

  async applyBatch(entries: readonly Entry[]): Promise<readonly ApplyResult[]> {
    const packed = packEntries(entries);
    const answer = await this.#client.call<string>(
      "applyBatch",
      [packed],
      [packed.bytes.buffer as ArrayBuffer],
    );
    return JSON.parse(answer) as readonly ApplyResult[];
  }

  getWALPosition(): Promise<Position> {
    return this.#client.call("getWALPosition", []);
  }

  durablePosition(): Promise<Position> {
    return this.#client.call("durablePosition", []);
  }

  flush(): Promise<Position> {
    return this.#client.call("flush", []);
  }

  digest(): Promise<Digest> {
    return this.#client.call("digest", []);
  }

  async snapshot(): Promise<SnapshotReader> {
    const client = this.#client;
    const { id, ...facts } = await client.call<RemoteSnapshot>("snapshot", []);
    return {
      ...facts,
      chunks: async function* () {
        for (;;) {
          const chunk = await client.call<Uint8Array | undefined>("snapshotChunk", [id]);
          if (chunk === undefined) return;
          yield chunk;
        }
      },
      close: () => client.call("snapshotClose", [id]),
    };
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<Position> {
    await this.#client.call("restoreBegin", []);
    try {
      for await (const chunk of chunks) await this.#client.call("restoreChunk", [chunk]);
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      await this.#client.call("restoreEnd", [problem]).catch(() => {});
      throw error;
    }
    return this.#client.call("restoreEnd", [undefined]);
  }

  close(): Promise<void> {
    this.#closing ??= this.#client
      .call<void>("close", [])
      .catch(() => {})
      .finally(() => this.#client.close());
    return this.#closing;
  }
}

interface RemoteSnapshot {
  readonly id: number;
  readonly position: Position;
  readonly sizeBytes: number;
}

/** Chunks pushed by one side and pulled by the other; a push is over when its chunk was taken. */
class IncomingChunks implements AsyncIterable<Uint8Array> {
  readonly #queue = new BoundedQueue<{ chunk: Uint8Array; taken: Deferred<void> }>(1);
  #arrived = deferred();
  #ended = false;
  #failure: unknown;

  async push(chunk: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const taken = deferred();
    invariant(this.#queue.push({ chunk, taken }), "one chunk at a time");
    this.#arrived.resolve();
    await taken.promise;
  }

  end(problem: string | undefined): void {
    if (problem !== undefined) this.#failure = new StateMachineError("SNAPSHOT_INVALID", problem);
    this.#ended = true;
    this.#arrived.resolve();
  }

  /** Nobody takes chunks any more. */
  stop(reason: unknown): void {
    this.#failure ??= reason;
    for (const { taken } of this.#queue.drain()) taken.reject(reason);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    for (;;) {
      const next = this.#queue.shift();
      if (next !== undefined) {
        yield next.chunk;
        next.taken.resolve();
      } else if (this.#failure !== undefined) {
        throw this.#failure;
      } else if (this.#ended) {
        return;
      } else {
        await this.#arrived.promise;
        this.#arrived = deferred();
      }
    }
  }
}
