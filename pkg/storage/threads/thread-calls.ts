import type { MessagePort, Transferable } from "node:worker_threads";
import { type Deferred, deferred } from "../../base/index.js";
import {
  type ErrorData,
  fromErrorData,
  ReplicationError,
  toErrorData,
} from "../../replication/errors.js";
import { StateMachineError } from "../../replication/ports/index.js";

interface Call {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

type Reply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: Thrown };

/** An error as data; the two kinds that callers look into keep what they carry. */
interface Thrown {
  readonly kind: "state" | "replication" | "other";
  readonly data: ErrorData | { readonly code: StateMachineError["code"]; readonly message: string };
}

export type Handlers = Readonly<Record<string, (...args: never[]) => unknown>>;

/** Answers the calls that come in through `port`; synchronous handlers run in order of arrival. */
export function serveCalls(port: MessagePort, handlers: Handlers): void {
  port.on("message", (call: Call) => void answer(port, handlers, call));
}

async function answer(port: MessagePort, handlers: Handlers, call: Call): Promise<void> {
  try {
    const handler = handlers[call.method] as (...args: readonly unknown[]) => unknown;
    port.postMessage({ id: call.id, value: await handler(...call.args) });
  } catch (error) {
    port.postMessage({ id: call.id, error: toThrown(error) });
  }
}

/** Calls into another thread. Every call settles: with the answer, or with the end of the thread. */
export class CallClient {
  readonly #port: MessagePort;
  readonly #pending = new Map<number, Deferred<unknown>>();
  #lastId = 0;
  #failure: Error | undefined;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on("message", (reply: Reply) => this.#onReply(reply));
    port.on("close", () =>
      this.fail(new StateMachineError("STORAGE_FAILED", "the thread is gone")),
    );
  }

  call<T>(method: string, args: readonly unknown[], transfer: Transferable[] = []): Promise<T> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#lastId += 1;
    const waiting = deferred<unknown>();
    this.#pending.set(this.#lastId, waiting);
    this.#port.postMessage({ id: this.#lastId, method, args } satisfies Call, transfer);
    return waiting.promise as Promise<T>;
  }

  /** Rejects what is pending and what is to come. The first reason stays. */
  fail(reason: Error): void {
    this.#failure ??= reason;
    for (const waiting of this.#pending.values()) waiting.reject(this.#failure);
    this.#pending.clear();
  }

  close(): void {
    this.#port.close();
  }

  #onReply(reply: Reply): void {
    const waiting = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if ("error" in reply) waiting?.reject(fromThrown(reply.error));
    else waiting?.resolve(reply.value);
  }
}

function toThrown(error: unknown): Thrown {
  if (error instanceof StateMachineError) {
    return { kind: "state", data: { code: error.code, message: error.message } };
  }
  if (error instanceof ReplicationError) return { kind: "replication", data: toErrorData(error) };
  const message = error instanceof Error ? error.message : String(error);
  return { kind: "other", data: { code: "STORAGE_FAILED", message } };
}

function fromThrown({ kind, data }: Thrown): Error {
  if (kind === "replication") return fromErrorData(data as ErrorData);
  return new StateMachineError(data.code as StateMachineError["code"], data.message);
}
