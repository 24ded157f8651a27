import type { CallOptions, PeerConnection, PeerPayload } from "../../replication/ports/index.js";
import { TransportError } from "../../replication/ports/index.js";
import { MessageType, messageName } from "../codec/codes.js";
import type {
  AppendEntries,
  AppendEntriesResponse,
  Fence,
  FenceResponse,
  Heartbeat,
  HeartbeatResponse,
  Promote,
  PromoteResponse,
  VoteRequest,
  VoteResponse,
  WALBatch,
  WALBatchResponse,
} from "../codec/messages.js";

/** A request of one code whose answer has one other code and shape. */
function caller<Request extends PeerPayload, Response>(
  type: number,
  answerType: number,
  priority: CallOptions["priority"],
) {
  return async (
    peer: PeerConnection,
    payload: Request,
    options: CallOptions,
  ): Promise<Response> => {
    const answer = await peer.call({ type, payload }, { priority, ...options });
    if (answer.type === answerType && answer.payload !== null) return answer.payload as Response;
    const text = `${messageName(type)} was answered by ${messageName(answer.type)}`;
    throw new TransportError("REMOTE", text, { reason: "protocol" });
  };
}

const T = MessageType;
export const sendRaftVote = caller<VoteRequest, VoteResponse>(
  T.voteRequest,
  T.voteResponse,
  "urgent",
);
export const sendRaftAppendEntries = caller<AppendEntries, AppendEntriesResponse>(
  T.appendEntries,
  T.appendEntriesResponse,
  "normal",
);
export const sendWALBatch = caller<WALBatch, WALBatchResponse>(
  T.walBatch,
  T.walBatchResponse,
  "normal",
);
export const sendHeartbeat = caller<Heartbeat, HeartbeatResponse>(
  T.heartbeat,
  T.heartbeatResponse,
  "urgent",
);
export const sendFence = caller<Fence, FenceResponse>(T.fence, T.fenceResponse, "urgent");
export const sendPromote = caller<Promote, PromoteResponse>(T.promote, T.promoteResponse, "urgent");
