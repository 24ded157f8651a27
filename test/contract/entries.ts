import { toLogIndex, toTerm } from "../../pkg/base/index.js";
import type { Entry } from "../../pkg/replication/ports/index.js";
import { encodeOperations, type Operation } from "../../pkg/storage/index.js";

/** A command as `Replicator.apply` takes it. */
export interface PlainCommand {
  readonly type: number;
  readonly data: Uint8Array;
}

/** A log under construction. */
export class Entries {
  #index = 0;

  constructor(after = 0) {
    this.#index = after;
  }

  /** Of the graph. */
  command(operations: readonly Operation[], more: CommandFields = {}): Entry {
    return this.plain(encodeOperations(operations), more);
  }

  plain({ type, data }: PlainCommand, more: CommandFields = {}): Entry {
    return this.raw({ Type: type, Data: Buffer.from(data).toString("base64"), ...more });
  }

  raw(envelope: Readonly<Record<string, unknown>>): Entry {
    return this.bytes(JSON.stringify({ Timestamp: "2026-01-02T03:04:05Z", ...envelope }));
  }

  bytes(payload: string): Entry {
    return this.#next("command", payload);
  }

  other(kind: "noop" | "config" | "marker"): Entry {
    return this.#next(kind, "");
  }

  #next(kind: Entry["kind"], payload: string): Entry {
    this.#index += 1;
    return { index: toLogIndex(this.#index), term: toTerm(1), kind, payload: Buffer.from(payload) };
  }
}

interface CommandFields {
  readonly RequestID?: string;
  readonly Timestamp?: string;
}
