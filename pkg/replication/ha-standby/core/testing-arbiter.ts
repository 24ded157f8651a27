import type { LogIndex, NodeId, Term } from "../../../base/index.js";
import type { LeaseRecord } from "../../ports/index.js";
import type { ArbiterRequest, HaInput } from "./effects.js";
import { isSameSet } from "./lease.js";
import type { HaTicks } from "./options.js";

export const at = (index: number) => index as LogIndex;
export const inEpoch = (epoch: number) => epoch as Term;
export const name = (id: string) => id as NodeId;

export const TICKS: HaTicks = {
  heartbeatTicks: 2,
  contactTicks: 5,
  lostTicks: 8,
  failoverTicks: 12,
  ttlTicks: 10,
  renewTicks: 3,
  driftTicks: 2,
  fenceTicks: 4,
  requestTicks: 5,
  switchoverTicks: 20,
  dampingTicks: 60,
  fallbackTicks: null,
};

/** How a request to the arbiter ends. */
export type Fate =
  /** It takes effect and is answered at once. */
  | "answered"
  /** It fails at once; nobody knows whether it took effect, and it did not. */
  | "failed"
  /** It takes effect, and the answer is lost. */
  | "unheard"
  /** Nobody hears of it; `arrive` lets it take effect later. */
  | "under way";

interface Asked {
  readonly from: NodeId;
  readonly id: number;
  readonly request: ArbiterRequest;
}

/** The register that a witness or etcd is. */
export class LabArbiter {
  epoch = 0;
  holder: NodeId | null = null;
  inSync: readonly NodeId[] = [];
  released = false;
  endsAt = 0;
  now = 0;
  fate: (from: NodeId, request: ArbiterRequest) => Fate = () => "answered";
  readonly asked: Asked[] = [];
  #late: Asked[] = [];

  record(): LeaseRecord {
    const held = this.holder !== null && !this.released && this.now < this.endsAt;
    return { epoch: inEpoch(this.epoch), holder: this.holder, inSync: this.inSync, held };
  }

  /** @returns the answer, null for none that says anything, undefined for none at all */
  ask(asked: Asked): Extract<HaInput, { kind: "arbiter" }>["answer"] | undefined {
    this.asked.push(asked);
    const fate = this.fate(asked.from, asked.request);
    if (fate === "failed") return null;
    if (fate === "under way") this.#late.push(asked);
    if (fate === "under way") return undefined;
    const ok = this.#decide(asked.from, asked.request);
    return fate === "unheard" ? undefined : { ok, record: this.record() };
  }

  /** What was under way takes effect now. */
  arrive(): void {
    for (const { from, request } of this.#late) this.#decide(from, request);
    this.#late = [];
  }

  requests(op: ArbiterRequest["op"]): Asked[] {
    return this.asked.filter(({ request }) => request.op === op);
  }

  #decide(from: NodeId, request: ArbiterRequest): boolean {
    if (request.op === "read") return true;
    if (request.op === "acquire") return this.#acquire(from, request);
    if (this.holder !== from || this.epoch !== request.epoch || this.released) return false;
    if (request.op === "release") this.released = true;
    else if (request.op === "record") this.inSync = [...new Set([from, ...request.inSync])];
    else this.endsAt = this.now + TICKS.ttlTicks;
    return true;
  }

  #acquire(from: NodeId, request: Extract<ArbiterRequest, { op: "acquire" }>): boolean {
    if (request.ifEpoch !== this.epoch) return false;
    if (request.ifInSync !== undefined && !isSameSet(request.ifInSync, this.inSync)) return false;
    if (this.record().held && this.holder !== from) return false;
    if (this.epoch > 0 && !request.force && !this.inSync.includes(from)) return false;
    this.epoch = Math.max(this.epoch + 1, request.epoch);
    this.holder = from;
    this.inSync = [...new Set([from, ...request.inSync])];
    this.released = false;
    this.endsAt = this.now + TICKS.ttlTicks;
    return true;
  }
}
