import { type JsonValue, unreachable } from "../base/index.js";
import { canonicalText, labelsText } from "./canonical.js";
import type { DecodedCommand } from "./commands.js";
import type { Draft } from "./draft.js";
import type { Refusal } from "./envelope.js";
import type { Operation, OperationResult, Precondition, Properties } from "./graph.js";
import { edgeKey, nodeKey } from "./keys-of-command.js";
import { STORAGE_LIMITS } from "./limits.js";
import { edgeRecord, indexRecord, nodeRecord } from "./records.js";

type Step<Op extends Operation["op"]> = Extract<Operation, { readonly op: Op }>;
type Outcome = OperationResult["outcome"];

/** Ends a command; caught in this file alone. */
class Refused extends Error {
  constructor(readonly refusal: Refusal) {
    super(refusal.message);
  }
}

/**
 * Applies a command's operations to `draft` in order, each seeing the ones before it; the
 * preconditions look at the state before the first. After a refusal the draft must be dropped.
 * @param version - the log index of the command
 */
export function applyOperations(
  draft: Draft,
  command: DecodedCommand,
  version: number,
): readonly OperationResult[] | Refusal {
  try {
    for (const operation of command.operations) {
      if ("if" in operation && operation.if !== undefined) checkPrecondition(draft, operation);
    }
    return command.operations.map((operation) => applyOne(draft, operation, command, version));
  } catch (error) {
    if (error instanceof Refused) return error.refusal;
    throw error;
  }
}

function applyOne(
  draft: Draft,
  operation: Operation,
  command: DecodedCommand,
  version: number,
): OperationResult {
  switch (operation.op) {
    case "put_node":
      return putNode(draft, operation, command.expect, version);
    case "patch_node":
      return patchNode(draft, operation, version);
    case "delete_node":
      return deleteNode(draft, operation);
    case "put_edge":
      return putEdge(draft, operation, command.expect, version);
    case "patch_edge":
      return patchEdge(draft, operation, version);
    case "delete_edge":
      return deleteEdge(draft, operation);
    case "increment_node":
      return incrementNode(draft, operation, version);
    case "increment_edge":
      return incrementEdge(draft, operation, version);
    case "create_index":
      return createIndex(draft, operation, version);
    case "drop_index":
      return dropIndex(draft, operation);
    default:
      return unreachable(operation);
  }
}

function checkPrecondition(
  draft: Draft,
  operation: { readonly op: Operation["op"]; readonly id: string; readonly if?: Precondition },
): void {
  const condition = operation.if as Precondition;
  const isNode = operation.op.endsWith("_node");
  const found = isNode ? draft.node(operation.id) : draft.edge(operation.id);
  if ("exists" in condition) {
    if (condition.exists === (found !== undefined)) return;
    const fact = found === undefined ? "does not exist" : "exists";
    throw refuse("VERSION_MISMATCH", `${isNode ? "node" : "edge"} "${operation.id}" ${fact}`);
  }
  const version = found?.version ?? 0;
  if (version === condition.version) return;
  throw refuse(
    "VERSION_MISMATCH",
    `${isNode ? "node" : "edge"} "${operation.id}" has version ${version}, not ${condition.version}`,
  );
}

function putNode(
  draft: Draft,
  op: Step<"put_node">,
  expect: DecodedCommand["expect"],
  version: number,
): OperationResult {
  const before = draft.node(op.id);
  checkExpected("node", op.id, before, expect);
  const labels = labelsText(op.labels ?? []);
  const properties = propertiesText(op.properties, op.id);
  if (before?.properties === properties && before.labels === labels) {
    return result(op, "unchanged", before.version);
  }
  draft.setNode(op.id, before, nodeRecord(op.id, labels, properties, version));
  return result(op, before === undefined ? "created" : "updated", version);
}

function patchNode(draft: Draft, op: Step<"patch_node">, version: number): OperationResult {
  const before = draft.node(op.id) ?? notFound("node", op.id);
  const labels = op.labels === undefined ? before.labels : labelsText(op.labels);
  const properties = patchedText(before.properties, op.properties, op.id);
  if (before.properties === properties && before.labels === labels) {
    return result(op, "unchanged", before.version);
  }
  draft.setNode(op.id, before, nodeRecord(op.id, labels, properties, version));
  return result(op, "updated", version);
}

function deleteNode(draft: Draft, op: Step<"delete_node">): OperationResult {
  const before = draft.node(op.id) ?? notFound("node", op.id);
  const most = op.detach === true ? STORAGE_LIMITS.detachEdgesMax : 0;
  const edges = draft.edgesOf(op.id, most + 1);
  if (edges.length > most) {
    throw op.detach === true
      ? refuse(
          "TOO_LARGE",
          `node "${op.id}" has more than ${most} edges; delete some of them first`,
        )
      : refuse("CONFLICT", `node "${op.id}" has edges; delete them first, or detach`);
  }
  for (const edge of edges) draft.setEdge(edge.id, edge, undefined);
  draft.setNode(op.id, before, undefined);
  return result(op, "deleted", 0);
}

