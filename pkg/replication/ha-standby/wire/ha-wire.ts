import { isSafeCount, type NodeId, parseNodeId, toLogIndex, toTerm } from "../../../base/index.js";
import { MessageType, type PeerMessage, type PeerPayload } from "../../ports/index.js";
import { PayloadFields } from "../../wire/index.js";
import type { EpochTable, HaHeartbeat, HaHeartbeatResponse, HaMessage } from "../messages.js";
import { isOwnBatch, pairAt, toWalBatch, toWalEntries } from "./entries.js";
import { HA_WIRE_LIMITS } from "./limits.js";

/** What NornicDB's messages say of the sender beyond ours. */
export interface HaSender {
  readonly id: NodeId;
  /** `primary`, `standby` or `fenced`. */
  readonly role: string;
  readonly wallMs: number;
  /** Last entry that the receiver is known to have as primary: of this the lag is told. */
  readonly heardLast: number;
}

const { diskIdLengthMax, reasonLengthMax, runsMax } = HA_WIRE_LIMITS;
type Pair = readonly [number, number];
const pair = ({ index, term }: { readonly index: number; readonly term: number }): Pair => [
  index,
  term,
];

/** The message as it crosses the wire: codes 5-12 as documented, what we add to them under `x`. */
export function toPeerMessage(body: HaMessage, sender: HaSender): PeerMessage {
  const { epoch } = body;
  switch (body.kind) {
    case "heartbeat":
      return { type: MessageType.heartbeat, payload: heartbeat(body, sender) };
    case "heartbeat_response":
      return { type: MessageType.heartbeatResponse, payload: heartbeatResponse(body, sender) };
    case "wal_batch":
      return { type: MessageType.walBatch, payload: toWalEntries(body, nanoseconds(sender)) };
    case "wal_ack": {
      const { durable, received, disk, aligned, gapAt } = body;
      const x = { epoch, disk, aligned, gap: gapAt };
      const payload = { AckedPosition: durable, ReceivedPosition: received, x };
      return { type: MessageType.walBatchResponse, payload };
    }
    case "position_query":
      return { type: MessageType.positionQuery, payload: { epoch, id: body.id } };
    case "position_answer": {
      const { id, disk, last, primary } = body;
      const payload = { epoch, id, disk, last: pair(last), primary };
      return { type: MessageType.positionAnswer, payload };
    }
    case "fence": {
      const { candidate, reason } = body;
      const RequestID = `fence-${epoch}-${candidate}`;
      const payload = { Reason: reason, RequestID, x: { epoch, candidate } };
      return { type: MessageType.fence, payload };
    }
    case "fence_response": {
      const { forEpoch, fenced, disk, last } = body;
      const x = { epoch, for: forEpoch, disk, last: pair(last) };
      return { type: MessageType.fenceResponse, payload: { Fenced: fenced, x } };
    }
    case "promote": {
      const x = { epoch, last: pair(body.last) };
      return { type: MessageType.promote, payload: { Reason: body.reason, x } };
    }
    default: {
      const x = { epoch, for: body.forEpoch, reason: body.reason };
      return { type: MessageType.promoteResponse, payload: { Ready: body.ready, x } };
    }
  }
}

const nanoseconds = ({ wallMs }: HaSender) => `${wallMs}000000`;

function heartbeat(body: HaHeartbeat, sender: HaSender): PeerPayload {
  const { epoch, at, round, last, commit, authority, inSync, disk, table } = body;
  const x = { epoch, at, round, term: last.term, commit, authority, in_sync: inSync, disk };
  return {
    NodeID: sender.id,
    Role: "primary",
    WALPosition: last.index,
    Timestamp: nanoseconds(sender),
    x: { ...x, table: table === null ? null : tableToWire(table) },
  };
}

function tableToWire({ base, runs, last }: EpochTable): PeerPayload {
  const kept = runs.slice(-runsMax);
  const cut = kept.length < runs.length ? (kept[0] ?? null) : null;
  const from = cut === null ? base : { index: cut.first - 1, term: before(runs, kept) };
  return { base: pair(from), runs: kept.map(({ first, term }) => [first, term]), last };
}

/** The term of the entry before the first run that is told. */
function before(runs: EpochTable["runs"], kept: EpochTable["runs"]): number {
  return runs[runs.length - kept.length - 1]?.term ?? 0;
}

