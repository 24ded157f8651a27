import { NO_POSITION, type Position, type RequestId } from "../../../pkg/base/index.js";
import { ReplicationError } from "../../../pkg/replication/index.js";
import { delay } from "../../../pkg/runtime/index.js";
import { encodeOperations, type Operation } from "../../../pkg/storage/index.js";
import type { SeededRandom, VirtualTime } from "../../support/index.js";
import { HistoryRecorder } from "../../support/linearizability/index.js";
import type { NodeProcess } from "./machine.js";
import type { StateChecker } from "./state-checker.js";
import type { Swarm } from "./swarm.js";
import type { Violations } from "./violation.js";

export interface SessionParts {
  readonly time: VirtualTime;
  readonly random: SeededRandom;
  readonly swarm: Swarm;
  readonly violations: Violations;
  readonly state: StateChecker;
  /** Nodes that a client can reach, running or about to. */
  readonly processes: () => readonly NodeProcess[];
}

/** What one request came to, over all its attempts. */
type Fate =
  | { readonly kind: "done"; readonly index: number; readonly value: unknown }
  | { readonly kind: "result"; readonly code: string }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "unknown"; readonly reason: string };

interface Failure {
  /** Empty: no answer of a node. */
  readonly code: string;
  readonly reason: string;
  /** The request may have taken effect, or may yet. */
  readonly maybe: boolean;
}

const ATTEMPTS_MAX = 5;
/** What the state machine says; all other codes come from the replication. */
const RESULTS: ReadonlySet<string> = new Set(["VERSION_MISMATCH", "NOT_FOUND"]);

/** Clients that write, compare-and-set, delete and read, try again elsewhere, and remember it all. */
export class Sessions {
  readonly history = new HistoryRecorder();
  readonly acknowledged = new Set<string>();
  readonly unknown = new Set<string>();
  readonly #parts: SessionParts;
  #over = false;
  #requests = 0;
  bookmarkReads = 0;
  retries = 0;
  readonly #running: Promise<void>[] = [];

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  start(): void {
    const { swarm } = this.#parts;
    for (let number = 1; number <= swarm.sessions; number += 1) {
      this.#running.push(this.#run(number));
    }
  }

  /** Resolves when every session has ended its last operation. */
  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#running);
  }

  async #run(number: number): Promise<void> {
    const { time, random, swarm } = this.#parts;
    const session = new Session(this, this.#parts, `c${number}`, random.fork(`session-${number}`));
    while (!this.#over) {
      await delay(time, random.below(swarm.thinkMsMax + 1));
      await session.operation();
    }
  }

  nextRequest(): string {
    this.#requests += 1;
    return `r${this.#requests}`;
  }

  /** One more write at the end, to see that the cluster takes it. */
  async probe(): Promise<boolean> {
    const session = new Session(this, this.#parts, "probe", this.#parts.random.fork("probe"));
    return session.write("probe");
  }
}

class Session {
  readonly #sessions: Sessions;
  readonly #parts: SessionParts;
  readonly #random: SeededRandom;
  #name: string;
  #renamed = 0;
  #bookmark: Position = NO_POSITION;
  /** Versions that this session has seen, by key. */
  readonly #seen = new Map<string, number>();

  constructor(sessions: Sessions, parts: SessionParts, name: string, random: SeededRandom) {
    this.#sessions = sessions;
    this.#parts = parts;
    this.#name = name;
    this.#random = random;
  }

  async operation(): Promise<void> {
    const random = this.#random;
    const key = `k${random.below(this.#parts.swarm.keys)}`;
    const kind = random.below(20);
    if (kind < 7) await this.write(key);
    else if (kind < 10) await this.#compareAndSet(key);
    else if (kind < 11) await this.#delete(key);
    else if (kind < 17) await this.#read(key, random.chance(1, 2) ? "LEADER" : "QUORUM");
    else await this.#readOwn();
  }

