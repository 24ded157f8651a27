import type { JsonValue } from "../base/index.js";
import { ReplicationError } from "../replication/errors.js";
import type { Operation, Precondition, Properties } from "./graph.js";
import { STORAGE_LIMITS } from "./limits.js";

const UNPRINTABLE = /[\p{Cc}\p{Cs}]/u;
const FORBIDDEN_KEYS = new Set(["__proto__", "constructor", "prototype"]);

type Fields = Readonly<Record<string, unknown>>;

/** What is left of the bytes that the texts of one command may take together. */
interface Budget {
  chars: number;
}

const FIELDS: Readonly<Record<Operation["op"], readonly string[]>> = {
  put_node: ["op", "id", "labels", "properties", "if"],
  patch_node: ["op", "id", "labels", "properties", "if"],
  delete_node: ["op", "id", "detach", "if"],
  put_edge: ["op", "id", "from", "to", "type", "properties", "if"],
  patch_edge: ["op", "id", "properties", "if"],
  delete_edge: ["op", "id", "if"],
  increment_node: ["op", "id", "property", "by", "if"],
  increment_edge: ["op", "id", "property", "by", "if"],
  create_index: ["op", "label", "property"],
  drop_index: ["op", "label", "property"],
};

/**
 * Checks operations from outside, as front ends must before they propose them. The result shares
 * the input's objects.
 * @throws ReplicationError `INVALID` | `TOO_LARGE` naming the field, such as `ops[3].properties.x`
 */
export function validateOperations(input: unknown): Operation[] {
  if (!Array.isArray(input)) throw invalid("ops", "must be a list of operations");
  if (input.length === 0) throw invalid("ops", "must hold at least one operation");
  if (input.length > STORAGE_LIMITS.operationsMax) {
    throw tooLarge("ops", `holds more than ${STORAGE_LIMITS.operationsMax} operations`);
  }
  const budget: Budget = { chars: STORAGE_LIMITS.commandBytesMax };
  for (let i = 0; i < input.length; i += 1) validateOperation(input[i], i, budget);
  return input as Operation[];
}

function validateOperation(input: unknown, position: number, budget: Budget): void {
  const at = (field: string) => `ops[${position}].${field}`;
  if (!isPlainMap(input)) throw invalid(`ops[${position}]`, "must be an object");
  const kind = input.op;
  if (typeof kind !== "string" || !Object.hasOwn(FIELDS, kind)) {
    throw invalid(at("op"), `must be one of ${Object.keys(FIELDS).join(", ")}`);
  }
  const op = kind as Operation["op"];
  for (const field of Object.keys(input)) {
    if (!FIELDS[op].includes(field)) throw invalid(at(field), `is not a field of ${op}`);
  }
  if (op === "create_index" || op === "drop_index") {
    checkName(input.label, at, "label", budget);
    checkName(input.property, at, "property", budget);
    return;
  }
  checkId(input.id, at, "id", budget);
  if (input.if !== undefined) checkPrecondition(input.if, at("if"));
  if (op === "put_edge") {
    checkId(input.from, at, "from", budget);
    checkId(input.to, at, "to", budget);
    checkName(input.type, at, "type", budget);
  }
  if (op === "increment_node" || op === "increment_edge") checkIncrement(input, at, budget);
  if (input.detach !== undefined && typeof input.detach !== "boolean") {
    throw invalid(at("detach"), "must be true or false");
  }
  if (input.labels !== undefined) checkLabels(input.labels, at, budget);
  if (input.properties !== undefined) checkProperties(input.properties, at, budget);
  else if (op === "patch_edge") throw invalid(at("properties"), "is missing");
}

type At = (field: string) => string;

function checkId(value: unknown, at: At, field: string, budget: Budget): void {
  checkText(value, at, field, STORAGE_LIMITS.idBytesMax, budget);
}

function checkName(value: unknown, at: At, field: string, budget: Budget): void {
  checkText(value, at, field, STORAGE_LIMITS.nameBytesMax, budget);
}

function checkText(value: unknown, at: At, field: string, bytesMax: number, budget: Budget): void {
  checkPlainText(value, at, field, bytesMax);
  budget.chars -= value.length;
  if (budget.chars < 0) throw overBudget(at(field));
}

/**
 * Checks a name or an id.
 * @throws ReplicationError `INVALID` | `TOO_LARGE` for the field that `at` names
 */
