import { isSafeCount, type JsonValue, type RegionId } from "../../base/index.js";
import { ReplicationError } from "../../replication/errors.js";
import { asText, type Envelope, type Fields, invalid, toObject } from "../envelope.js";
import { STORAGE_LIMITS } from "../limits.js";
import { validateOperations } from "../validate.js";
import type { Change } from "./change.js";
import { parseChange, toVector } from "./change-text.js";
import { REGION_LIMITS } from "./limits.js";
import { type RegionSettings, toRegion, toRegionSettings } from "./region-settings.js";
import type { Choice } from "./resolve-conflict.js";
import { type VersionVector, vectorPairs } from "./version-vector.js";

/** From the range for state machines beside the graph. */
export const REGION_COMMAND = 140;

/** What a region's leader does beside its clients' writes. */
export type RegionOperation =
  /** Founds the region or gives it other settings; its own name never changes by it. */
  | { readonly op: "settle"; readonly settings: RegionSettings }
  /** Makes the copy of another region that this is into a region of its own. */
  | { readonly op: "adopt"; readonly settings: RegionSettings }
  /** Changes that another region sent, of its own and of others, in the order they were made. */
  | {
      readonly op: "receive";
      readonly from: RegionId;
      /** All of its own changes up to there came before or are among these. */
      readonly upTo: number;
      /** What it contained then. */
      readonly contains: VersionVector;
      readonly changes: readonly Change[];
      /** The same changes as text, in the same order. */
      readonly texts: readonly string[];
    }
  | { readonly op: "resolve"; readonly id: string; readonly choice: Choice }
  /** Tombstones from before then, behind the key `after`. */
  | { readonly op: "forget"; readonly beforeMs: number; readonly after: string }
  | { readonly op: "give_up"; readonly region: RegionId }
  /** That region was promoted, here or elsewhere. */
  | { readonly op: "promote"; readonly region: RegionId; readonly epoch: number }
  | { readonly op: "readmit"; readonly region: RegionId; readonly contains: VersionVector };

interface EncodedCommand {
  readonly type: number;
  readonly data: Uint8Array;
}

/**
 * The command for an operation, for `Replicator.apply`: a line of JSON, and one for each change.
 * @throws ReplicationError `TOO_LARGE`
 */
export function encodeRegionOperation(
  operation:
    | Exclude<RegionOperation, { readonly op: "receive" }>
    | Omit<Extract<RegionOperation, { readonly op: "receive" }>, "changes">,
): EncodedCommand {
  const lines = [JSON.stringify(headOf(operation))];
  if (operation.op === "receive") lines.push(...operation.texts);
  const data = Buffer.from(lines.join("\n"));
  if (data.length <= STORAGE_LIMITS.commandBytesMax) return { type: REGION_COMMAND, data };
  throw new ReplicationError(
    "TOO_LARGE",
    `the command takes ${data.length} bytes; ${STORAGE_LIMITS.commandBytesMax} are allowed`,
  );
}

function headOf(
  operation: Parameters<typeof encodeRegionOperation>[0],
): Readonly<Record<string, unknown>> {
  switch (operation.op) {
    case "settle":
    case "adopt":
      return { op: operation.op, ...operation.settings };
    case "receive": {
      const { op, from, upTo, contains } = operation;
      return { op, from, upTo, contains: vectorPairs(contains) };
    }
    case "readmit":
      return { ...operation, contains: vectorPairs(operation.contains) };
    default:
      return { ...operation };
  }
}

/** @throws ReplicationError `INVALID` naming what is wrong */
export function readRegionOperation(envelope: Envelope): RegionOperation {
  const [head = "", ...texts] = asText(envelope.data).split("\n");
  const fields = toObject(Buffer.from(head));
  switch (fields.op) {
    case "settle":
    case "adopt":
      return { op: fields.op, settings: toRegionSettings(fields) };
    case "receive":
      return readReceive(fields, texts);
    case "resolve":
      return { op: "resolve", id: toText(fields.id, "id"), choice: toChoice(fields.choice) };
    case "forget":
      return {
        op: "forget",
        beforeMs: toCount(fields.beforeMs, "beforeMs"),
        after: toText(fields.after, "after"),
      };
    case "give_up":
      return { op: "give_up", region: toRegion(fields.region, "region") };
    case "promote":
      return {
        op: "promote",
        region: toRegion(fields.region, "region"),
        epoch: toCount(fields.epoch, "epoch"),
      };
    case "readmit":
      return {
        op: "readmit",
        region: toRegion(fields.region, "region"),
        contains: toVector(fields.contains),
      };
    default:
      throw invalid("op must be one of a region's operations");
  }
}

function readReceive(fields: Fields, texts: readonly string[]): RegionOperation {
  if (texts.length > REGION_LIMITS.receiveMax) {
    throw invalid(`${texts.length} changes came at once; ${REGION_LIMITS.receiveMax} are allowed`);
  }
  return {
    op: "receive",
    from: toRegion(fields.from, "from"),
    upTo: toCount(fields.upTo, "upTo"),
    contains: toVector(fields.contains),
    changes: texts.map(readChange),
    texts,
  };
}

function readChange(text: string): Change {
  try {
    return parseChange(JSON.parse(text));
  } catch (error) {
    if (error instanceof ReplicationError) throw error;
    throw invalid("a region's change is not JSON");
  }
}

/** @throws ReplicationError `INVALID` */
export function toChoice(value: unknown): Choice {
  if (typeof value !== "object" || value === null) throw invalid("choice must be an object");
  const { keep, origin, seq, value: chosen } = value as Fields;
  if (keep === "winner") return { keep };
  if (keep === "loser" && typeof origin === "string" && isSafeCount(seq)) {
    return { keep, origin, seq };
  }
  if (keep === undefined && chosen !== undefined) {
    checkProperty("id", "value", chosen as JsonValue);
    return { value: chosen as JsonValue };
  }
  throw invalid("choice must keep the winner, keep a loser by origin and seq, or give a value");
}

function checkProperty(id: string, name: string, value: JsonValue): void {
  const properties = Object.fromEntries([[name, value]]);
  validateOperations([{ op: "patch_node", id, properties }]);
}

function toText(value: unknown, field: string): string {
  if (typeof value !== "string") throw invalid(`${field} must be a text`);
  return value;
}

function toCount(value: unknown, field: string): number {
  if (!isSafeCount(value)) throw invalid(`${field} must be a whole number from 0`);
  return value;
}
