import type { MessagePort } from "node:worker_threads";
import type { LogFields, LogLevel } from "../../runtime/index.js";
import type { StoreIdentity } from "./schema.js";

/** What both workers start with. */
export interface StoreSettings {
  readonly path: string;
  readonly identity: StoreIdentity;
  readonly sizeBytesMax: number | undefined;
}

export interface WriterWorkerData {
  readonly settings: StoreSettings;
  /** Calls from the owner; `control` and `machine` are answered, `owner` is called. */
  readonly control: MessagePort;
  readonly owner: MessagePort;
  readonly keeper: MessagePort;
}

export interface ReaderWorkerData {
  readonly settings: StoreSettings;
  /** Each is answered; all share one connection. */
  readonly ports: readonly MessagePort[];
}

/** What a worker tells its owner unasked. */
export interface WorkerLogLine {
  readonly level: LogLevel;
  readonly event: string;
  readonly message: string;
  readonly fields: LogFields | undefined;
}
