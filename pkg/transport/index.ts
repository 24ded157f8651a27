export { CodecError, type CodecErrorCode } from "./codec/codec-error.js";
export { MessageType, messageName } from "./codec/codes.js";
export { decodeCommand, encodeCommand, type WireCommand } from "./codec/command.js";
export { decodeEnvelope, type Envelope, encodeFrame } from "./codec/envelope.js";
export type {
  AppendEntries,
  AppendEntriesResponse,
  Fence,
  FenceResponse,
  Heartbeat,
  HeartbeatResponse,
  LogEntry,
  Nanoseconds,
  Promote,
  PromoteResponse,
  VoteRequest,
  VoteResponse,
  WALBatch,
  WALBatchResponse,
  WALEntry,
} from "./codec/messages.js";
export {
  FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
  FrameError,
  FrameParser,
  writeFrameHeader,
} from "./frame/frame-parser.js";
export type { RejectReason } from "./tcp/context.js";
export {
  sendFence,
  sendHeartbeat,
  sendPromote,
  sendRaftAppendEntries,
  sendRaftVote,
  sendWALBatch,
} from "./tcp/nornicdb-calls.js";
export { DEFAULT_LIMITS, type TransportLimits, type TransportOptions } from "./tcp/options.js";
export { type ClusterTransport, createTransport } from "./tcp/tcp-transport.js";
