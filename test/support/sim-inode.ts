import { GrowingBytes } from "./growing-bytes.js";
import type { SeededRandom } from "./seeded-random.js";

export const SECTOR_BYTES = 512;

type Change =
  | { readonly kind: "write"; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: "truncate"; readonly sizeBytes: number };

/** Chances, each out of one hundred, for what was not synced when the power went. */
export interface CrashChances {
  /** That one changed sector, or one change of a folder, is on the disk. */
  readonly keepPercent: number;
  /** That a kept sector holds only the beginning of what was written to it. */
  readonly tornPercent: number;
}

/**
 * Content of one simulated file, twice: as readers see it (`view`) and as the disk certainly holds
 * it (`#disk`), with the changes in between in the order they were made.
 */
export class SimInode {
  #view = new GrowingBytes();
  readonly #disk = new GrowingBytes();
  #changes: Change[] = [];
  #forgotten = 0;

  get sizeBytes(): number {
    return this.#view.size;
  }

  get view(): Uint8Array {
    return this.#view.bytes();
  }

  get synced(): Uint8Array {
    return this.#disk.bytes();
  }

  /** Changes ever made; the mark that a sync takes when it is asked for. */
  get mark(): number {
    return this.#forgotten + this.#changes.length;
  }

  write(source: Uint8Array, position: number): void {
    const bytes = source.slice();
    this.#view.patch(position, bytes);
    this.#changes.push({ kind: "write", position, bytes });
  }

  truncate(sizeBytes: number): void {
    this.#view.resize(sizeBytes);
    this.#changes.push({ kind: "truncate", sizeBytes });
  }

  /** Damage on the medium: readers and the disk see it alike. */
  flip(offset: number, bit: number): void {
    for (const content of [this.view, this.synced]) {
      if (offset < content.length) content[offset] = (content[offset] ?? 0) ^ (1 << bit);
    }
  }

  /** A sync that was asked for at `mark` has succeeded. */
  makeDurable(mark: number): void {
    for (const change of this.#takeUpTo(mark)) {
      if (change.kind === "write") this.#disk.patch(change.position, change.bytes);
      else this.#disk.resize(change.sizeBytes);
    }
  }

  /**
   * A sync that was asked for at `mark` has failed. The system holds the pages for clean from now
   * on: readers still see them, a part is on the disk, and no later sync writes the rest (FC-035).
   * @returns whether anything was lost
   */
  failSync(mark: number, random: SeededRandom, chances: CrashChances): boolean {
    return this.#settleByChance(this.#takeUpTo(mark), random, chances);
  }

  /** The power goes. @returns whether anything that was written is gone or torn */
  crash(random: SeededRandom, chances: CrashChances): boolean {
    const before = this.view;
    this.#settleByChance(this.#takeUpTo(this.mark), random, chances);
    this.#view = new GrowingBytes(this.synced);
    return !equal(before, this.view);
  }

  #takeUpTo(mark: number): Change[] {
    const count = Math.max(0, mark - this.#forgotten);
    const taken = this.#changes.splice(0, count);
    this.#forgotten += taken.length;
    return taken;
  }

  /**
   * Sizes are metadata, which a file system keeps in order: some prefix of the size changes is on
   * the disk. Sectors go each on its own: so data may miss where the size grew (zeros), and what
   * was cut off may be back.
   */
  #settleByChance(
    changes: readonly Change[],
    random: SeededRandom,
    chances: CrashChances,
  ): boolean {
    const sizesKept = random.below(changes.length + 1);
    let size = this.#disk.size;
    let lost = false;
    changes.forEach((change, i) => {
      if (change.kind === "truncate") {
        if (i < sizesKept) {
          this.#disk.resize(change.sizeBytes);
          size = change.sizeBytes;
        } else lost = true;
        return;
      }
      if (i < sizesKept) size = Math.max(size, change.position + change.bytes.length);
      for (const [from, to] of sectorsOf(change)) {
        const end = keptEnd(from, to, random, chances);
        if (end < to || to > size) lost = true;
        const piece = change.bytes.subarray(from - change.position, end - change.position);
        if (piece.length > 0) this.#disk.patch(from, piece);
      }
    });
    this.#disk.resize(size);
    return lost;
  }
}

function keptEnd(from: number, to: number, random: SeededRandom, chances: CrashChances): number {
  if (!random.chance(chances.keepPercent, 100)) return from;
  return random.chance(chances.tornPercent, 100) ? from + random.below(to - from) : to;
}

/** The pieces of a write, cut where sectors begin. */
function* sectorsOf(change: { position: number; bytes: Uint8Array }): Iterable<[number, number]> {
  const end = change.position + change.bytes.length;
  for (let from = change.position; from < end; ) {
    const to = Math.min(end, (Math.floor(from / SECTOR_BYTES) + 1) * SECTOR_BYTES);
    yield [from, to];
    from = to;
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
