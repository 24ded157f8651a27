import { CommandType } from "../replication/command.js";
import { ReplicationError } from "../replication/errors.js";
import {
  asText,
  decodeEnvelope,
  type Envelope,
  type Fields,
  invalid,
  type Refusal,
  toObject,
} from "./envelope.js";
import type { Operation } from "./graph.js";
import { STORAGE_LIMITS } from "./limits.js";
import { validateOperations } from "./validate.js";

/** What an entry's payload asks for. A payload that asks for nothing valid is a refusal, too. */
export interface DecodedCommand {
  /** Empty: the command is not remembered. */
  readonly requestId: string;
  /** The leader's wall clock when it took the command, milliseconds; 0 when missing. */
  readonly timestampMs: number;
  readonly operations: readonly Operation[];
  /** NornicDB's create and update: every named thing must be missing, or there. */
  readonly expect?: "absent" | "present" | undefined;
  readonly refusal?: Refusal | undefined;
}

/**
 * The command for operations that `validateOperations` has passed: all together or none.
 * @throws ReplicationError `TOO_LARGE`
 */
export function encodeOperations(operations: readonly Operation[]): {
  readonly type: number;
  readonly data: Uint8Array;
} {
  const data = Buffer.from(JSON.stringify({ ops: operations }));
  if (data.length > STORAGE_LIMITS.commandBytesMax) {
    throw new ReplicationError(
      "TOO_LARGE",
      `the command takes ${data.length} bytes; ${STORAGE_LIMITS.commandBytesMax} are allowed`,
      { field: "ops", hint: "split it into several commands" },
    );
  }
  return { type: CommandType.batchWrite, data };
}

/** Never throws: what cannot be understood becomes a refusal, the same on every node. */
export function decodeCommand(payload: Uint8Array): DecodedCommand {
  return readCommand(decodeEnvelope(payload));
}

/** Never throws, as `decodeCommand`. */
export function readCommand(envelope: Envelope): DecodedCommand {
  const { requestId, timestampMs, refusal } = envelope;
  if (refusal !== undefined) return { requestId, timestampMs, operations: [], refusal };
  try {
    return { requestId, timestampMs, ...decodeData(envelope.type, envelope.data) };
  } catch (error) {
    if (!(error instanceof ReplicationError)) throw error;
    const { code, message } = error;
    return { requestId, timestampMs, operations: [], refusal: { code, message } };
  }
}

type Decoded = Pick<DecodedCommand, "operations" | "expect">;

function decodeData(type: unknown, data: Buffer): Decoded {
  switch (type) {
    case CommandType.createNode:
      return { operations: checked([nodeOperation(toObject(data))]), expect: "absent" };
    case CommandType.updateNode:
      return { operations: checked([nodeOperation(toObject(data))]), expect: "present" };
    case CommandType.deleteNode:
      return { operations: checked([{ op: "delete_node", id: asText(data) }]) };
    case CommandType.createEdge:
      return { operations: checked([edgeOperation(toObject(data))]), expect: "absent" };
    case CommandType.deleteEdge:
      return { operations: checked([{ op: "delete_edge", id: toObject(data).edge_id }]) };
    case CommandType.setProperty:
      return { operations: checked([propertyOperation(toObject(data))]) };
    case CommandType.batchWrite:
      return decodeBatch(toObject(data));
    case CommandType.cypher:
      throw invalid("Cypher commands are not supported yet");
    default:
      throw invalid(`unknown command type ${String(type).slice(0, 20)}`);
  }
}

function decodeBatch(data: Fields): Decoded {
  if (data.ops !== undefined) return { operations: checked(data.ops) };
  const nodes = (data.nodes ?? []) as Fields[];
  const edges = (data.edges ?? []) as Fields[];
  if (!Array.isArray(nodes) || !Array.isArray(edges))
    throw invalid("nodes and edges must be lists");
  const operations = [...nodes.map(nodeOperation), ...edges.map(edgeOperation)];
  return { operations: checked(operations), expect: "absent" };
}

function nodeOperation(node: Fields | null): Fields {
  return {
    op: "put_node",
    id: node?.id,
    labels: node?.labels ?? [],
    properties: node?.properties ?? {},
  };
}

function edgeOperation(edge: Fields | null): Fields {
  return {
    op: "put_edge",
    id: edge?.id,
    from: edge?.startNode,
    to: edge?.endNode,
    type: edge?.type,
    properties: edge?.properties ?? {},
  };
}

function propertyOperation(data: Fields): Fields {
  const key = data.key;
  if (typeof key !== "string" || key === "__proto__")
    throw invalid("key must be a property's name");
  return { op: "patch_node", id: data.node_id, properties: { [key]: data.value ?? null } };
}

function checked(operations: unknown): Operation[] {
  return validateOperations(operations);
}
