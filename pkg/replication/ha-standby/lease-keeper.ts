import type { NodeId } from "../../base/index.js";
import type { Logger } from "../../runtime/index.js";
import { ReplicationError } from "../errors.js";
import type { Arbiter, LeaseAnswer, LeaseRecord } from "../ports/index.js";
import type { ArbiterRequest, HaInput } from "./core/effects.js";

export interface LeaseKeeperParts {
  readonly arbiter: Arbiter;
  readonly self: NodeId;
  /** The name under which the arbiter knows a node; undefined: it is not known yet. */
  nameOf(id: NodeId): NodeId | undefined;
  /** The node that has this name. */
  idOf(name: NodeId): NodeId;
  readonly ttlMs: number;
  readonly logger: Logger;
  input(input: HaInput): void;
}

/** Carries the core's requests to the arbiter; each has one answer, or none because it was lost. */
export class LeaseKeeper {
  readonly #parts: LeaseKeeperParts;
  readonly #pending = new Set<Promise<void>>();
  /** Under which name the arbiter's record has a node, whether that one was heard or not. */
  readonly #recorded = new Map<NodeId, NodeId>();
  #unwatch: (() => void) | undefined;
  /** Said once for each outage. */
  #unreachable = false;

  constructor(parts: LeaseKeeperParts) {
    this.#parts = parts;
  }

  watch(): void {
    const { arbiter, input } = this.#parts;
    this.#unwatch = arbiter.watch((record) =>
      input({ kind: "lease_seen", record: this.#known(record) }),
    );
  }

  ask(id: number, request: ArbiterRequest): void {
    const asked = this.#call(request).then(
      (answer) => {
        this.#reached();
        const { ok, record } = answer;
        this.#parts.input({ kind: "arbiter", id, answer: { ok, record: this.#known(record) } });
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
    const { arbiter, ttlMs } = this.#parts;
    const self = this.#name(this.#parts.self);
    switch (request.op) {
      case "read":
        return { ok: true, record: await arbiter.read() };
      case "acquire": {
        const { epoch, ifEpoch, force } = request;
        const ifInSync = request.ifInSync?.map((id) => this.#recorded.get(id) ?? this.#name(id));
        const inSync = request.inSync.map((id) => this.#name(id));
        return arbiter.acquire({ candidate: self, epoch, ifEpoch, ifInSync, inSync, ttlMs, force });
      }
      case "renew":
        return arbiter.renew({ holder: self, epoch: request.epoch, ttlMs });
      case "record": {
        const inSync = request.inSync.map((id) => this.#name(id));
        return arbiter.recordInSync({ holder: self, epoch: request.epoch, inSync });
      }
      default:
        return arbiter.release({ holder: self, epoch: request.epoch });
    }
  }

  #name(id: NodeId): NodeId {
    const name = this.#parts.nameOf(id);
    if (name !== undefined) return name;
    throw new ReplicationError("NO_STANDBY", `the name of ${id} is not known yet`);
  }

  #known(record: LeaseRecord): LeaseRecord {
    const { idOf } = this.#parts;
    const holder = record.holder === null ? null : idOf(record.holder);
    const inSync = record.inSync.map((name) => {
      const id = idOf(name);
      this.#recorded.set(id, name);
      return id;
    });
    return { ...record, holder, inSync };
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
