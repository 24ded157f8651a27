import { DURABILITIES } from "../../service/index.js";

/** A JSON schema, for the description of the API; requests are checked by the service. */
export type Schema = Readonly<Record<string, unknown>>;

const string = { type: "string" };
const whole = { type: "integer", minimum: 0 };
const properties = {
  type: "object",
  description: "Scalars, lists and maps; keys that begin with $ are reserved.",
  additionalProperties: true,
};
const labels = { type: "array", items: string };

export const object = (fields: Schema, required: readonly string[] = []): Schema => ({
  type: "object",
  properties: fields,
  ...(required.length > 0 ? { required } : {}),
});
export const ref = (name: string): Schema => ({ $ref: `${name}#` });
export const listOf = (items: Schema): Schema => ({ type: "array", items });
export const ANY: Schema = { type: "object", additionalProperties: true };
export const PROBLEM_REF = ref("Problem");

const precondition = {
  oneOf: [object({ version: whole }, ["version"]), object({ exists: { type: "boolean" } })],
};
const step = (op: string, fields: Schema, required: readonly string[]) =>
  object({ op: { const: op }, ...fields }, ["op", ...required]);
const guarded = { id: string, if: precondition };
const increment = { property: string, by: { type: "integer" } };
const value = { type: "integer", description: "What an increment has come to." };
const index = { label: string, property: string };
const edge = { from: string, to: string, type: string, properties };

/** The shapes that several routes share, under `components/schemas`. */
export const SHARED_SCHEMAS: readonly Schema[] = [
  { $id: "NodeBody", ...object({ labels, properties }) },
  { $id: "Node", ...object({ id: string, labels, properties, version: whole }) },
  { $id: "EdgeBody", ...object(edge, ["from", "to", "type"]) },
  { $id: "Edge", ...object({ id: string, ...edge, version: whole }) },
  { $id: "Increment", ...object(increment, ["property", "by"]) },
  {
    $id: "Operation",
    oneOf: [
      step("put_node", { ...guarded, labels, properties }, ["id"]),
      step("patch_node", { ...guarded, labels, properties }, ["id"]),
      step("delete_node", { ...guarded, detach: { type: "boolean" } }, ["id"]),
      step("put_edge", { ...guarded, ...edge }, ["id", "from", "to", "type"]),
      step("patch_edge", { ...guarded, properties }, ["id", "properties"]),
      step("delete_edge", guarded, ["id"]),
      step("increment_node", { ...guarded, ...increment }, ["id", "property", "by"]),
      step("increment_edge", { ...guarded, ...increment }, ["id", "property", "by"]),
      step("create_index", index, ["label", "property"]),
      step("drop_index", index, ["label", "property"]),
    ],
  },
  {
    $id: "Receipt",
    ...object({
      index: whole,
      term: whole,
      durability: { enum: DURABILITIES },
      replayed: { type: "boolean", description: "The request id was known: nothing was done now." },
    }),
  },
  {
    $id: "OperationResult",
    ...object({
      op: string,
      id: string,
      outcome: { enum: ["created", "updated", "deleted", "unchanged"] },
      version: whole,
      value,
    }),
  },
  {
    $id: "Written",
    ...object({
      id: string,
      outcome: { enum: ["created", "updated", "deleted", "unchanged"] },
      version: { ...whole, description: "0 after a deletion" },
      value,
      receipt: ref("Receipt"),
    }),
  },
  {
    $id: "Problem",
    ...object(
      {
        type: string,
        title: string,
        status: whole,
        detail: string,
        code: { ...string, description: "Match on this; docs/errors.md lists all." },
        outcome: { enum: ["not_applied", "unknown"] },
        field: string,
        hint: string,
        retryAfterMs: whole,
        leader: object({ id: string, http: string }),
      },
      ["type", "title", "status", "detail", "code", "outcome"],
    ),
  },
];

export const WRITE_QUERY: Readonly<Record<string, Schema>> = {
  timeout: { ...string, description: "Longest wait, as in Go: 250ms, 1.5s, 1m." },
  durability: {
    enum: DURABILITIES,
    description: "Acknowledge not before the write is at least there; at most what the mode gives.",
  },
  redirect: { type: "boolean", description: "Answer 307 to the leader instead of forwarding." },
};
export const WRITE_HEADERS: Readonly<Record<string, Schema>> = {
  "Idempotency-Key": { ...string, description: "The request id: the same one is applied once." },
};
export const GUARD_HEADERS: Readonly<Record<string, Schema>> = {
  "If-Match": { ...string, description: 'An ETag ("12"), or * for "it exists".' },
  "If-None-Match": { ...string, description: '* for "it does not exist yet".' },
};
export const READ_QUERY: Readonly<Record<string, Schema>> = {
  consistency: { enum: ["ONE", "LEADER", "QUORUM", "LOCAL_ONE", "LOCAL_QUORUM", "ALL"] },
  after: { ...string, description: "A bookmark: the answer is at or after it." },
  timeout: { ...string, description: "Longest wait, as in Go: 250ms, 1.5s, 1m." },
  maxLag: { ...whole, description: "Entries this node may be behind, at level ONE." },
};
export const PAGE_QUERY: Readonly<Record<string, Schema>> = {
  limit: { type: "integer", minimum: 1, maximum: 10_000, default: 100 },
  cursor: { ...string, description: "From the page before." },
};
