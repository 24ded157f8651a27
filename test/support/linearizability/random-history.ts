import type { SeededRandom } from "../seeded-random.js";
import type { Expectation, Operation, Value } from "./operation.js";

export interface RandomHistoryOptions {
  readonly operations: number;
  readonly keys: number;
  readonly clients: number;
  /** Written values are drawn from so few; 0: every written value is new. */
  readonly values: number;
  /** How many in a hundred end with an unknown outcome; half of these took effect, at any time. */
  readonly unknownPercent: number;
  /** How many in a hundred answers tell the version. */
  readonly versionPercent: number;
  /** Weights of read, write, compare-and-set and delete. */
  readonly mix: readonly [number, number, number, number];
}

interface Cell {
  value: Value | null;
  version: number;
}

/** A request under way at the true register. */
interface Request {
  readonly operation: Operation;
  readonly key: string;
  /** Not yet taken effect. */
  isOpen: boolean;
  isUnknown: boolean;
}

/**
 * What clients of a correct register would see: each request takes effect at one random moment
 * between its start and its end, or, when the client gave up, at some later one or never.
 */
export function randomHistory(random: SeededRandom, options: RandomHistoryOptions): Operation[] {
  return new RandomRegister(random, options).play();
}

class RandomRegister {
  readonly #random: SeededRandom;
  readonly #options: RandomHistoryOptions;
  readonly #cells = new Map<string, Cell>();
  readonly #history: Operation[] = [];
  /** By client. */
  readonly #requests: (Request | undefined)[];
  readonly #abandoned: Request[] = [];
  #version = 0;
  #now = 0;
  #written = 0;
  #started = 0;

  constructor(random: SeededRandom, options: RandomHistoryOptions) {
    this.#random = random;
    this.#options = options;
    this.#requests = new Array<Request | undefined>(options.clients).fill(undefined);
  }

  play(): Operation[] {
    const { operations, clients } = this.#options;
    while (this.#started < operations || this.#requests.some((request) => request !== undefined)) {
      this.#now += 1;
      const client = this.#random.below(clients);
      const request = this.#requests[client];
      if (request === undefined) this.#start(client);
      else if (request.isOpen && !request.isUnknown) this.#takeEffect(request);
      else this.#finish(client, request);
      if (this.#abandoned.length > 0 && this.#random.chance(1, 8)) {
        const late = this.#abandoned.splice(this.#random.below(this.#abandoned.length), 1)[0];
        if (late !== undefined && this.#random.chance(1, 2)) this.#takeEffect(late);
      }
    }
    return this.#history;
  }

  #start(client: number): void {
    if (this.#started === this.#options.operations) return;
    this.#started += 1;
    const operation = this.#newOperation(
      `c${client}`,
      `k${this.#random.below(this.#options.keys)}`,
    );
    this.#requests[client] = {
      operation,
      key: operation.key,
      isOpen: true,
      isUnknown: this.#random.chance(this.#options.unknownPercent, 100),
    };
  }

  #finish(client: number, request: Request): void {
    this.#requests[client] = undefined;
    const operation = answered(request.operation, this.#now);
    if (!request.isUnknown) {
      this.#history.push(operation);
      return;
    }
    this.#history.push(unanswered(operation));
    this.#abandoned.push(request);
  }

  #newOperation(client: string, key: string): Operation {
    const timed = { client, key, invokedAt: this.#now, returnedAt: this.#now };
    const [read, write, cas, remove] = this.#options.mix;
    const drawn = this.#random.below(read + write + cas + remove);
    if (drawn < read) return { call: "read", ...timed, outcome: { kind: "absent" } };
    if (drawn >= read + write + cas) return { call: "delete", ...timed, outcome: { kind: "done" } };
    const value = this.#newValue();
    if (drawn < read + write) return { call: "write", ...timed, value, outcome: { kind: "done" } };
    const expect = this.#expectation(this.#cell(key));
    const isDelete = this.#random.chance(1, 6);
    return {
      call: "cas",
      ...timed,
      expect,
      value: isDelete ? null : value,
      outcome: { kind: "done" },
    };
  }

  #newValue(): Value {
    this.#written += 1;
    const { values } = this.#options;
    return values === 0 ? `v${this.#written}` : this.#random.below(values);
  }

  /** Mostly one that holds now; it may not hold any more when the request takes effect. */
  #expectation(cell: Cell): Expectation {
    const { value, version } = cell;
    const isRight = this.#random.chance(4, 5);
    if (value === null) return isRight ? { exists: false } : { exists: true };
    switch (this.#random.below(3)) {
      case 0:
        return { exists: isRight };
      case 1:
        return { version: isRight ? version : version + 1 + this.#random.below(3) };
      default:
        return { value: isRight ? value : this.#random.below(Math.max(this.#options.values, 1)) };
    }
  }

  #takeEffect(request: Request): void {
    request.isOpen = false;
    const { operation } = request;
    const cell = this.#cell(request.key);
    const mutable = operation as { outcome: Operation["outcome"] };
    const told = this.#random.chance(this.#options.versionPercent, 100);
    if (operation.call === "read") {
      const { value, version } = cell;
      if (value !== null) mutable.outcome = { kind: "value", value, ...(told ? { version } : {}) };
      return;
    }
    if (operation.call === "cas" && !holds(operation.expect, cell)) {
      mutable.outcome = { kind: "mismatch" };
      return;
    }
    const existed = cell.value !== null;
    this.#version += 1 + this.#random.below(2);
    cell.version = this.#version;
    cell.value = operation.call === "delete" ? null : operation.value;
    mutable.outcome = {
      kind: "done",
      ...(told ? { version: cell.version } : {}),
      ...(operation.call === "delete" && this.#random.chance(1, 2) ? { existed } : {}),
    };
  }

  #cell(key: string): Cell {
    const known = this.#cells.get(key);
    if (known !== undefined) return known;
    const cell = { value: null, version: 0 };
    this.#cells.set(key, cell);
    return cell;
  }
}

