import {
  type LogIndex,
  NO_POSITION,
  type NodeId,
  type Term,
  toLogIndex,
} from "../../base/index.js";
import { type Entry, type LogStore, MessageType, type PeerMessage } from "../ports/index.js";
import { PayloadFields, type PayloadRecord, toRecord } from "../wire/index.js";
import type { EpochTable, HaMessage, WalBatch } from "./messages.js";
import { HA_WIRE_LIMITS } from "./wire/index.js";

/** The disk of a node that names none. */
const NO_DISK = "nornicdb";
const EMPTY = new Uint8Array(0);

export interface LegacyParts {
  readonly log: LogStore;
  /** Of this node's data directory. */
  readonly disk: string;
  isPrimary(): boolean;
}

/**
 * NornicDB nodes, whose messages say neither an epoch nor what entries follow (HB-40): what they
 * leave out is taken from this node's own log, so that the core sees one kind of peer. Such a node
 * never makes this one eligible for a promotion, and cannot fence it: its word could be a repetition.
 */
export class Legacy {
  readonly #parts: LegacyParts;
  readonly #acked = new Map<NodeId, LogIndex>();
  #round = 0;

  constructor(parts: LegacyParts) {
    this.#parts = parts;
  }

  /** The peer has answered without anything of ours. */
  isLegacy(id: NodeId): boolean {
    return this.#acked.has(id);
  }

  /** The batch without what such a peer would take for commands. */
  plain(batch: WalBatch): WalBatch {
    const entries = batch.entries.map((entry) =>
      entry.kind === "command" ? entry : { ...entry, kind: "noop" as const, payload: EMPTY },
    );
    return { ...batch, entries };
  }

  /** Where such a peer stands, as the answer to a position query. */
  positionOf(from: NodeId, id: number, answer: PeerMessage): HaMessage {
    const fields = new PayloadFields(answer.payload ?? {}, "answer");
    const { log } = this.#parts;
    const index = Math.min(fields.index("WALPosition"), log.durableIndex) as LogIndex;
    this.#acked.set(from, index);
    const term = log.termAt(index) ?? log.base.term;
    const primary = fields.value("Role") === "primary" ? from : null;
    const last = index === 0 ? NO_POSITION : { index, term };
    return { kind: "position_answer", epoch: NO_POSITION.term, id, disk: NO_DISK, last, primary };
  }

  /** What an answer without `x` says to the message it answers; undefined: nothing of use. */
  answerOf(from: NodeId, asked: HaMessage, answer: PeerMessage): HaMessage | undefined {
    const fields = new PayloadFields(answer.payload ?? {}, "answer");
    const { epoch } = asked;
    const { durableIndex } = this.#parts.log;
    const known = (name: string) =>
      Math.max(this.#acked.get(from) ?? 0, Math.min(fields.index(name), durableIndex)) as LogIndex;
    if (asked.kind === "heartbeat" && answer.type === MessageType.heartbeatResponse) {
      const durable = known("WALPosition");
      this.#acked.set(from, durable);
      const { at, round } = asked;
      return {
        kind: "heartbeat_response",
        epoch,
        at,
        round,
        disk: NO_DISK,
        aligned: true,
        received: durable,
        durable,
        applied: durable,
        promise: false,
      };
    }
    if (asked.kind === "wal_batch" && answer.type === MessageType.walBatchResponse) {
      const durable = known("AckedPosition");
      this.#acked.set(from, durable);
      const received = Math.max(durable, known("ReceivedPosition")) as LogIndex;
      const said = { epoch, disk: NO_DISK, aligned: true, received, durable, gapAt: null };
      return { kind: "wal_ack", ...said };
    }
    return undefined;
  }

  /**
   * What a message without `x` says in our words.
   * @returns a message for the core, or the answer to give at once
   * @throws ReplicationError `INVALID` naming the field
   */
  read(message: PeerMessage, term: Term): HaMessage | PeerMessage {
    const epoch = Math.max(1, term) as Term;
    if (message.type === MessageType.heartbeat) return this.#heartbeat(message, epoch);
    if (message.type === MessageType.walBatch) return this.#batch(message, epoch);
    if (message.type === MessageType.fence) {
      return { type: MessageType.fenceResponse, payload: { Fenced: !this.#parts.isPrimary() } };
    }
    return { type: MessageType.promoteResponse, payload: { Ready: this.#parts.isPrimary() } };
  }

  /** What this node has, as the answer to a batch. */
  positions(): PeerMessage {
    const { last, durableIndex } = this.#parts.log;
    const payload = { AckedPosition: durableIndex, ReceivedPosition: last.index };
    return { type: MessageType.walBatchResponse, payload };
  }

  #heartbeat(message: PeerMessage, epoch: Term): HaMessage | PeerMessage {
    const fields = new PayloadFields(message.payload ?? {}, "heartbeat");
    const index = fields.index("WALPosition");
    const { log, disk } = this.#parts;
    // Its log ends before ours, or this node is primary: there is nothing to follow.
    if (this.#parts.isPrimary() || index < log.last.index) return this.standing(index);
    this.#round += 1;
    const last = index === log.last.index ? log.last : { index, term: epoch };
    return {
      kind: "heartbeat",
      epoch,
      at: this.#round,
      round: this.#round,
      last: index === 0 ? NO_POSITION : last,
      commit: index,
      authority: true,
      inSync: false,
      disk,
      table: this.#table(index, epoch),
    };
  }

  /** What this node has, as the answer to a heartbeat. */
  standing(heard: number, id = "", role = this.#parts.isPrimary() ? "primary" : "standby") {
    const { durableIndex } = this.#parts.log;
    const Lag = Math.max(0, heard - durableIndex);
    const payload = { NodeID: id, Role: role, WALPosition: durableIndex, Lag };
    return { type: MessageType.heartbeatResponse, payload };
  }

  /** As if its log were ours and went on in this epoch. */
  #table(index: LogIndex, epoch: Term): EpochTable {
    const { log } = this.#parts;
    const runs = [...log.outline().terms].slice(-HA_WIRE_LIMITS.runsMax);
    const grows = index > log.last.index && epoch > log.last.term;
    const next = { first: toLogIndex(log.last.index + 1), term: epoch };
    return { base: log.base, runs: grows ? [...runs, next] : runs, last: index };
  }

  #batch(message: PeerMessage, epoch: Term): HaMessage | PeerMessage {
    const { log } = this.#parts;
    const items = Array.isArray(message.payload) ? message.payload : [];
    const fresh = items
      .map((item) => toRecord(item, "walBatch"))
      .filter(({ Position }) => Number(Position) > log.last.index);
    const isNext = Number(fresh[0]?.Position) === log.last.index + 1;
    if (!isNext || this.#parts.isPrimary()) return this.positions();
    const entries: Entry[] = [];
    for (const item of fresh) {
      const index = toLogIndex(log.last.index + 1 + entries.length);
      if (item.Position !== index || entries.length >= HA_WIRE_LIMITS.entriesMax) break;
      entries.push(toEntry(item, index, epoch));
    }
    const commit = entries.at(-1)?.index ?? log.last.index;
    return { kind: "wal_batch", epoch, prev: log.last, entries, commit };
  }
}

function toEntry({ Command }: PayloadRecord, index: LogIndex, term: Term): Entry {
  if (Command instanceof Uint8Array) return { index, term, kind: "command", payload: Command };
  return { index, term, kind: "noop", payload: EMPTY };
}
