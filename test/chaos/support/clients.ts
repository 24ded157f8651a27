import { setTimeout as sleep } from "node:timers/promises";
import { type SeededRandom, seededRandom } from "../../support/index.js";
import {
  type CheckReport,
  checkLinearizability,
  checkPresence,
  HistoryRecorder,
  type PresenceReport,
} from "../../support/linearizability/index.js";
import {
  type Receipt,
  readNodes,
  type StoredNode,
  sendRead,
  sendWrite,
  type WriteReply,
  type WriteRequest,
} from "./http-calls.js";
import type { RaftNode } from "./raft-cluster.js";

const PAUSE_MS = 10;
const ATTEMPTS_MAX = 8;
const KEYS = 40;
const ELEMENT = "Element";
const REGISTER = "Register";

export interface ClientsOptions {
  readonly clients: number;
  /** Where they go to; one that fails is left for the next. */
  readonly nodes: () => readonly RaftNode[];
  /** Of 100 calls; what is left adds elements to the set. */
  readonly mix?: { readonly write: number; readonly cas: number; readonly read: number };
  readonly keys?: number;
  readonly seed: number;
  /** Makes each element of the set that much larger. */
  readonly padBytes?: number;
  /** Each client waits so long between two calls. */
  readonly thinkMs?: number;
  /** A node that does not lead refuses a write, and does not send it on. */
  readonly redirect?: boolean;
  /** Each client waits so long after a call that failed. */
  readonly pauseMs?: number;
}

/** An acknowledgement; times by the monotonic clock. */
export interface Acknowledgement {
  readonly atMs: number;
  readonly term: number;
}

/** An acknowledged write and where its log entry is. */
export interface AcknowledgedWrite extends Acknowledgement, Receipt {
  readonly requestId: string;
  /** Who answered. */
  readonly node: string;
  /** When the answered attempt was sent. */
  readonly sentMs: number;
}

/**
 * Clients on all nodes at once. They read, write, compare and set and delete registers, whose
 * history is kept, and add elements to a set, whose acknowledged ones must be there in the end. A
 * write without a certain answer is tried again on other nodes under the same request id.
 */