function putEdge(
  draft: Draft,
  op: Step<"put_edge">,
  expect: DecodedCommand["expect"],
  version: number,
): OperationResult {
  const before = draft.edge(op.id);
  checkExpected("edge", op.id, before, expect);
  for (const end of [op.from, op.to]) {
    if (draft.node(end) === undefined) {
      throw refuse("CONFLICT", `edge "${op.id}" needs node "${end}", which does not exist`);
    }
  }
  const properties = propertiesText(op.properties, op.id);
  if (
    before?.properties === properties &&
    before.from === op.from &&
    before.to === op.to &&
    before.type === op.type
  ) {
    return result(op, "unchanged", before.version);
  }
  const { id, from, to, type } = op;
  draft.setEdge(id, before, edgeRecord({ id, from, to, type, properties, version }));
  return result(op, before === undefined ? "created" : "updated", version);
}

function patchEdge(draft: Draft, op: Step<"patch_edge">, version: number): OperationResult {
  const before = draft.edge(op.id) ?? notFound("edge", op.id);
  const properties = patchedText(before.properties, op.properties, op.id);
  if (before.properties === properties) return result(op, "unchanged", before.version);
  draft.setEdge(op.id, before, edgeRecord({ ...before, properties, version }));
  return result(op, "updated", version);
}

function deleteEdge(draft: Draft, op: Step<"delete_edge">): OperationResult {
  const before = draft.edge(op.id) ?? notFound("edge", op.id);
  draft.setEdge(op.id, before, undefined);
  return result(op, "deleted", 0);
}

function incrementNode(draft: Draft, op: Step<"increment_node">, version: number): OperationResult {
  const before = draft.node(op.id) ?? notFound("node", op.id);
  const { properties, value } = incremented(before.properties, op);
  draft.addIncrement(nodeKey(op.id), op.property, op.by);
  if (before.properties === properties) {
    return { ...result(op, "unchanged", before.version), value };
  }
  draft.setNode(op.id, before, nodeRecord(op.id, before.labels, properties, version));
  return { ...result(op, "updated", version), value };
}

function incrementEdge(draft: Draft, op: Step<"increment_edge">, version: number): OperationResult {
  const before = draft.edge(op.id) ?? notFound("edge", op.id);
  const { properties, value } = incremented(before.properties, op);
  draft.addIncrement(edgeKey(op.id), op.property, op.by);
  if (before.properties === properties) {
    return { ...result(op, "unchanged", before.version), value };
  }
  draft.setEdge(op.id, before, edgeRecord({ ...before, properties, version }));
  return { ...result(op, "updated", version), value };
}

function createIndex(draft: Draft, op: Step<"create_index">, version: number): OperationResult {
  const { label, property } = op;
  const before = draft.index(label, property);
  if (before !== undefined) return indexResult(op, "unchanged", before.version);
  draft.setIndex(undefined, indexRecord({ label, property, version }));
  return indexResult(op, "created", version);
}

function dropIndex(draft: Draft, op: Step<"drop_index">): OperationResult {
  const before = draft.index(op.label, op.property) ?? notFound("index", indexName(op));
  draft.setIndex(before, undefined);
  return indexResult(op, "deleted", 0);
}

function checkExpected(
  kind: string,
  id: string,
  before: unknown,
  expect: DecodedCommand["expect"],
): void {
  if (expect === "absent" && before !== undefined) {
    throw refuse("CONFLICT", `${kind} "${id}" already exists`);
  }
  if (expect === "present" && before === undefined) notFound(kind, id);
}

function propertiesText(properties: Properties | undefined, id: string): string {
  return bounded(properties === undefined ? "{}" : canonicalText(properties), id);
}

/** RFC 7396 on the first level: null deletes a property, a map replaces the one before it. */
function patchedText(before: string, patch: Properties | undefined, id: string): string {
  if (patch === undefined) return before;
  const merged: Record<string, JsonValue> = { ...JSON.parse(before) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = value;
  }
  return bounded(canonicalText(merged), id);
}

function incremented(
  before: string,
  { id, property, by }: Step<"increment_node"> | Step<"increment_edge">,
): { readonly properties: string; readonly value: number } {
  const properties: Record<string, JsonValue> = { ...JSON.parse(before) };
  const old = Object.hasOwn(properties, property) ? properties[property] : 0;
  if (typeof old !== "number" || !Number.isSafeInteger(old)) {
    throw refuse("CONFLICT", `property "${property}" of "${id}" is not a whole number`);
  }
  const value = old + by;
  if (!Number.isSafeInteger(value)) {
    throw refuse("CONFLICT", `property "${property}" of "${id}" would exceed 2^53 - 1`);
  }
  properties[property] = value;
  return { properties: bounded(canonicalText(properties), id), value };
}

function bounded(text: string, id: string): string {
  if (text.length <= STORAGE_LIMITS.commandBytesMax) return text;
  throw refuse("TOO_LARGE", `the properties of "${id}" would be too large`);
}

function result(op: { op: Operation["op"]; id: string }, outcome: Outcome, version: number) {
  return { op: op.op, id: op.id, outcome, version };
}

function indexResult(
  op: Step<"create_index"> | Step<"drop_index">,
  outcome: Outcome,
  version: number,
): OperationResult {
  return { op: op.op, id: indexName(op), outcome, version };
}

function indexName(index: { readonly label: string; readonly property: string }): string {
  return `${index.label}.${index.property}`;
}

function refuse(code: Refusal["code"], message: string): Refused {
  return new Refused({ code, message });
}

function notFound(kind: string, id: string): never {
  throw refuse("NOT_FOUND", `${kind} "${id}" does not exist`);
}