export function checkPlainText(
  value: unknown,
  at: At,
  field: string,
  bytesMax: number,
): asserts value is string {
  if (typeof value !== "string" || value === "") {
    throw invalid(at(field), "must be a text that is not empty");
  }
  if (value.length * 3 > bytesMax && Buffer.byteLength(value) > bytesMax) {
    throw tooLarge(at(field), `is longer than ${bytesMax} bytes of UTF-8`);
  }
  if (UNPRINTABLE.test(value)) {
    throw invalid(at(field), "has a control character or half a surrogate pair in it");
  }
}

function checkLabels(value: unknown, at: At, budget: Budget): void {
  if (!Array.isArray(value)) throw invalid(at("labels"), "must be a list of texts");
  if (value.length > STORAGE_LIMITS.labelsMax) {
    throw tooLarge(at("labels"), `holds more than ${STORAGE_LIMITS.labelsMax} labels`);
  }
  for (let i = 0; i < value.length; i += 1) checkName(value[i], at, `labels[${i}]`, budget);
}

function checkIncrement({ property, by }: Fields, at: At, budget: Budget): void {
  checkName(property, at, "property", budget);
  checkKey(property as string, () => at("property"));
  if (!Number.isSafeInteger(by)) throw invalid(at("by"), "must be a whole number up to 2^53 - 1");
}

function checkPrecondition(value: unknown, field: string): asserts value is Precondition {
  const keys = isPlainMap(value) ? Object.keys(value) : [];
  const only = isPlainMap(value) && keys.length === 1 ? value : undefined;
  const byVersion = Number.isSafeInteger(only?.version) && (only?.version as number) >= 0;
  if (byVersion || typeof only?.exists === "boolean") return;
  throw invalid(field, 'must be {"version": number} or {"exists": true or false}');
}

function checkProperties(value: unknown, at: At, budget: Budget): asserts value is Properties {
  if (!isPlainMap(value)) throw invalid(at("properties"), "must be an object");
  const path: string[] = ["properties"];
  checkMap(value, at, path, 0, budget);
}

function checkMap(map: Fields, at: At, path: string[], depth: number, budget: Budget): void {
  for (const key of Object.keys(map)) {
    path.push(key);
    checkName(key, () => at(path.join(".")), key, budget);
    checkKey(key, () => at(path.join(".")));
    checkValue(map[key], at, path, depth, budget);
    path.pop();
  }
}

function checkKey(key: string, field: () => string): void {
  if (key.startsWith("$")) throw invalid(field(), "keys with $ in front are reserved");
  if (FORBIDDEN_KEYS.has(key)) throw invalid(field(), "is a key that is not allowed");
}

function checkValue(
  value: unknown,
  at: At,
  path: string[],
  depth: number,
  budget: Budget,
): asserts value is JsonValue {
  switch (typeof value) {
    case "string":
      spendAt(budget, value.length, at, path);
      return;
    case "boolean":
      return;
    case "number":
      checkNumber(value, at, path);
      return;
    case "object":
      break;
    default:
      throw invalid(at(path.join(".")), "must be a value that JSON can hold");
  }
  if (value === null) return;
  if (depth >= STORAGE_LIMITS.valueDepthMax) {
    throw invalid(at(path.join(".")), `is nested deeper than ${STORAGE_LIMITS.valueDepthMax}`);
  }
  spendAt(budget, 2, at, path);
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i += 1) {
      path.push(String(i));
      spendAt(budget, 1, at, path);
      checkValue(value[i], at, path, depth + 1, budget);
      path.pop();
    }
    return;
  }
  if (!isPlainMap(value)) throw invalid(at(path.join(".")), "must be a plain object");
  checkMap(value, at, path, depth + 1, budget);
}

function checkNumber(value: number, at: At, path: string[]): void {
  if (!Number.isFinite(value)) throw invalid(at(path.join(".")), "must be a finite number");
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw invalid(
      at(path.join(".")),
      "is a whole number beyond 2^53 - 1",
      "send it as a text, so that it is not rounded",
    );
  }
}

function spendAt(budget: Budget, chars: number, at: At, path: readonly string[]): void {
  budget.chars -= chars;
  if (budget.chars < 0) throw overBudget(at(path.join(".")));
}

function overBudget(field: string): ReplicationError {
  return tooLarge(field, `makes the command larger than ${STORAGE_LIMITS.commandBytesMax} bytes`);
}

function isPlainMap(value: unknown): value is Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function invalid(field: string, problem: string, hint?: string): ReplicationError {
  return new ReplicationError("INVALID", `${field} ${problem}`, { field, hint });
}

function tooLarge(field: string, problem: string): ReplicationError {
  return new ReplicationError("TOO_LARGE", `${field} ${problem}`, { field });
}
