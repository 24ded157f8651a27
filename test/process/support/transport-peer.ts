import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { TlsOptions } from "../../../pkg/runtime/index.js";
import type { TransportOptions } from "../../../pkg/transport/index.js";

const SCRIPT = fileURLToPath(new URL("transport-peer.mjs", import.meta.url));

type Given = "nodeId" | "clusterId" | "secret" | "tls" | "insecure" | "legacyPeers" | "limits";
export type PeerOptions = { readonly [K in Given]?: TransportOptions[K] | string };

export interface Burst {
  readonly first?: number;
  readonly count: number;
  readonly inFlight: number;
  readonly size?: number;
  readonly waitMs?: number;
  readonly timeoutMs?: number;
  readonly priority?: "urgent" | "normal" | "bulk";
}

export interface BurstResult {
  readonly right: number;
  readonly wrong: number;
  /** How many calls failed, by code and reason. */
  readonly failed: Readonly<Record<string, number>>;
  readonly slowestMs: number;
  /** Of the last failure. */
  readonly message: string;
}

export interface PeerState {
  readonly rejected: Readonly<Record<string, number>>;
  readonly logged: string;
  readonly handled: number;
  readonly handledTwice: number;
  readonly unknown: number;
  readonly malformed: number;
  readonly pending: number;
  readonly inbound: number;
  readonly rssBytes: number;
}

/** A process of its own with one transport of the built package in it. */
export class TransportPeer {
  readonly process: ChildProcess;
  #port = 0;
  #nextId = 1;
  readonly #waiting = new Map<number, (reply: { value?: unknown; error?: string }) => void>();

  private constructor() {
    this.process = fork(SCRIPT, [], { serialization: "advanced" });
    this.process.on("message", (reply: { id: number; value?: unknown; error?: string }) => {
      this.#waiting.get(reply.id)?.(reply);
      this.#waiting.delete(reply.id);
    });
  }

  static async start(options: PeerOptions): Promise<TransportPeer> {
    const peer = new TransportPeer();
    peer.#port = (await peer.#ask("start", options)) as number;
    return peer;
  }

  get port(): number {
    return this.#port;
  }

  async #ask(command: string, argument?: unknown): Promise<unknown> {
    const id = this.#nextId++;
    const reply = await new Promise<{ value?: unknown; error?: string }>((resolve) => {
      this.#waiting.set(id, resolve);
      this.process.send({ id, command, argument });
    });
    if (reply.error !== undefined) throw new Error(reply.error);
    return reply.value;
  }

  async connect(port: number, id?: string, host = "127.0.0.1"): Promise<void> {
    await this.#ask("connect", { address: `${host}:${port}`, ...(id === undefined ? {} : { id }) });
  }

  burst(burst: Burst): Promise<BurstResult> {
    return this.#ask("burst", burst) as Promise<BurstResult>;
  }

  async untilConnected(): Promise<void> {
    await this.#ask("untilConnected");
  }

  async updateTls(tls: TlsOptions): Promise<void> {
    await this.#ask("updateTls", tls);
  }

  state(): Promise<PeerState> {
    return this.#ask("state") as Promise<PeerState>;
  }

  /** Ends the process through its transport's `close`; a process that stays is an error. */
  async close(): Promise<void> {
    if (this.process.exitCode !== null) return;
    const gone = once(this.process, "exit");
    await this.#ask("close");
    await gone;
  }
}
