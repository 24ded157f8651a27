import type { JsonValue, NodeId } from "../../base/index.js";
import type { Order } from "../driver/mode.js";
import { ReplicationError } from "../errors.js";
import type { ForwardedAnswer, ForwardedWrite } from "../forwarding/index.js";
import type { SalvagedEntry, SalvageFiles, SalvageSummary } from "./salvage/salvage-files.js";

export interface SalvageOrdersParts {
  readonly files: SalvageFiles;
  /** Who takes writes now; null: nobody is known to. */
  primary(): NodeId | null;
  /** Has the primary take these writes; rejects when no answer came. */
  offer(writes: readonly ForwardedWrite[]): Promise<readonly ForwardedAnswer[]>;
}

/** Entries that `show` tells of. */
const SHOWN_MAX = 1_000;
/** Writes offered in one message. */
const BATCH_MAX = 256;
/** Refused writes that the answer to a replay names. */
const REFUSED_MAX = 1_000;

type Args = Order["args"];

/** What operators do with the tails that were cut off this node's log. */
export class SalvageOrders {
  readonly #parts: SalvageOrdersParts;

  constructor(parts: SalvageOrdersParts) {
    this.#parts = parts;
  }

  /** @returns undefined for an action that is none of these */
  work(action: string, args: Args): (() => Promise<JsonValue>) | undefined {
    const id = String(args.id ?? "");
    switch (action) {
      case "list salvage":
        return async () => ({ files: this.#parts.files.list().map(toJson) });
      case "show salvage":
        return async () => this.#show(id);
      case "replay salvage":
        return () => this.#replay(id);
      case "discard salvage":
        return async () => {
          await this.#parts.files.discard(id);
          return { id };
        };
      default:
        return undefined;
    }
  }

  #show(id: string): JsonValue {
    const { files } = this.#parts;
    const entries: JsonValue[] = [];
    let more = false;
    for (const entry of files.entries(id)) {
      if (entry.kind !== "command") continue;
      more = entries.length >= SHOWN_MAX;
      if (more) break;
      entries.push(shown(entry));
    }
    return { ...(toJson(files.summary(id)) as object), entries, more };
  }

  /** HB-31: each write under its own request id, so that what is there already stays as it is. */
  async #replay(id: string): Promise<JsonValue> {
    const { files, primary } = this.#parts;
    if (primary() === null) {
      throw new ReplicationError("NO_LEADER", "no node takes writes now", { retryAfterMs: 1_000 });
    }
    const counts = { applied: 0, known: 0 };
    const refused: JsonValue[] = [];
    let refusedCount = 0;
    let batch: SalvagedEntry[] = [];
    const flush = async () => {
      const answers = await this.#offer(batch);
      for (const [at, entry] of batch.entries()) {
        const failure = tally(answers[at], counts);
        if (failure === undefined) continue;
        refusedCount += 1;
        const { code, message } = failure;
        if (refused.length < REFUSED_MAX) refused.push({ index: entry.index, code, message });
      }
      batch = [];
    };
    for (const entry of files.entries(id)) {
      if (entry.kind === "command") batch.push(entry);
      if (batch.length >= BATCH_MAX) await flush();
    }
    if (batch.length > 0) await flush();
    await files.markReplayed(id);
    return { id, ...counts, refused_count: refusedCount, refused };
  }

  async #offer(batch: readonly SalvagedEntry[]): Promise<readonly ForwardedAnswer[]> {
    let answers: readonly ForwardedAnswer[];
    try {
      answers = await this.#parts.offer(batch.map(({ payload }) => ({ payload })));
    } catch (error) {
      throw again(error instanceof Error ? error.message : String(error));
    }
    for (const answer of answers) {
      if ("refused" in answer && PASSING.has(answer.refused.code)) {
        throw again(answer.refused.message);
      }
    }
    return answers;
  }
}

/** Refusals that say nothing about the write itself. */
const PASSING: ReadonlySet<string> = new Set([
  "NOT_LEADER",
  "NO_LEADER",
  "NO_STANDBY",
  "NO_QUORUM",
  "READ_ONLY",
  "OVERLOADED",
  "SHUTTING_DOWN",
  "COMMIT_UNKNOWN",
]);

function again(reason: string): ReplicationError {
  return new ReplicationError("COMMIT_UNKNOWN", `not all writes were offered: ${reason}`, {
    hint: "replay the file again: what has taken effect stays as it is",
  });
}

function tally(
  answer: ForwardedAnswer | undefined,
  counts: { applied: number; known: number },
): { readonly code: string; readonly message: string } | undefined {
  if (answer === undefined) return { code: "COMMIT_UNKNOWN", message: "an answer is missing" };
  if ("refused" in answer) return answer.refused;
  const { result } = answer;
  if (result.replayed) counts.known += 1;
  else if (result.ok) counts.applied += 1;
  return result.ok || result.replayed ? undefined : result;
}

function toJson(file: SalvageSummary): JsonValue {
  const { id, node, first, last, primary, epoch, at, commands, sizeBytes, replayedAt } = file;
  const numbers = { first, last, commands, size_bytes: sizeBytes };
  return { id, node, ...numbers, primary, epoch, at, replayed_at: replayedAt };
}

function shown({ index, term, payload }: SalvagedEntry): JsonValue {
  const { Type, Data, Timestamp, RequestID } = JSON.parse(Buffer.from(payload).toString("utf8"));
  const said = { index, term, request_id: RequestID, at: Timestamp, type: Type };
  try {
    const operations = JSON.parse(Buffer.from(Data ?? "", "base64").toString("utf8"));
    return { ...said, operations };
  } catch {
    return { ...said, data: Data };
  }
}