function heartbeatResponse(body: HaHeartbeatResponse, sender: HaSender): PeerPayload {
  const { epoch, at, round, disk, aligned, received, durable, applied, promise } = body;
  return {
    NodeID: sender.id,
    Role: sender.role,
    WALPosition: durable,
    Lag: Math.max(0, sender.heardLast - durable),
    x: { epoch, at, round, disk, aligned, received, applied, promise },
  };
}

const READERS: ReadonlyMap<number, (payload: PeerPayload, proven: NodeId | null) => HaMessage> =
  new Map([
    [MessageType.heartbeat as number, toHeartbeat],
    [MessageType.heartbeatResponse, toHeartbeatResponse],
    [MessageType.walBatch, toWalBatch],
    [MessageType.walBatchResponse, toWalAck],
    [MessageType.positionQuery, toPositionQuery],
    [MessageType.positionAnswer, toPositionAnswer],
    [MessageType.fence, toFence],
    [MessageType.fenceResponse, toFenceResponse],
    [MessageType.promote, toPromote],
    [MessageType.promoteResponse, toPromoteResponse],
  ]);

/** True for the codes that a pair speaks. */
export function isHaType(type: number): boolean {
  return READERS.has(type);
}

/** True when the message says what only ours say; those of NornicDB do not. */
export function isOwnMessage({ type, payload }: PeerMessage): boolean {
  if (type === MessageType.positionQuery || type === MessageType.positionAnswer) return true;
  if (type === MessageType.walBatch) return isOwnBatch(payload);
  return payload !== null && new PayloadFields(payload, "message").value("x") !== undefined;
}

/**
 * Reads a message of the peer `from`; entries keep the payloads they came with, which are views of
 * the frame.
 * @param proven - the name that the sender has proven; null: none, or it is known by its address
 * @throws ReplicationError `INVALID` naming the field; nothing of the message may be used then
 */
export function toHaMessage(
  from: NodeId,
  message: PeerMessage,
  proven: NodeId | null = from,
): HaMessage {
  const read = READERS.get(message.type);
  if (read === undefined) throw new PayloadFields({}, "message").bad("type", "one of a pair");
  const body = read(message.payload, proven);
  return body.kind === "fence" ? { ...body, candidate: from } : body;
}

/**
 * A question that any node of these codes answers: a heartbeat of nobody's epoch. The answer tells
 * whether it is one of ours.
 */
export function helloMessage(sender: HaSender, position: number): PeerMessage {
  const payload = {
    NodeID: sender.id,
    Role: sender.role,
    WALPosition: position,
    Timestamp: nanoseconds(sender),
    x: { hello: true },
  };
  return { type: MessageType.heartbeat, payload };
}

export function isHello({ type, payload }: PeerMessage): boolean {
  const mayBe = type === MessageType.heartbeat || type === MessageType.heartbeatResponse;
  if (!mayBe || payload === null) return false;
  const fields = new PayloadFields(payload, "heartbeat");
  return fields.value("x") !== undefined && fields.fields("x").value("hello") === true;
}

/** The name by which the sender of a heartbeat, or of its answer, calls itself. */
export function senderOf({ type, payload }: PeerMessage): NodeId | undefined {
  const says = type === MessageType.heartbeat || type === MessageType.heartbeatResponse;
  if (!says || payload === null) return undefined;
  return parseNodeId(String(new PayloadFields(payload, "heartbeat").value("NodeID")));
}

function checkSender(fields: PayloadFields, proven: NodeId | null): void {
  const name = fields.nodeId("NodeID");
  if (proven !== null && name !== proven) throw fields.bad("NodeID", `the sender, ${proven}`);
}

const disk = (fields: PayloadFields) => fields.text("disk", diskIdLengthMax);

function toHeartbeat(payload: PeerPayload, proven: NodeId | null): HaMessage {
  const fields = new PayloadFields(payload, "heartbeat");
  checkSender(fields, proven);
  if (fields.value("Role") !== "primary") throw fields.bad("Role", "primary");
  const x = fields.fields("x");
  const index = fields.index("WALPosition");
  const term = x.term("term");
  if ((index === 0) !== (term === 0)) throw x.bad("term", "0 just when WALPosition is");
  return {
    kind: "heartbeat",
    epoch: x.term("epoch"),
    at: x.count("at"),
    round: x.count("round"),
    last: { index, term },
    commit: x.index("commit"),
    authority: x.flag("authority"),
    inSync: x.flag("in_sync"),
    disk: x.value("disk") === null ? null : disk(x),
    table: x.value("table") === null ? null : toTable(x.fields("table")),
  };
}

