import type { NodeId } from "../../base/index.js";
import type { Logger } from "../../runtime/index.js";
import type { Arbiter, LeaseAnswer } from "../ports/index.js";
import type { ArbiterRequest, HaInput } from "./core/effects.js";

export interface LeaseKeeperParts {
  readonly arbiter: Arbiter;
  readonly self: NodeId;
  readonly ttlMs: number;
  readonly logger: Logger;
  input(input: HaInput): void;
}

/** Carries the core's requests to the arbiter; each has one answer, or none because it was lost. */
export class LeaseKeeper {
  readonly #parts: LeaseKeeperParts;
  readonly #pending = new Set<Promise<void>>();
  #unwatch: (() => void) | undefined;
  /** Said once for each outage. */
  #unreachable = false;

  constructor(parts: LeaseKeeperParts) {
    this.#parts = parts;
  }

  watch(): void {
    const { arbiter, input } = this.#parts;
    this.#unwatch = arbiter.watch((record) => input({ kind: "lease_seen", record }));
  }

  ask(id: number, request: ArbiterRequest): void {
    const asked = this.#call(request).then(
      (answer) => {
        this.#reached();
        this.#parts.input({ kind: "arbiter", id, answer });
      },
      (error: unknown) => {
        this.#lost(error);
        this.#parts.input({ kind: "arbiter", id, answer: null });
      },
    );
    this.#pending.add(asked);
    void asked.finally(() => this.#pending.delete(asked));
  }

  /** What is under way ends first: a release, say. */
  async close(): Promise<void> {
    this.#unwatch?.();
    await Promise.allSettled([...this.#pending]);
    await this.#parts.arbiter.close();
  }

  async #call(request: ArbiterRequest): Promise<LeaseAnswer> {
    const { arbiter, self, ttlMs } = this.#parts;
    switch (request.op) {
      case "read":
        return { ok: true, record: await arbiter.read() };
      case "acquire": {
        const { epoch, inSync, force } = request;
        return arbiter.acquire({ candidate: self, epoch, inSync, ttlMs, force });
      }
      case "renew":
        return arbiter.renew({ holder: self, epoch: request.epoch, ttlMs });
      case "record": {
        const { epoch, inSync } = request;
        return arbiter.recordInSync({ holder: self, epoch, inSync });
      }
      default:
        return arbiter.release({ holder: self, epoch: request.epoch });
    }
  }

  #reached(): void {
    if (!this.#unreachable) return;
    this.#unreachable = false;
    this.#parts.logger.log("info", "arbiter_back", "[failover] The arbiter answers again");
  }

  #lost(error: unknown): void {
    if (this.#unreachable) return;
    this.#unreachable = true;
    const reason = error instanceof Error ? error.message : String(error);
    const text = "[failover] The arbiter does not answer";
    this.#parts.logger.log("warn", "arbiter_lost", text, { reason });
  }
}
