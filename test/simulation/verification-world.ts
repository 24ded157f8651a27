import { type JsonValue, type NodeId, toLogIndex, toTerm } from "../../pkg/base/index.js";
import type { ReplicationError } from "../../pkg/replication/index.js";
import type { Entry, PeerMessage } from "../../pkg/replication/ports/index.js";
import { Verification } from "../../pkg/replication/verification/index.js";
import { type Logger, noMetrics } from "../../pkg/runtime/index.js";
import { createMemoryStorage, type Operation, type Storage } from "../../pkg/storage/index.js";
import { Entries } from "../contract/entries.js";
import { type SeededRandom, SimDisk, seededRandom, VirtualTime } from "../support/index.js";

type TestStorage = Storage & { recomputeDigest(): unknown };

export interface WorldOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly intervalMs?: number;
  /** Questions and answers that get lost, in a hundred. */
  readonly lossPercent?: number;
  /** The storage of a node; memory without it. */
  readonly open?: (id: NodeId) => Promise<TestStorage>;
}

export interface LogLine {
  readonly node: NodeId;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

interface WorldNode {
  readonly id: NodeId;
  readonly storage: TestStorage;
  readonly verification: Verification;
  readonly disk: SimDisk;
  applied: number;
  applying: boolean;
  isDown: boolean;
  readonly tickets: Map<number, number>;
}

/**
 * One log that several nodes apply at their own pace, with the comparison of replicas on top: what
 * raft does is left out, so that nothing but the comparison is under test. A further storage applies
 * the same log and is never touched: it is what every replica must be like in the end.
 */
export class VerificationWorld {
  readonly time = new VirtualTime();
  readonly random: SeededRandom;
  readonly truth = createMemoryStorage();
  readonly nodes = new Map<NodeId, WorldNode>();
  readonly lines: LogLine[] = [];
  readonly log: Entry[] = [];
  readonly #options: WorldOptions;
  readonly #commands = new Entries();
  #truthAt = 0;
  #lossPercent: number;
  leader = "n1" as NodeId;

  private constructor(options: WorldOptions) {
    this.#options = options;
    this.#lossPercent = options.lossPercent ?? 0;
    this.random = seededRandom(options.seed);
  }

  static async make(options: WorldOptions): Promise<VerificationWorld> {
    const world = new VerificationWorld(options);
    for (let at = 1; at <= options.nodes; at += 1) await world.#add(`n${at}` as NodeId);
    return world;
  }

  async #add(id: NodeId): Promise<void> {
    const storage = (await this.#options.open?.(id)) ?? createMemoryStorage();
    const disk = new SimDisk({ time: this.time, random: this.random.fork(id) });
    const { intervalMs = 1_000 } = this.#options;
    const verification = new Verification(
      {
        stateMachine: storage,
        fileSystem: disk,
        directory: "/found",
        clock: this.time,
        timers: this.time,
        logger: this.#logger(id),
        metrics: noMetrics,
        intervalMs,
      },
      this.#host(id),
    );
    const node = { id, storage, verification, disk, applied: 0, applying: false, isDown: false };
    this.nodes.set(id, { ...node, tickets: new Map() });
    verification.start();
    const tick = () => {
      verification.tick();
      this.time.after(100, tick);
    };
    tick();
  }

  node(id: string): WorldNode {
    return this.nodes.get(id as NodeId) as WorldNode;
  }

  #logger(id: NodeId): Logger {
    const logger: Logger = {
      log: (_level, event, _text, fields) =>
        void this.lines.push({ node: id, event, fields: fields ?? {} }),
      child: () => logger,
    };
    return logger;
  }

