import type { JsonValue } from "../base/index.js";
import { ReplicationError, type Replicator } from "../replication/index.js";
import { type Choice, type ConflictReads, encodeRegionOperation } from "../storage/index.js";
import { toRequestId } from "./request-id.js";
import type { AdminActions } from "./service.js";

type Args = { readonly [name: string]: JsonValue };

const STATES = ["open", "ended"] as const;
const PAGE_DEFAULT = 100;
const PAGE_MAX = 1_000;

/** Conflicts between regions: listed as this node has them, resolved by a write like any other. */
export function conflictActions(storage: ConflictReads, replicator: Replicator): AdminActions {
  return {
    "list conflicts": async (args) => {
      const [state, after, limit] = pageOf(args);
      const page =
        state === "open"
          ? await storage.conflicts(after, limit)
          : await storage.endedConflicts(after, limit);
      return toJson({ conflicts: page.conflicts, after: page.next });
    },
    "show conflict": async ({ id }) => toJson(await findConflict(storage, toId(id))),
    "resolve conflict": async (args) => {
      const id = toId(args.id);
      const requestId = toRequestId(args.requestId as string | undefined);
      const operation = { op: "resolve", id, choice: toChoice(args) } as const;
      const receipt = await replicator.apply({ ...encodeRegionOperation(operation), requestId });
      const { index, term, durability, replayed } = receipt;
      return { id, outcome: "resolved", receipt: { index, term, durability, replayed } };
    },
  };
}

async function findConflict(storage: ConflictReads, id: string) {
  const open = await storage.conflict(id);
  if (open !== undefined) return open;
  const { conflicts } = await storage.endedConflicts("", PAGE_MAX);
  const ended = conflicts.find((conflict) => conflict.id === id);
  if (ended !== undefined) return ended;
  throw new ReplicationError("NOT_FOUND", `there is no conflict "${id}", open or lately ended`);
}

function pageOf({ state = "open", after = "", limit = String(PAGE_DEFAULT) }: Args) {
  const known = STATES.find((name) => name === state);
  if (known === undefined) throw invalid("state", `must be one of ${STATES.join(", ")}`);
  const count = Number(limit);
  if (!Number.isInteger(count) || count < 1 || count > PAGE_MAX) {
    throw invalid("limit", `must be a whole number from 1 to ${PAGE_MAX}`);
  }
  return [known, String(after), count] as const;
}

function toId(id: JsonValue | undefined): string {
  if (typeof id === "string" && id !== "") return id;
  throw invalid("id", "must be a conflict's id");
}

/** The state looks at it once more: what it refuses there is refused on all nodes alike. */
function toChoice({ keep, origin, seq, value }: Args): Choice {
  if (keep === "winner" && origin === undefined && seq === undefined && value === undefined) {
    return { keep };
  }
  if (keep === "loser" && value === undefined) {
    if (typeof origin !== "string") throw invalid("origin", "must name the loser's region");
    if (typeof seq !== "number") throw invalid("seq", "must be the loser's number in its region");
    return { keep, origin, seq };
  }
  if (keep === undefined && value !== undefined && origin === undefined && seq === undefined) {
    return { value };
  }
  throw invalid("keep", 'is "winner", or "loser" with origin and seq; or a value is given instead');
}

function invalid(field: string, problem: string): ReplicationError {
  return new ReplicationError("INVALID", `${field} ${problem}`, { field });
}

function toJson(value: unknown): JsonValue {
  return JSON.parse(JSON.stringify(value)) as JsonValue;
}
