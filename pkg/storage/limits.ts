/**
 * Bounds of what the state accepts. Applying checks them too, so they are part of the format:
 * every node of a cluster must have the same ones.
 */
export const STORAGE_LIMITS = {
  /** UTF-8 bytes of a node's or an edge's id. */
  idBytesMax: 512,
  /** UTF-8 bytes of a label, an edge type or a property key. */
  nameBytesMax: 256,
  labelsMax: 1_000,
  /** Lists and maps inside each other in one property value. */
  valueDepthMax: 32,
  operationsMax: 100_000,
  /** Bytes of one command's data, and of the properties of one node or edge. */
  commandBytesMax: 16 * 1024 * 1024,
  /** Edges that one `delete_node` with `detach` takes along. */
  detachEdgesMax: 100_000,
  /** Log entries whose request ids, results and effects are remembered. */
  rememberedRequestsMax: 200_000,
  digestShards: 1_024,
  /** Items of one page and of one read of the change stream. */
  pageMax: 10_000,
  /** Request ids stamped this much before their entry may be judged as expired. */
  expiryGraceMs: 2_000,
} as const;
