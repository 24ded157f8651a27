import {
  NO_POSITION,
  type NodeId,
  type Position,
  toLogIndex,
  toTerm,
} from "../../../base/index.js";
import { MessageType, type PeerMessage, type PeerPayload } from "../../ports/index.js";
import { badField, PayloadFields } from "../../wire/index.js";
import type {
  AppendResponse,
  Heartbeat,
  HeartbeatResponse,
  RaftMessage,
  VoteRefusal,
  VoteRequest,
  VoteResponse,
} from "../messages.js";
import { toEntries, toWireEntries } from "./entries.js";
import { WIRE_LIMITS } from "./limits.js";

/** The sending node, which NornicDB's messages name in their payload. */
export interface WireSender {
  readonly id: NodeId;
  /** Where it is reached; travels as `leader_addr`. */
  readonly address: string;
}

const VOTE_REFUSALS: { readonly [Reason in VoteRefusal]: true } = {
  behind: true,
  loyal: true,
  removed: true,
  founded: true,
  voted: true,
  stale: true,
  lost: true,
};

/** The message as it crosses the wire: codes 1-4 as documented, what we add to them under `x`. */
export function toPeerMessage(body: RaftMessage, sender: WireSender): PeerMessage {
  const { term } = body;
  switch (body.kind) {
    case "vote_request":
      return voteRequest(body, sender);
    case "vote_response":
      return voteResponse(body, sender);
    case "append": {
      const { prevIndex, prevTerm, commit } = body;
      const entries = toWireEntries(body.entries);
      return appendEntries(sender, { term, prevIndex, prevTerm, commit, entries });
    }
    case "heartbeat": {
      const { prevIndex, prevTerm, commit, round, at, disk } = body;
      const x = { round, at, disk };
      return appendEntries(sender, { term, prevIndex, prevTerm, commit, entries: null, x });
    }
    case "append_response":
      return appendResponse(body, sender);
    case "heartbeat_response": {
      const { round, at, matchIndex, verified, disk, intact } = body;
      const x = { round, at, verified, disk };
      return response(sender, { term, success: intact, match_index: matchIndex, x });
    }
    case "read_index":
      return { type: MessageType.readIndex, payload: { term, id: body.id } };
    case "read_index_response": {
      const { id, index } = body;
      return { type: MessageType.readIndexResponse, payload: { term, id, index } };
    }
    case "timeout_now":
      return { type: MessageType.timeoutNow, payload: { term } };
    default:
      return { type: MessageType.forget, payload: { term, config_index: body.configIndex } };
  }
}

function voteRequest(body: VoteRequest, sender: WireSender): PeerMessage {
  return {
    type: body.preVote ? MessageType.preVote : MessageType.voteRequest,
    payload: {
      term: body.term,
      candidate_id: sender.id,
      last_log_index: body.lastIndex,
      last_log_term: body.lastTerm,
      x: { for: body.forTerm, transfer: body.transfer, config: body.configIndex },
    },
  };
}

function voteResponse(body: VoteResponse, sender: WireSender): PeerMessage {
  return {
    type: body.preVote ? MessageType.preVoteResponse : MessageType.voteResponse,
    payload: {
      term: body.term,
      vote_granted: body.granted,
      voter_id: sender.id,
      x: { for: body.forTerm, refusal: body.refusal, disk: body.disk },
    },
  };
}

interface AppendFields {
  readonly term: number;
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly commit: number;
  readonly entries: PeerPayload;
  readonly x?: PeerPayload;
}

function appendEntries(sender: WireSender, fields: AppendFields): PeerMessage {
  return {
    type: MessageType.appendEntries,
    payload: {
      term: fields.term,
      leader_id: sender.id,
      leader_addr: sender.address,
      prev_log_index: fields.prevIndex,
      prev_log_term: fields.prevTerm,
      entries: fields.entries,
      leader_commit: fields.commit,
      x: fields.x,
    },
  };
}

