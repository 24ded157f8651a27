export {
  CHUNK_BYTES_MAX,
  decodeSnapshot,
  encodeSnapshot,
  type SnapshotManifest,
} from "./container.js";