  #host(id: NodeId): ConstructorParameters<typeof Verification>[1] {
    return {
      self: id,
      members: () => ({ voters: [...this.nodes.keys()], learners: [], joint: false }),
      leads: () => this.leader === id && !this.node(id).isDown,
      leader: () => this.leader,
      applied: () => toLogIndex(this.node(id).applied),
      propose: (proposals) => {
        for (const { ticket, payload } of proposals) {
          this.node(id).tickets.set(this.#append("marker", payload), ticket);
        }
      },
      connection: (to) => ({
        address: to,
        isConnected: () => true,
        close: async () => {},
        call: (message) => this.#call(id, to, message),
      }),
      sendCopy: async (to, copy) => {
        const chunks: Uint8Array[] = [];
        for await (const chunk of copy.chunks()) chunks.push(chunk);
        await copy.close();
        await this.#wait(this.random.between(1, 300));
        const { verification } = this.node(to);
        verification.takeArrived({
          index: copy.position.index,
          chunks: async function* () {
            yield* chunks;
          },
          done: async () => {},
        });
        await this.#wait(this.random.between(1, 300));
      },
      handOver: () => {
        const others = [...this.nodes.values()].filter((one) => one.id !== id && !one.isDown);
        this.leader = this.random.pick(others).id;
      },
      verifyAtLeader: (leader) => this.node(leader).verification.verify(),
      fail: (error) => {
        throw error;
      },
    };
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.time.after(ms, resolve));
  }

  /** Messages cross as text, so that no two nodes share an object. */
  async #call(from: NodeId, to: NodeId, message: PeerMessage): Promise<PeerMessage> {
    const lost = () => this.random.chance(this.#lossPercent, 100);
    await this.#wait(this.random.between(1, 4));
    if (lost() || this.node(to).isDown || this.node(from).isDown) throw new Error("lost");
    const answer = await this.node(to).verification.handle(copyOf(message));
    await this.#wait(this.random.between(1, 4));
    if (lost()) throw new Error("lost");
    return copyOf(answer);
  }

  write(operations: readonly Operation[]): void {
    this.#append("command", this.#commands.command(operations).payload);
  }

  #append(kind: Entry["kind"], payload: Uint8Array): number {
    const index = toLogIndex(this.log.length + 1);
    this.log.push({ index, term: toTerm(1), kind, payload });
    for (const node of this.nodes.values()) this.#applySoon(node);
    return index;
  }

  #applySoon(node: WorldNode): void {
    if (node.applying || node.isDown || node.applied >= this.log.length) return;
    node.applying = true;
    this.time.after(this.random.between(0, 20) / 10, () => void this.#apply(node));
  }

  async #apply(node: WorldNode): Promise<void> {
    const upTo = node.applied + this.random.between(1, 16);
    const ahead = this.log.slice(node.applied, upTo);
    const at = ahead.findIndex(({ kind }) => kind === "marker");
    const entries = at < 0 ? ahead : ahead.slice(0, at + 1);
    const last = entries.at(-1) as Entry;
    await node.storage.applyBatch(entries);
    if (last.kind === "marker") await node.verification.atMarker(last);
    node.applied = last.index;
    node.applying = false;
    const ticket = node.tickets.get(last.index);
    if (ticket !== undefined) {
      const result = { index: last.index, replayed: false, ok: true, value: null } as const;
      node.verification.answered({ ticket, result, term: 1, durability: "quorum" });
    }
    this.#applySoon(node);
  }

  /** Writes of all kinds to few keys, every few milliseconds, for so many milliseconds. */
  load(ms: number, keys = 30): void {
    const untilMs = this.time.monotonicMs() + ms;
    let value = 0;
    const next = () => {
      if (this.time.monotonicMs() >= untilMs) return;
      value += 1;
      const id = `k${this.random.below(keys)}`;
      const op = this.random.pick(["put", "put", "patch", "delete"]);
      if (op === "put") this.write([{ op: "put_node", id, labels: ["L"], properties: { value } }]);
      else if (op === "patch") this.write([{ op: "patch_node", id, properties: { [op]: value } }]);
      else this.write([{ op: "delete_node", id }]);
      this.time.after(this.random.between(1, 5), next);
    };
    next();
  }

  setDown(id: string, isDown: boolean): void {
    this.node(id).isDown = isDown;
    this.#applySoon(this.node(id));
  }

  loseNothing(): void {
    this.#lossPercent = 0;
  }

  /** All that is written is applied everywhere. */
  async settled(): Promise<void> {
    const done = () =>
      [...this.nodes.values()].every((node) => node.isDown || node.applied === this.log.length);
    await this.time.runUntil(done, { ticksMax: 200_000 });
    await this.truth.applyBatch(this.log.slice(this.#truthAt));
    this.#truthAt = this.log.length;
  }

  async verify(at: NodeId = this.leader): Promise<{ readonly [name: string]: JsonValue }> {
    const asked = this.node(at).verification.verify();
    return (await this.time.run(asked, { ticksMax: 500_000 })) as never;
  }

  /** What the nodes hold, and what they should. */
  async digests() {
    await this.settled();
    const right = await this.truth.digest();
    const found = [];
    for (const { id, storage, isDown } of this.nodes.values()) {
      if (isDown) continue;
      found.push({ id, kept: await storage.digest(), stored: await storage.recomputeDigest() });
    }
    return { right, found };
  }

  events(event: string): readonly LogLine[] {
    return this.lines.filter((line) => line.event === event);
  }

  refusal(id: string): ReplicationError | undefined {
    return this.node(id).verification.quarantine();
  }

  async close(): Promise<void> {
    for (const { storage } of this.nodes.values()) await storage.close();
  }
}

function copyOf(message: PeerMessage): PeerMessage {
  return JSON.parse(JSON.stringify(message)) as PeerMessage;
}