function holds(expect: Expectation, { value, version }: Cell): boolean {
  if ("value" in expect) return value === expect.value;
  if ("version" in expect) return value !== null && version === expect.version;
  return expect.exists === (value !== null);
}

function answered(operation: Operation, returnedAt: number): Operation {
  return { ...operation, returnedAt };
}

function unanswered(operation: Operation): Operation {
  if (operation.call === "read")
    return { ...operation, outcome: { kind: "failed", reason: "timeout" } };
  return { ...operation, outcome: { kind: "unknown", reason: "timeout" } };
}

/** The same history with one thing changed, which may or may not leave it explainable. */
export function mutateHistory(random: SeededRandom, history: readonly Operation[]): Operation[] {
  const at = random.below(history.length);
  const other = history[random.below(history.length)] as Operation;
  const changed = history[at] as Operation;
  return history.map((operation, i) => (i === at ? mutate(random, changed, other) : operation));
}

function mutate(random: SeededRandom, operation: Operation, other: Operation): Operation {
  const { invokedAt, returnedAt, outcome } = operation;
  switch (random.below(4)) {
    case 0: {
      const shift = random.between(1, 12);
      return { ...operation, invokedAt: invokedAt + shift, returnedAt: returnedAt + shift };
    }
    case 1: {
      const shift = Math.min(random.between(1, 12), invokedAt);
      return { ...operation, invokedAt: invokedAt - shift, returnedAt: returnedAt - shift };
    }
    case 2:
      if (operation.call !== "read") break;
      if (other.call === "read") return { ...operation, outcome: other.outcome };
      if (!("value" in other) || other.value === null) break;
      return { ...operation, outcome: { kind: "value", value: other.value } };
    default:
      if (operation.call !== "cas") break;
      if (outcome.kind === "done") return { ...operation, outcome: { kind: "mismatch" } };
      return { ...operation, outcome: { kind: "done" } };
  }
  if ("version" in outcome && outcome.version !== undefined) {
    const version = Math.max(1, outcome.version + random.between(-2, 2));
    return { ...operation, outcome: { ...outcome, version } } as Operation;
  }
  return { ...operation, returnedAt: Math.max(invokedAt, returnedAt - random.between(1, 6)) };
}

/**
 * Calls and answers drawn without any register behind them, close together in time: most such
 * histories are nobody's, and those that have an order have a strange one.
 */
export function wildHistory(random: SeededRandom, operations: number): Operation[] {
  const isVersioned = random.chance(1, 2);
  const unknownPercent = random.pick([10, 40, 70]);
  return Array.from({ length: operations }, (_, i) => {
    const invokedAt = random.below(2 * operations);
    const returnedAt = invokedAt + random.below(operations);
    const timed = { key: "k", client: `c${i}`, invokedAt, returnedAt };
    const version = isVersioned && random.chance(1, 2) ? { version: random.between(1, 6) } : {};
    const value = random.below(3);
    if (random.chance(2, 5)) {
      if (random.chance(1, 3)) return { call: "read", ...timed, outcome: { kind: "absent" } };
      return { call: "read", ...timed, outcome: { kind: "value", value, ...version } };
    }
    const unknown = { kind: "unknown", reason: "timeout" } as const;
    const isUnknown = random.chance(unknownPercent, 100);
    const done = isUnknown ? unknown : ({ kind: "done", ...version } as const);
    switch (random.below(3)) {
      case 0:
        return { call: "write", ...timed, value, outcome: done };
      case 1:
        return { call: "delete", ...timed, outcome: done };
      default: {
        const expect = random.pick<Expectation>([
          { value: random.below(3) },
          { exists: random.chance(1, 2) },
          { version: random.between(1, 6) },
        ]);
        const outcome = random.chance(1, 2) ? done : ({ kind: "mismatch" } as const);
        return {
          call: "cas",
          ...timed,
          expect,
          value: random.chance(1, 6) ? null : value,
          outcome,
        };
      }
    }
  });
}