export class Clients {
  readonly acknowledged = new Set<string>();
  readonly unknown = new Set<string>();
  readonly reasons = new Map<string, number>();
  lastAck: Acknowledgement = { atMs: 0, term: 0 };
  /** The longest time between two acknowledgements since it was last set to 0. */
  longestGapMs = 0;
  acks = 0;
  /** How long each acknowledged write took, from its first attempt; emptied by who looks at it. */
  latenciesMs: number[] = [];
  onAck: ((ack: Acknowledgement) => void) | undefined;
  /** Sees every acknowledged write. */
  onWrite: ((write: AcknowledgedWrite) => void) | undefined;
  #epoch: Epoch = { recorder: new HistoryRecorder(), number: 0 };
  readonly #options: ClientsOptions;
  readonly #mix: NonNullable<ClientsOptions["mix"]>;
  #isStopped = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: ClientsOptions) {
    this.#options = options;
    this.#mix = options.mix ?? { write: 25, cas: 15, read: 35 };
  }

  start(): void {
    const { clients, seed } = this.#options;
    this.lastAck = { atMs: performance.now(), term: 0 };
    const random = seededRandom(seed);
    this.#running = Promise.all(
      Array.from({ length: clients }, (_, at) => this.#run(at, random.fork(`client ${at}`))),
    );
  }

  /** Resolves when no call is under way any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  /** New keys from now on; the old ones' history once their last calls have ended. */
  async nextEpoch(waitMs = 30_000): Promise<CheckReport> {
    const recorder = this.#startEpoch();
    const untilMs = performance.now() + waitMs;
    while (recorder.open > 0 && performance.now() < untilMs) await sleep(PAUSE_MS);
    return checkLinearizability(recorder.history());
  }

  /** New keys from now on; the old ones' history up to this very moment, checked when asked to. */
  cutEpoch(): () => CheckReport {
    const history = this.#startEpoch().history();
    return () => checkLinearizability(history);
  }

  #startEpoch(): HistoryRecorder {
    const { recorder, number } = this.#epoch;
    this.#epoch = { recorder: new HistoryRecorder(), number: number + 1 };
    return recorder;
  }

  /** The node lost what was acknowledged under these ids: it must not be there any more. */
  forget(requestIds: Iterable<string>): void {
    for (const id of requestIds) this.acknowledged.delete(id);
  }

  /** What a node holds: whether the set is right, and all of it as one text to compare. */
  async look(node: RaftNode): Promise<{ readonly set: PresenceReport; readonly all: string }> {
    const elements = await readNodes(node.pool, ELEMENT);
    const registers = await readNodes(node.pool, REGISTER);
    const { acknowledged, unknown } = this;
    const set = checkPresence({ acknowledged, unknown, found: elements.map(({ id }) => id) });
    const all = JSON.stringify([elements, registers].map((nodes) => nodes.map(briefly)));
    return { set, all };
  }

  /** Resolves with the first acknowledgement of a write that was logged in a later term. */
  ackAfterTerm(term: number, withinMs = 60_000): Promise<Acknowledgement> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`no write was acknowledged after term ${term}`)),
        withinMs,
      );
      this.onAck = (ack) => {
        if (ack.term <= term) return;
        clearTimeout(late);
        this.onAck = undefined;
        resolve(ack);
      };
    });
  }

  async #run(at: number, random: SeededRandom): Promise<void> {
    const client = new Client(`${this.#options.seed}.${at}`, at, random);
    while (!this.#isStopped) {
      const kind = random.below(100);
      const { write, cas, read } = this.#mix;
      if (kind < write) await this.#write(client);
      else if (kind < write + cas) await this.#cas(client);
      else if (kind < write + cas + read) await this.#read(client, this.#register(client));
      else await this.#add(client);
      const { thinkMs } = this.#options;
      if (thinkMs !== undefined) await sleep(thinkMs);
    }
  }

  #register({ random }: Client): Register {
    const { recorder, number } = this.#epoch;
    const { keys = KEYS, seed } = this.#options;
    return { recorder, key: `k${seed}-${number}-${random.below(keys)}` };
  }

  async #read(client: Client, { recorder, key }: Register) {
    const level = client.random.below(2) === 0 ? "LEADER" : "QUORUM";
    const pending = recorder.read(client.name, key);
    const reply = await sendRead(client.node(this.#options.nodes()).pool, key, level);
    if (reply.kind === "failed") {
      await this.#failed(client, `read ${reply.reason}`);
      pending.end(reply);
    } else pending.end(reply);
    return reply;
  }

  async #write(client: Client): Promise<void> {
    const { recorder, key } = this.#register(client);
    const isDelete = client.random.below(10) === 0;
    const value = client.nextId();
    const common = { id: key, requestId: value };
    if (isDelete) {
      const pending = recorder.delete(client.name, key);
      const reply = await this.#change(client, { ...common, method: "DELETE" });
      if (reply.kind === "done") pending.end({ ...done(reply), existed: true });
      else if (reply.kind === "absent") pending.end({ kind: "done", existed: false });
      else pending.end(toFailure(reply));
      client.ended(reply);
      return;
    }
    const body = { labels: [REGISTER], properties: { value } };
    const pending = recorder.write(client.name, key, value);
    const reply = await this.#change(client, { ...common, method: "PUT", body });
    pending.end(reply.kind === "done" ? done(reply) : toFailure(reply));
    client.ended(reply);
  }

  async #cas(client: Client): Promise<void> {
    const register = this.#register(client);
    const seen = await this.#read(client, register);
    const { recorder, key } = register;
    if (seen.kind === "failed") return;
    const value = client.nextId();
    const isThere = seen.kind === "value";
    const headers: Record<string, string> = isThere
      ? { "if-match": `"${seen.version}"` }
      : { "if-none-match": "*" };
    const expect = isThere ? { version: seen.version } : { exists: false };
    const pending = recorder.cas(client.name, key, expect, value);
    const body = { labels: [REGISTER], properties: { value } };
    const write = { method: "PUT", id: key, requestId: value, headers, body } as const;
    const reply = await this.#change(client, write);
    if (reply.kind === "done") pending.end(done(reply));
    else if (reply.kind === "mismatch" || reply.kind === "absent") {
      pending.end({ kind: "mismatch" });
    } else pending.end(toFailure(reply));
    client.ended(reply);
  }

  async #add(client: Client): Promise<void> {
    const id = client.nextId();
    this.unknown.add(id);
    const pad = "x".repeat(this.#options.padBytes ?? 0);
    const body = { labels: [ELEMENT], properties: { value: id, pad } };
    const reply = await this.#change(client, { method: "PUT", id, requestId: id, body });
    if (reply.kind === "done") this.acknowledged.add(id);
    if (reply.kind !== "unknown") this.unknown.delete(id);
    client.ended(reply);
  }

  /** Once one attempt may have been logged, only a certain answer ends the doubt. */
  async #change(client: Client, write: WriteRequest): Promise<WriteReply> {
    const { redirect = false } = this.#options;
    const givesUp = client.random.below(4) === 0;
    const startMs = performance.now();
    for (let attempt = 1; ; attempt += 1) {
      const node = client.node(this.#options.nodes());
      const sentMs = performance.now();
      const reply = await sendWrite(node.pool, { ...write, redirect });
      if (reply.kind !== "refused" && reply.kind !== "unknown") {
        if (reply.kind !== "done") return reply;
        const atMs = this.#acknowledge(reply.receipt.term, startMs);
        const { requestId } = write;
        this.onWrite?.({ ...reply.receipt, requestId, node: node.id, sentMs, atMs });
        return reply;
      }
      if (reply.kind === "unknown") client.isInDoubt = true;
      await this.#failed(client, `${reply.kind} ${reply.reason}`);
      const goesOn = client.isInDoubt && !givesUp && attempt < ATTEMPTS_MAX && !this.#isStopped;
      if (!goesOn) return { kind: client.isInDoubt ? "unknown" : "refused", reason: reply.reason };
    }
  }

  #acknowledge(term: number, startMs: number): number {
    const ack = { atMs: performance.now(), term };
    this.latenciesMs.push(ack.atMs - startMs);
    this.longestGapMs = Math.max(this.longestGapMs, ack.atMs - this.lastAck.atMs);
    this.lastAck = ack;
    this.acks += 1;
    this.onAck?.(ack);
    return ack.atMs;
  }

  async #failed(client: Client, reason: string): Promise<void> {
    this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1);
    client.moveOn();
    await sleep(this.#options.pauseMs ?? PAUSE_MS);
  }
}

