import { setTimeout as sleep } from "node:timers/promises";
import { sendWrite } from "./http-calls.js";
import type { LabRegion } from "./lab-regions.js";

const RETRY_MS = 10;
/** Each writer has a key that the other region's writer of the same number has, too. */
const SHARED_EACH = 10;

export interface RegionWritersOptions {
  readonly writers: number;
  readonly writesPerSecond: number;
  /** Only while neither region hears of the other: what was known is overwritten, and no conflict. */
  readonly shares: boolean;
}

/**
 * Writers of one region, each of new things. Where they share, one write in ten goes to a key that
 * a writer of the other region writes to as well. A write of unknown outcome is repeated
 * under its own request id until it is certain. Together they write so many a second; what did
 * not get through in its time follows as fast as it can.
 */
export class RegionWriters {
  readonly added: string[] = [];
  /** The last value that was acknowledged, by shared key. */
  readonly shared = new Map<string, string>();
  acks = 0;
  retries = 0;
  readonly #region: LabRegion;
  readonly #options: RegionWritersOptions;
  readonly #writing: readonly Promise<void>[];
  readonly #startMs = performance.now();
  /** Between two writes of one writer, in milliseconds. */
  readonly #everyMs: number;
  #goesOn = true;

  constructor(region: LabRegion, options: RegionWritersOptions) {
    const { writers, writesPerSecond } = options;
    this.#region = region;
    this.#options = options;
    this.#everyMs = (1_000 * writers) / writesPerSecond;
    this.#writing = Array.from({ length: writers }, (_, at) => this.#run(at));
  }

  async stop(): Promise<void> {
    this.#goesOn = false;
    await Promise.all(this.#writing);
  }

  async #run(at: number): Promise<void> {
    const { shares } = this.#options;
    const name = `${this.#region.name}-${shares ? "both" : "own"}`;
    for (let n = 0; this.#goesOn; n += 1) {
      await sleep(Math.max(0, this.#startMs + n * this.#everyMs - performance.now()));
      const value = `${name}-${at}-${n}`;
      const isShared = shares && n % SHARED_EACH === 0;
      // A writer goes round a hundred keys, so that conflicts are many and each is of two sides.
      const id = isShared ? `shared-${at}-${(n / SHARED_EACH) % 100}` : value;
      await this.#write(at, id, value);
      if (isShared) this.shared.set(id, value);
      else this.added.push(id);
      this.acks += 1;
    }
  }

  async #write(at: number, id: string, value: string): Promise<void> {
    const body = { labels: [], properties: { value } };
    for (let tries = 0; ; tries += 1) {
      const running = this.#region.running();
      const node = running[(at + tries) % running.length];
      if (node !== undefined) {
        const write = { method: "PUT", id, requestId: value, body } as const;
        const reply = await sendWrite(node.pool, write);
        if (reply.kind === "done") return;
      }
      this.retries += 1;
      await sleep(RETRY_MS);
    }
  }
}
