import { hash } from "node:crypto";
import type { ApplyResult, Digest, Entry } from "../../../pkg/replication/ports/index.js";
import type { StorageWitness } from "../support/surviving-storage.js";
import type { CoreChecker } from "./core-checker.js";
import { isSame } from "./core-checker.js";
import type { Violations } from "./violation.js";

/** What the log's commands did, as every node must see it. */
export class StateChecker {
  /** Index at which each request took effect. */
  readonly applied = new Map<string, number>();
  /** Requests of which a client was told that nothing happened. */
  readonly refused = new Map<string, string>();
  readonly #results = new Map<number, string>();
  readonly #digests = new Map<number, string>();
  readonly #violations: Violations;
  readonly #core: CoreChecker;
  replayed = 0;
  compared = 0;

  constructor(violations: Violations, core: CoreChecker) {
    this.#violations = violations;
    this.#core = core;
  }

  witness(node: string): StorageWitness {
    return {
      onApplied: (entries, results, digest) => {
        this.#onApplied(node, entries, results);
        this.onDigest(node, digest);
      },
      onRestored: (digest) => this.onDigest(node, digest),
    };
  }

  #onApplied(node: string, entries: readonly Entry[], results: readonly ApplyResult[]): void {
    const byIndex = new Map(results.map((result) => [result.index, result]));
    for (const entry of entries) {
      const known = this.#core.committed[entry.index - 1];
      if (known === undefined || !isSame(known.entry, entry)) {
        this.#violations.add(`${node} applies ${entry.index}, which is not the committed entry`);
      }
      const result = byIndex.get(entry.index);
      if (result !== undefined) this.#onResult(node, entry, result);
      else if (entry.kind === "command")
        this.#violations.add(`${node}: no result at ${entry.index}`);
    }
  }

  #onResult(node: string, entry: Entry, result: ApplyResult): void {
    const text = JSON.stringify(result);
    const before = this.#results.get(result.index);
    if (before !== undefined) {
      if (before !== text)
        this.#violations.add(`entry ${result.index} gave another result on ${node}`);
      return;
    }
    this.#results.set(result.index, text);
    const { RequestID: id } = JSON.parse(Buffer.from(entry.payload).toString("utf8"));
    const refusal = this.refused.get(id);
    if (refusal !== undefined) {
      this.#violations.add(`request ${id} is at ${entry.index} and was refused: ${refusal}`);
    }
    const first = this.applied.get(id);
    if (result.replayed) this.replayed += 1;
    else if (first === undefined) this.applied.set(id, entry.index);
    else this.#violations.add(`request ${id} took effect at ${first} and at ${entry.index}`);
  }

  /** States at the same index are equal. */
  onDigest(node: string, { position, shards }: Digest): void {
    const digest = hash("sha1", new Uint8Array(Float64Array.from(shards).buffer), "hex");
    const known = this.#digests.get(position.index);
    if (known === undefined) this.#digests.set(position.index, digest);
    else {
      this.compared += 1;
      if (known !== digest) this.#violations.add(`${node} has another state at ${position.index}`);
    }
  }
}
