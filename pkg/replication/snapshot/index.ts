export {
  CHUNK_BYTES_MAX,
  decodeSnapshot,
  encodeSnapshot,
  type SnapshotManifest,
} from "./container.js";
export { Copies, type CopiesHost, type CopiesParts, openReceiver } from "./copies.js";
export { SNAPSHOT_LIMITS, type SnapshotLimits } from "./core/limits.js";
export type { SnapshotOffer } from "./core/messages.js";
export {
  type ReceivedSnapshot,
  type ReceiverProgress,
  SnapshotReceiver,
  type SnapshotReceiverParts,
} from "./snapshot-receiver.js";
export {
  type SenderProgress,
  SnapshotSender,
  type SnapshotSenderParts,
  type SnapshotSent,
} from "./snapshot-sender.js";
