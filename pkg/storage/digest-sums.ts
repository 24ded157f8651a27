import { shardOf } from "./canonical.js";
import { STORAGE_LIMITS } from "./limits.js";
import {
  type EdgeRecord,
  edgeHash,
  type IndexRecord,
  indexHash,
  indexId,
  type NodeRecord,
  nodeHash,
} from "./records.js";

const MODULUS = 2 ** 48;

/** Sums of 48-bit hashes by shard; adding and taking away commute, so order never matters. */
export class DigestSums {
  readonly #sums = new Float64Array(STORAGE_LIMITS.digestShards);

  changeNode(id: string, before: NodeRecord | undefined, after: NodeRecord | undefined): void {
    this.change(`n:${id}`, before?.hash ?? 0, after?.hash ?? 0);
  }

  changeEdge(id: string, before: EdgeRecord | undefined, after: EdgeRecord | undefined): void {
    this.change(`e:${id}`, before?.hash ?? 0, after?.hash ?? 0);
  }

  changeIndex(before: IndexRecord | undefined, after: IndexRecord | undefined): void {
    const index = after ?? before;
    if (index === undefined) return;
    this.change(`i:${indexId(index)}`, before?.hash ?? 0, after?.hash ?? 0);
  }

  /** As bytes to keep beside the state. */
  encode(): Uint8Array {
    return new Uint8Array(this.#sums.slice().buffer);
  }

  load(bytes: Uint8Array): void {
    this.#sums.set(new Float64Array(new Uint8Array(bytes).buffer));
  }

  setShards(shards: readonly number[]): void {
    this.#sums.set(shards);
  }

  clear(): void {
    this.#sums.fill(0);
  }

  toShards(): readonly number[] {
    return [...this.#sums];
  }

  /** @param key - the id behind a prefix for its kind; 0: the thing is not there */
  change(key: string, before: number, after: number): void {
    const shard = shardOf(key);
    const sum = (this.#sums[shard] as number) - before + after;
    this.#sums[shard] = ((sum % MODULUS) + MODULUS) % MODULUS;
  }
}

/** The digest from the content itself, trusting no stored hash. */
export function sumContent(content: {
  readonly nodes: Iterable<NodeRecord>;
  readonly edges: Iterable<EdgeRecord>;
  readonly indexes: Iterable<IndexRecord>;
}): readonly number[] {
  const sums = new DigestSums();
  for (const n of content.nodes) sums.changeNode(n.id, undefined, { ...n, hash: nodeHash(n) });
  for (const e of content.edges) sums.changeEdge(e.id, undefined, { ...e, hash: edgeHash(e) });
  for (const i of content.indexes) sums.changeIndex(undefined, { ...i, hash: indexHash(i) });
  return sums.toShards();
}