function appendResponse(body: AppendResponse, sender: WireSender): PeerMessage {
  const { term, disk } = body;
  if (body.success) {
    return response(sender, { term, success: true, match_index: body.matchIndex, x: { disk } });
  }
  const fields = {
    term,
    success: false,
    match_index: 0,
    conflict_index: body.conflictIndex,
    ...(body.conflictTerm === null ? {} : { conflict_term: body.conflictTerm }),
    x: { disk, prev: body.prevIndex },
  };
  return response(sender, fields);
}

function response(
  sender: WireSender,
  fields: { readonly [key: string]: PeerPayload },
): PeerMessage {
  const payload = { ...fields, responder_id: sender.id };
  return { type: MessageType.appendEntriesResponse, payload };
}

type Reader = (from: NodeId, payload: PeerPayload) => RaftMessage;

const READERS: ReadonlyMap<number, Reader> = new Map<number, Reader>([
  [MessageType.voteRequest, (from, payload) => toVoteRequest(from, payload, false)],
  [MessageType.preVote, (from, payload) => toVoteRequest(from, payload, true)],
  [MessageType.voteResponse, (from, payload) => toVoteResponse(from, payload, false)],
  [MessageType.preVoteResponse, (from, payload) => toVoteResponse(from, payload, true)],
  [MessageType.appendEntries, toAppend],
  [MessageType.appendEntriesResponse, toResponse],
  [MessageType.readIndex, (_, payload) => toReadIndex(payload)],
  [MessageType.readIndexResponse, (_, payload) => toReadIndexResponse(payload)],
  [MessageType.timeoutNow, (_, payload) => toTimeoutNow(payload)],
  [MessageType.forget, (_, payload) => toForget(payload)],
]);

/** True for the codes that {@link toRaftMessage} reads. */
export function isRaftType(type: number): boolean {
  return READERS.has(type);
}

/**
 * Reads a message of the node that the transport knows as `from`; entries keep the payloads they
 * came with, which are views of the frame.
 * @throws ReplicationError `INVALID` naming the field that is missing, of the wrong type, out of
 * range, or says another sender; nothing of the message may be used then
 */
export function toRaftMessage(from: NodeId, message: PeerMessage): RaftMessage {
  const read = READERS.get(message.type);
  if (read === undefined) throw badField("type", "the code of a raft message");
  return read(from, message.payload);
}

/** Our additions; NornicDB's messages have none. */
function extras(fields: PayloadFields): PayloadFields | undefined {
  return fields.value("x") === undefined ? undefined : fields.fields("x");
}

function checkSender(fields: PayloadFields, name: string, from: NodeId): void {
  if (fields.nodeId(name) !== from) throw fields.bad(name, `the sender, ${from}`);
}

/** A place in the log: before the first entry there is no term, and nowhere else. */
function place(fields: PayloadFields, indexName: string, termName: string): Position {
  const index = fields.index(indexName);
  const term = fields.term(termName);
  if ((index === 0) !== (term === 0)) throw fields.bad(termName, `0 just when ${indexName} is`);
  return { index, term };
}

function diskId(x: PayloadFields | undefined): string {
  return x === undefined ? "" : x.text("disk", WIRE_LIMITS.diskIdLengthMax);
}

function toVoteRequest(from: NodeId, payload: PeerPayload, preVote: boolean): VoteRequest {
  const fields = new PayloadFields(payload, "vote_request");
  checkSender(fields, "candidate_id", from);
  const x = extras(fields);
  const term = fields.term("term");
  const last = place(fields, "last_log_index", "last_log_term");
  return {
    kind: "vote_request",
    term,
    forTerm: x?.term("for") ?? term,
    preVote,
    transfer: x?.flag("transfer") ?? false,
    lastIndex: last.index,
    lastTerm: last.term,
    configIndex: x?.index("config") ?? NO_POSITION.index,
  };
}

