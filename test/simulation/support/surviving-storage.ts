import type { Position } from "../../../pkg/base/index.js";
import type {
  ApplyResult,
  Digest,
  Entry,
  SnapshotReader,
  StateMachine,
} from "../../../pkg/replication/ports/index.js";
import { delay, type Timers } from "../../../pkg/runtime/index.js";
import { createMemoryStorage, type MemoryStorage } from "../../../pkg/storage/index.js";
import type { SeededRandom } from "../../support/index.js";

/** What is told of every change of the state. */
export interface StorageWitness {
  onApplied(entries: readonly Entry[], results: readonly ApplyResult[], digest: Digest): void;
  onRestored(digest: Digest): void;
}

/**
 * What a database file holds: a copy of the state and the entries applied since. Of those the first
 * `durable` survive everything; how many of the others do is decided when the process ends.
 */
export class StateFile {
  #copy: readonly Uint8Array[] = [];
  #entries: Entry[] = [];
  #durable = 0;

  async load(storage: MemoryStorage): Promise<void> {
    if (this.#copy.length > 0) await storage.restore(streamOf(this.#copy));
    if (this.#entries.length > 0) storage.applyBatch(this.#entries);
  }

  append(entries: readonly Entry[]): void {
    this.#entries.push(...entries);
  }

  makeDurable(): void {
    this.#durable = this.#entries.length;
  }

  replace(copy: readonly Uint8Array[]): void {
    this.#copy = copy;
    this.#entries = [];
    this.#durable = 0;
  }

  /** The process ends, with the power or without it. */
  fallBack(random: SeededRandom): void {
    this.#entries.length = random.between(this.#durable, this.#entries.length);
    this.#durable = this.#entries.length;
  }
}

interface Parts {
  readonly file: StateFile;
  readonly witness: StorageWitness;
  readonly timers: Timers;
  readonly random: SeededRandom;
}

/** The memory storage over a file that outlives the process: like SQLite, it may fall back. */
export class SurvivingStorage implements StateMachine {
  readonly memory = createMemoryStorage();
  readonly #parts: Parts;
  #durable: Position;
  #ended = false;

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.#durable = this.memory.getWALPosition();
  }

  static async open(parts: Parts): Promise<SurvivingStorage> {
    const storage = new SurvivingStorage(parts);
    await parts.file.load(storage.memory);
    storage.#durable = storage.memory.getWALPosition();
    return storage;
  }

  get content() {
    return this.memory.content;
  }

  /** The process has ended: whatever still runs in it changes nothing any more. */
  end(): void {
    this.#ended = true;
  }

  applyBatch(entries: readonly Entry[]): readonly ApplyResult[] {
    const results = this.memory.applyBatch(entries);
    if (this.#ended) return results;
    this.#parts.file.append(entries);
    this.#parts.witness.onApplied(entries, results, this.memory.digest());
    return results;
  }

  getWALPosition(): Position {
    return this.memory.getWALPosition();
  }

  /** Now and then a checkpoint has happened since. */
  durablePosition(): Position {
    return this.#parts.random.chance(2, 3) ? this.flush() : this.#durable;
  }

  flush(): Position {
    if (!this.#ended) this.#parts.file.makeDurable();
    this.#durable = this.memory.getWALPosition();
    return this.#durable;
  }

  digest(): Digest {
    return this.memory.digest();
  }

  snapshot(): Promise<SnapshotReader> {
    return this.memory.snapshot();
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<Position> {
    const { file, witness, timers, random } = this.#parts;
    const copy: Uint8Array[] = [];
    for await (const chunk of chunks) copy.push(chunk);
    await delay(timers, random.below(20));
    const position = await this.memory.restore(streamOf(copy));
    if (this.#ended) return position;
    file.replace(copy);
    this.#durable = position;
    witness.onRestored(this.memory.digest());
    await delay(timers, random.below(20));
    return position;
  }

  close(): Promise<void> {
    return this.memory.close();
  }
}

async function* streamOf(copy: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* copy;
}
