import { hash } from "node:crypto";
import { StateMachineError } from "../../replication/ports/index.js";
import {
  type EdgeRecord,
  edgeRecord,
  type IndexRecord,
  indexRecord,
  type NodeRecord,
  nodeRecord,
} from "../records.js";
import { type AppliedRow, type EngineState, toPosition } from "../state-engine.js";
import { MemoryStore } from "./memory-store.js";

const FORMAT = "nornic-memory-1";

/** One JSON text a line: a header, a line for each thing, and the checksum of all before it. */
export function encodeSnapshot(store: MemoryStore, state: EngineState): Buffer {
  const { position, counts, horizonMs, changesFrom } = state;
  const digest = Buffer.from(state.digest).toString("base64");
  const lines = [JSON.stringify([FORMAT, position, counts, horizonMs, changesFrom, digest])];
  for (const n of store.nodes.values()) lines.push(JSON.stringify(["n", n]));
  for (const e of store.edges.values()) lines.push(JSON.stringify(["e", e]));
  for (const i of store.indexes.values()) lines.push(JSON.stringify(["i", i]));
  for (const row of store.rows) lines.push(JSON.stringify(["a", row]));
  const body = `${lines.join("\n")}\n`;
  return Buffer.from(`${body}${JSON.stringify(["end", hash("sha256", body, "hex")])}\n`);
}

/** @throws StateMachineError `SNAPSHOT_INVALID` */
export function decodeSnapshot(bytes: Buffer): { store: MemoryStore; state: EngineState } {
  const text = bytes.toString("utf8");
  const end = text.lastIndexOf('["end",');
  const body = text.slice(0, Math.max(end, 0));
  if (text.slice(body.length) !== `${JSON.stringify(["end", hash("sha256", body, "hex")])}\n`) {
    throw new StateMachineError("SNAPSHOT_INVALID", "the snapshot is cut short or damaged");
  }
  const lines = body.trimEnd().split("\n");
  const header = JSON.parse(lines[0] as string);
  if (header[0] !== FORMAT) {
    throw new StateMachineError("SNAPSHOT_INVALID", `the snapshot is not a ${FORMAT}`);
  }
  const store = new MemoryStore();
  for (const line of lines.slice(1)) {
    const [kind, record] = JSON.parse(line);
    addRecord(store, kind, record);
  }
  const [, position, counts, horizonMs, changesFrom, digest] = header;
  return {
    store,
    state: {
      position: toPosition(position.index, position.term),
      counts,
      horizonMs,
      changesFrom,
      digest: new Uint8Array(Buffer.from(digest, "base64")),
    },
  };
}

function addRecord(store: MemoryStore, kind: string, record: unknown): void {
  if (kind === "n") {
    const { id, labels, properties, version } = record as NodeRecord;
    store.changeNode(id, undefined, nodeRecord(id, labels, properties, version));
  } else if (kind === "e") {
    const edge = edgeRecord(record as EdgeRecord);
    store.changeEdge(edge.id, undefined, edge);
  } else if (kind === "i") {
    store.changeIndex(undefined, indexRecord(record as IndexRecord));
  } else {
    store.appendApplied(record as AppliedRow);
  }
}