/** Calls that are checked together, on keys of their own. */
interface Epoch {
  readonly recorder: HistoryRecorder;
  readonly number: number;
}

interface Register {
  readonly recorder: HistoryRecorder;
  readonly key: string;
}

function briefly({ id, version }: StoredNode): string {
  return `${id} ${version}`;
}

class Client {
  isInDoubt = false;
  #place: number;
  #lives = 0;
  #calls = 0;
  readonly #id: string;
  readonly random: SeededRandom;

  constructor(id: string, at: number, random: SeededRandom) {
    this.#id = id;
    this.#place = at;
    this.random = random;
  }

  /** Its next call is another client's where its last one may still be under way. */
  get name(): string {
    return `c${this.#id}.${this.#lives}`;
  }

  nextId(): string {
    this.#calls += 1;
    return `c${this.#id}-${this.#calls}`;
  }

  node(nodes: readonly RaftNode[]): RaftNode {
    return nodes[this.#place % nodes.length] as RaftNode;
  }

  moveOn(): void {
    this.#place += 1;
  }

  ended(reply: WriteReply): void {
    if (reply.kind === "unknown") this.#lives += 1;
    this.isInDoubt = false;
  }
}

function done({ version }: { readonly version: number | undefined }) {
  return { kind: "done", version } as const;
}

function toFailure(reply: WriteReply) {
  if (reply.kind === "refused" || reply.kind === "unknown") return reply;
  throw new Error(`an unconditional write was answered with ${reply.kind}`);
}