function toTable(fields: PayloadFields): EpochTable {
  const base = pairAt(fields, "base");
  let { index, term }: { index: number; term: number } = base;
  const runs = fields.list("runs", runsMax).map((item) => {
    const [first, of] = Array.isArray(item) ? item : [];
    const follows = isSafeCount(first) && isSafeCount(of) && first > index && of >= term;
    if (!follows) throw fields.bad("runs", "ascending pairs after the base");
    index = first;
    term = of;
    return { first: toLogIndex(first), term: toTerm(of) };
  });
  const last = fields.index("last");
  if (last < index) throw fields.bad("last", "at or after the last run");
  return { base, runs, last };
}

function toHeartbeatResponse(payload: PeerPayload, proven: NodeId | null): HaMessage {
  const fields = new PayloadFields(payload, "heartbeat_response");
  checkSender(fields, proven);
  const x = fields.fields("x");
  return {
    kind: "heartbeat_response",
    epoch: x.term("epoch"),
    at: x.count("at"),
    round: x.count("round"),
    disk: disk(x),
    aligned: x.flag("aligned"),
    received: x.index("received"),
    durable: fields.index("WALPosition"),
    applied: x.index("applied"),
    promise: x.flag("promise"),
  };
}

function toWalAck(payload: PeerPayload): HaMessage {
  const fields = new PayloadFields(payload, "wal_ack");
  const x = fields.fields("x");
  return {
    kind: "wal_ack",
    epoch: x.term("epoch"),
    disk: disk(x),
    aligned: x.flag("aligned"),
    received: fields.index("ReceivedPosition"),
    durable: fields.index("AckedPosition"),
    gapAt: x.value("gap") === null ? null : x.index("gap"),
  };
}

function toPositionQuery(payload: PeerPayload): HaMessage {
  const fields = new PayloadFields(payload, "position_query");
  return { kind: "position_query", epoch: fields.term("epoch"), id: fields.count("id") };
}

function toPositionAnswer(payload: PeerPayload): HaMessage {
  const fields = new PayloadFields(payload, "position_answer");
  return {
    kind: "position_answer",
    epoch: fields.term("epoch"),
    id: fields.count("id"),
    disk: disk(fields),
    last: pairAt(fields, "last"),
    primary: fields.value("primary") === null ? null : fields.nodeId("primary"),
  };
}

function toFence(payload: PeerPayload, proven: NodeId | null): HaMessage {
  const fields = new PayloadFields(payload, "fence");
  const x = fields.fields("x");
  const candidate = x.nodeId("candidate");
  if (proven !== null && candidate !== proven) {
    throw x.bad("candidate", `the sender, ${proven}`);
  }
  const reason = fields.text("Reason", reasonLengthMax);
  return { kind: "fence", epoch: x.term("epoch"), candidate, reason };
}

function toFenceResponse(payload: PeerPayload): HaMessage {
  const fields = new PayloadFields(payload, "fence_response");
  const x = fields.fields("x");
  return {
    kind: "fence_response",
    epoch: x.term("epoch"),
    forEpoch: x.term("for"),
    fenced: fields.flag("Fenced"),
    disk: disk(x),
    last: pairAt(x, "last"),
  };
}

function toPromote(payload: PeerPayload): HaMessage {
  const fields = new PayloadFields(payload, "promote");
  const x = fields.fields("x");
  const reason = fields.text("Reason", reasonLengthMax);
  return { kind: "promote", epoch: x.term("epoch"), last: pairAt(x, "last"), reason };
}

function toPromoteResponse(payload: PeerPayload): HaMessage {
  const fields = new PayloadFields(payload, "promote_response");
  const x = fields.fields("x");
  return {
    kind: "promote_response",
    epoch: x.term("epoch"),
    forEpoch: x.term("for"),
    ready: fields.flag("Ready"),
    reason: x.text("reason", reasonLengthMax),
  };
}