function toVoteResponse(from: NodeId, payload: PeerPayload, preVote: boolean): VoteResponse {
  const fields = new PayloadFields(payload, "vote_response");
  checkSender(fields, "voter_id", from);
  const x = extras(fields);
  const term = fields.term("term");
  const granted = fields.flag("vote_granted");
  const reasons = Object.keys(VOTE_REFUSALS) as VoteRefusal[];
  const named = x !== undefined && x.value("refusal") !== null;
  const refusal = named ? x.oneOf("refusal", reasons) : null;
  if (granted && refusal !== null) throw badField("vote_response.x.refusal", "null with a vote");
  const forTerm = x?.term("for") ?? term;
  return {
    kind: "vote_response",
    term,
    forTerm,
    preVote,
    granted,
    refusal,
    disk: diskId(x),
  };
}

function toAppend(from: NodeId, payload: PeerPayload): RaftMessage {
  const fields = new PayloadFields(payload, "append");
  checkSender(fields, "leader_id", from);
  const prev = place(fields, "prev_log_index", "prev_log_term");
  const head = {
    term: fields.term("term"),
    prevIndex: prev.index,
    prevTerm: prev.term,
    commit: fields.index("leader_commit"),
  };
  if (head.prevTerm > head.term) throw fields.bad("prev_log_term", "at most the term");
  const follows = { index: head.prevIndex, term: head.prevTerm, termMax: head.term };
  const entries = toEntries(fields.value("entries"), follows);
  const x = extras(fields);
  if (x === undefined) return { kind: "append", ...head, entries };
  if (entries.length > 0) throw fields.bad("entries", "null in a heartbeat");
  return heartbeat(head, x);
}

function heartbeat(
  head: Pick<Heartbeat, "term" | "prevIndex" | "prevTerm" | "commit">,
  x: PayloadFields,
): Heartbeat {
  const disk = x.value("disk") === null ? null : diskId(x);
  return { kind: "heartbeat", ...head, round: x.count("round"), at: x.count("at"), disk };
}

function toResponse(from: NodeId, payload: PeerPayload): AppendResponse | HeartbeatResponse {
  const fields = new PayloadFields(payload, "append_response");
  checkSender(fields, "responder_id", from);
  const x = extras(fields);
  const disk = diskId(x);
  const term = fields.term("term");
  const success = fields.flag("success");
  if (x?.value("round") !== undefined) {
    return {
      kind: "heartbeat_response",
      term,
      round: x.count("round"),
      at: x.count("at"),
      matchIndex: fields.index("match_index"),
      verified: x.index("verified"),
      intact: success,
      disk,
    };
  }
  const kind = "append_response";
  if (success) return { kind, term, success, matchIndex: fields.index("match_index"), disk };
  const conflictTerm = fields.countOr0("conflict_term");
  return {
    kind,
    term,
    success,
    prevIndex: x?.index("prev") ?? NO_POSITION.index,
    conflictIndex: toLogIndex(fields.countOr0("conflict_index")),
    conflictTerm: conflictTerm === 0 ? null : toTerm(conflictTerm),
    disk,
  };
}

function toReadIndex(payload: PeerPayload): RaftMessage {
  const fields = new PayloadFields(payload, "read_index");
  return { kind: "read_index", term: fields.term("term"), id: fields.count("id") };
}

function toReadIndexResponse(payload: PeerPayload): RaftMessage {
  const fields = new PayloadFields(payload, "read_index_response");
  const index = fields.value("index") === null ? null : fields.index("index");
  return {
    kind: "read_index_response",
    term: fields.term("term"),
    id: fields.count("id"),
    index,
  };
}

function toTimeoutNow(payload: PeerPayload): RaftMessage {
  return { kind: "timeout_now", term: new PayloadFields(payload, "timeout_now").term("term") };
}

function toForget(payload: PeerPayload): RaftMessage {
  const fields = new PayloadFields(payload, "forget");
  return {
    kind: "forget",
    term: fields.term("term"),
    configIndex: fields.index("config_index"),
  };
}