  /** @returns true when it was acknowledged */
  async write(key: string): Promise<boolean> {
    const request = this.#sessions.nextRequest();
    const pending = this.#sessions.history.write(this.#name, key, request);
    const fate = await this.#apply(request, [this.#put(key, request), this.#mark(request)]);
    if (fate.kind === "done") {
      pending.end({ kind: "done", version: this.#versionOf(fate.value) });
    } else if (fate.kind === "result") {
      this.#parts.violations.add(`write ${request} had the result ${fate.code}`);
      pending.end({ kind: "unknown", reason: fate.code });
    } else pending.end(fate);
    this.#forgetUnknown(fate);
    return fate.kind === "done";
  }

  async #compareAndSet(key: string): Promise<void> {
    const request = this.#sessions.nextRequest();
    const version = this.#seen.get(key);
    const expect = version === undefined ? { exists: this.#random.chance(1, 2) } : { version };
    const pending = this.#sessions.history.cas(this.#name, key, expect, request);
    const put = { ...this.#put(key, request), if: expect };
    const fate = await this.#apply(request, [put, this.#mark(request)]);
    this.#seen.delete(key);
    if (fate.kind === "done") {
      pending.end({ kind: "done", version: this.#versionOf(fate.value) });
    } else if (fate.kind === "result") pending.end({ kind: "mismatch" });
    else pending.end(fate);
    this.#forgetUnknown(fate);
  }

  async #delete(key: string): Promise<void> {
    const request = this.#sessions.nextRequest();
    const pending = this.#sessions.history.delete(this.#name, key);
    const fate = await this.#apply(request, [{ op: "delete_node", id: key }, this.#mark(request)]);
    if (fate.kind === "done") pending.end({ kind: "done", existed: true });
    else if (fate.kind === "result") pending.end({ kind: "done", existed: false });
    else pending.end(fate);
    this.#forgetUnknown(fate);
  }

  async #read(key: string, level: "LEADER" | "QUORUM"): Promise<void> {
    const pending = this.#sessions.history.read(this.#name, key);
    const found = await this.#ask(async ({ client, storage }) => {
      const position = await client.read(level);
      return storage?.memory.getNode(key, position);
    });
    if (found.kind === "failed") pending.end(found);
    else if (found.value === undefined) pending.end({ kind: "absent" });
    else {
      const { properties, version } = found.value;
      this.#seen.set(key, version);
      pending.end({ kind: "value", value: properties.value as string, version });
    }
  }

  /** At level ONE, on any node: the session's own writes must be there. */
  async #readOwn(): Promise<void> {
    const after = this.#bookmark;
    const own = this.#lastOwn;
    if (own === undefined) return;
    const found = await this.#ask(async ({ client, storage }) => {
      const position = await client.read("ONE", { after });
      return { position, node: await storage?.memory.getNode(own, position) };
    });
    if (found.kind === "failed") return;
    this.#sessions.bookmarkReads += 1;
    const { position, node } = found.value;
    const { violations } = this.#parts;
    if (position.index < after.index) violations.add(`${this.#name} read before its bookmark`);
    if (node === undefined) violations.add(`${this.#name} does not see its own write ${own}`);
    if (position.index > this.#bookmark.index) this.#bookmark = position;
  }

  #lastOwn: string | undefined;

  #put(key: string, value: string) {
    const ballast = "x".repeat(this.#random.below(this.#parts.swarm.ballastBytesMax + 1));
    return { op: "put_node", id: key, properties: { value, ballast } } as const;
  }

  /** Beside each change: shows at the end that it has happened. */
  #mark(request: string) {
    return { op: "put_node", id: `mark/${request}`, properties: {} } as const;
  }

  #versionOf(value: unknown): number {
    return (value as readonly { readonly version: number }[])[0]?.version ?? 0;
  }

  /** A client that does not know what became of its request goes on under another name. */
  #forgetUnknown(fate: Fate): void {
    if (fate.kind !== "unknown") return;
    this.#renamed += 1;
    this.#name = `${this.#name.split("/")[0]}/${this.#renamed}`;
  }

  async #apply(request: string, operations: readonly Operation[]): Promise<Fate> {
    const fate = await this.#attempts(request, operations);
    const { acknowledged, unknown } = this.#sessions;
    if (fate.kind === "done") {
      acknowledged.add(request);
      this.#lastOwn = `mark/${request}`;
      if (this.#parts.state.applied.get(request) === undefined) {
        this.#parts.violations.add(`${request} was acknowledged and nobody has applied it`);
      }
    } else if (fate.kind === "unknown") unknown.add(request);
    else if (fate.kind === "refused") {
      this.#parts.state.refused.set(request, fate.reason);
      const index = this.#parts.state.applied.get(request);
      if (index !== undefined) {
        this.#parts.violations.add(`${request} is at ${index} and was refused: ${fate.reason}`);
      }
    }
    return fate;
  }

  async #attempts(request: string, operations: readonly Operation[]): Promise<Fate> {
    const { swarm, time } = this.#parts;
    const command = { ...encodeOperations(operations), requestId: request as RequestId };
    const timeoutMs = this.#random.between(1, 4) * swarm.timing.electionMs;
    let maybe = false;
    let reason = "";
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
      if (attempt > 1) {
        this.#sessions.retries += 1;
        await delay(time, this.#random.below(swarm.timing.electionMs));
      }
      const answer = await this.#once(({ client }) => client.apply(command, { timeoutMs }));
      if ("value" in answer) {
        const { index, term, result } = answer.value;
        if (index > this.#bookmark.index) this.#bookmark = { index, term };
        return { kind: "done", index, value: result };
      }
      reason = answer.reason;
      if (RESULTS.has(answer.code)) return { kind: "result", code: answer.code };
      maybe ||= answer.maybe;
      if (!maybe && this.#random.chance(1, 3)) break;
      if (maybe && this.#random.chance(1, 10)) break;
    }
    return { kind: maybe ? "unknown" : "refused", reason };
  }

  async #ask<T>(
    question: (process: NodeProcess) => Promise<T>,
  ): Promise<{ kind: "failed"; reason: string } | { kind: "found"; value: T }> {
    const answer = await this.#once(question);
    if ("value" in answer) return { kind: "found", value: answer.value };
    return { kind: "failed", reason: answer.reason };
  }

  /** Asks one node. It may end, or stand still, before it answers. */
  async #once<T>(question: (process: NodeProcess) => Promise<T>): Promise<{ value: T } | Failure> {
    const { processes, time, swarm } = this.#parts;
    const running = processes();
    if (running.length === 0) return { code: "", reason: "nobody is there", maybe: false };
    const process = this.#random.pick(running);
    const lost = { code: "", reason: "it is gone", maybe: true };
    let cancel = () => {};
    const tooLong = new Promise<typeof lost>((resolve) => {
      cancel = time.after(10 * swarm.timing.electionMs, () => resolve(lost));
    });
    const asked = question(process).then(
      (value) => ({ value }),
      (error: unknown) => this.#toFailure(error),
    );
    const answer = await Promise.race([asked, tooLong, process.ended.promise.then(() => lost)]);
    cancel();
    return answer;
  }

  #toFailure(error: unknown): Failure {
    if (error instanceof ReplicationError) {
      const { code, message, outcome } = error;
      return { code, reason: `${code}: ${message}`, maybe: outcome === "unknown" };
    }
    this.#parts.violations.add(`a client saw ${String(error)}`);
    return { code: "", reason: String(error), maybe: true };
  }
}
