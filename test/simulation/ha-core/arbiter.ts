import type { NodeId, Term } from "../../../pkg/base/index.js";
import type { ArbiterRequest } from "../../../pkg/replication/ha-standby/core/index.js";
import type { LeaseRecord } from "../../../pkg/replication/ports/index.js";

export interface Answer {
  readonly ok: boolean;
  readonly record: LeaseRecord;
}

/** The linearizable register that a witness or etcd is, on its own clock. */
export class SimArbiter {
  epoch = 0;
  holder: NodeId | null = null;
  inSync: readonly NodeId[] = [];
  /** Who held it before the newest grant. */
  before: NodeId | null = null;
  /** The newest grants answered an operator's order, and nobody has served since. */
  ordered = false;
  #endsAt = 0;
  #released = false;

  constructor(
    readonly now: () => number,
    /** How long a lease lasts by this clock, in true time. */
    readonly ttl: number,
  ) {}

  record(): LeaseRecord {
    const held = this.holder !== null && !this.#released && this.now() < this.#endsAt;
    return { epoch: this.epoch as Term, holder: this.holder, inSync: this.inSync, held };
  }

  /** Its process died and came back: a lease that was held counts as held for one more term. */
  restart(): void {
    if (!this.#released) this.#endsAt = this.now() + this.ttl;
  }

  handle(from: NodeId, request: ArbiterRequest): Answer {
    const ok = this.#decide(from, request);
    return { ok, record: this.record() };
  }

  #decide(from: NodeId, request: ArbiterRequest): boolean {
    if (request.op === "read") return true;
    if (request.op === "acquire") return this.#acquire(from, request);
    if (this.holder !== from || this.epoch !== request.epoch) return false;
    if (request.op === "release") {
      this.#released = true;
      return true;
    }
    if (this.#released) return false;
    if (request.op === "record") this.inSync = [...new Set([from, ...request.inSync])];
    else this.#endsAt = this.now() + this.ttl;
    return true;
  }

  #isAsReckoned(inSync: readonly NodeId[] = this.inSync): boolean {
    return [...inSync].sort().join() === [...this.inSync].sort().join();
  }

  #acquire(from: NodeId, request: Extract<ArbiterRequest, { op: "acquire" }>): boolean {
    if (this.record().held && this.holder !== from) return false;
    if (request.ifEpoch !== this.epoch) return false;
    if (!this.#isAsReckoned(request.ifInSync)) return false;
    if (this.epoch > 0 && !request.force && !this.inSync.includes(from)) return false;
    this.epoch = Math.max(this.epoch + 1, request.epoch);
    this.before = this.holder;
    this.holder = from;
    this.inSync = [...new Set([from, ...request.inSync])];
    this.#released = false;
    this.#endsAt = this.now() + this.ttl;
    return true;
  }
}
