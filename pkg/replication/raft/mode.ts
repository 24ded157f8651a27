import type { JsonValue, LogIndex, NodeId, Position } from "../../base/index.js";
import type { Cancel, LogLevel } from "../../runtime/index.js";
import type { Answer } from "../driver/driver.js";
import type { Proposal } from "../driver/effects.js";
import type { Mode, ModeHealth, ModeHost, Order } from "../driver/mode.js";
import { TickClock } from "../driver/tick-clock.js";
import { ReplicationError } from "../errors.js";
import { type Entry, MessageType, type PeerMessage } from "../ports/index.js";
import type { ReadLevel } from "../replicator.js";
import { VERIFY_LIMITS, type Verification } from "../verification/index.js";
import { READ_HERE } from "./all-reads.js";
import { CommitTimes } from "./commit-times.js";
import type { RaftEffect, RaftInput } from "./core/effects.js";
import { type ConfigEntry, type Membership, memberIds } from "./core/membership.js";
import type { RaftState } from "./core/state.js";
import type { RaftCore } from "./core/step.js";
import { KeptMembers } from "./kept-members.js";
import { membersEvent, modeHealth, silentMs } from "./mode-health.js";
import type { RaftModeParts } from "./mode-parts.js";
import { noLeader } from "./no-leader.js";
import { NOTES } from "./notes.js";
import { RaftOrders } from "./orders.js";
import { RaftPeers } from "./peers.js";
import { RaftWrites } from "./raft-writes.js";
import { ReadLevels } from "./read-levels.js";
import { recoveredInput } from "./recovered.js";
import { sendEntries } from "./send-entries.js";
import type { RaftSnapshots } from "./snapshots.js";
import { verificationHost } from "./verifying.js";
import { Whereabouts } from "./whereabouts.js";

type SharedKind = "persist" | "apply" | "answer" | "refuse" | "note";
/** The effects that the shared driver does not know. */
export type RaftOwnEffect = Exclude<RaftEffect, { readonly kind: SharedKind }>;

const VERIFY = "verify";
/** Longest wait for a leader that compares everything and sees repairs through, in milliseconds. */
const VERIFY_ORDER_MS = 2 * VERIFY_LIMITS.answerMsMax;
/** Longest wait for a member that is asked where it serves, in milliseconds. */
const FRONT_ENDS_CALL_MS = 1_000;
/** Snapshots are looked after this often, in milliseconds. */
const SNAPSHOT_TICK_MS = 100;

/** Raft bound to a node: ticks, peers, snapshots, and the ways of writes, reads and orders. */
export class RaftMode implements Mode<RaftState, RaftInput, RaftOwnEffect> {
  readonly core: RaftCore;
  readonly #parts: RaftModeParts;
  readonly #peers: RaftPeers;
  readonly #reads: ReadLevels;
  readonly #writes: RaftWrites;
  readonly #commitTimes = new CommitTimes();
  readonly #orders: RaftOrders;
  readonly #whereabouts: Whereabouts;
  readonly #verification: Verification;
  #host: ModeHost<RaftState, RaftInput> | undefined;
  #snapshots: RaftSnapshots | undefined;
  #configs: readonly ConfigEntry[] | undefined;
  readonly #keptMembers: KeptMembers;
  #leader: NodeId | null = null;
  readonly #ticks: TickClock;
  #snapshotTickMs: number;
  #ticking: Cancel | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: RaftModeParts) {
    const { clock, timing, own } = parts;
    this.core = parts.core;
    this.#parts = parts;
    this.#keptMembers = new KeptMembers(parts.members, parts.log);
    this.#ticks = new TickClock({ clock, ...timing });
    this.#snapshotTickMs = clock.monotonicMs();
    this.#peers = this.#openPeers();
    const looking = {
      clock,
      patienceMs: timing.patienceMs,
      self: own.id,
      leader: () => this.#leader,
      noLeader: () => this.#noLeader(),
    };
    const order = (node: NodeId, order: Order) => this.#orders.at(node, order);
    const membership = () => this.#membership();
    this.#writes = new RaftWrites({
      ...looking,
      log: parts.log,
      keysOf: parts.keysOf,
      outageMs: timing.outageMs,
      retryMs: timing.retryMs,
      state: () => this.#bound().state(),
      silentMs: () => timing.tickMs * this.core.view(this.#bound().state()).silentTicks,
      propose: (proposals) => this.#input({ kind: "propose", proposals }),
      answer: (answers) => this.#bound().answer(this.answered(answers)),
      settle: (answers) => this.#bound().answer(answers),
      call: (to, message, timeoutMs) => this.#call(to, message, timeoutMs),
    });
    this.#reads = new ReadLevels({
      ...looking,
      ask: (ticket, level) => this.#input({ kind: "read", ticket, level }),
      blockedBy: (key) => this.#writes.blockedBy(key),
      applied: () => this.#bound().applied().index,
      position: () => this.#bound().applied(),
      settle: (ticket, outcome) => this.#bound().settleRead(ticket, outcome),
      membership,
      quarantine: () => this.#verification.quarantine(),
      order,
    });
    this.#orders = new RaftOrders({
      self: own.id,
      leader: () => this.#leader,
      input: (input) => this.#input(input),
      forward: (leader, message, action) => this.#call(leader, message, this.#orderMs(action)),
      work: (order) => this.#workOf(order),
      tell: (action) => this.#whereabouts.tell(action),
      settle: (ticket, outcome) => this.#bound().settleOrder(ticket, outcome),
    });
    this.#whereabouts = new Whereabouts({
      self: own,
      membership,
      health: () => this.#bound().health(),
      call: (to, message) => this.#call(to, message, FRONT_ENDS_CALL_MS),
      order,
    });
    this.#verification = this.#openVerification();
  }

  #openPeers(): RaftPeers {
    const { transport, own, clock, timing } = this.#parts;
    return new RaftPeers({
      transport,
      own,
      clock,
      callTimeoutMs: timing.callTimeoutMs,
      onMessage: (from, body) => this.#input({ kind: "message", from, body }),
      onUnreachable: (peer) => this.#input({ kind: "unreachable", peer }),
      onRequest: (from, message) => this.#onRequest(from, message),
    });
  }

  #openVerification(): Verification {
    return this.#parts.openVerification(
      verificationHost({
        self: this.#parts.own.id,
        host: () => this.#bound(),
        membership: () => this.#membership(),
        leader: () => this.#leader,
        input: (input) => this.#input(input),
        connection: (id) => this.#peers.connection(id),
        snapshots: () => this.#snapshots,
        order: (node, order) => this.#orders.at(node, order),
      }),
    );
  }

  bind(host: ModeHost<RaftState, RaftInput>): void {
    this.#host = host;
  }

  recovered(applied: Position): RaftInput {
    return recoveredInput(this.#parts.log, this.#parts.kept, applied);
  }

  async started(): Promise<void> {
    const host = this.#bound();
    this.#snapshots = await this.#parts.openSnapshots({
      input: (input) => this.#input(input),
      term: () => host.state().hard.term,
      applied: () => host.applied(),
      configs: () => host.state().configs,
      connection: (id) => this.#peers.connection(id),
      restored: (position) => host.restored(position),
      exclusively: (body) => host.exclusively(body),
      fail: (error) => host.fail(error),
      takeForced: (copy) => this.#verification.takeArrived(copy),
    });
    await this.#peers.listen();
    this.#verification.start();
    this.#ticks.restart();
    this.#follow();
    this.#snapshots.start();
    this.#tickSoon();
  }

  carryOut(effect: RaftOwnEffect): void {
    switch (effect.kind) {
      case "send":
        this.#peers.send(effect.to, effect.body);
        return;
      case "send_entries":
        this.#bound().input(sendEntries(effect, this.#parts.log, this.#peers));
        return;
      case "send_snapshot":
        void this.#snapshots?.send(effect.to, effect.term);
        return;
      case "install":
        void this.#snapshots?.install(effect.position, effect.config, effect.keepTail);
        return;
      case "discard_snapshot":
        this.#snapshots?.discard(effect.position);
        return;
      case "read_ready":
        this.#reads.ready(effect.ticket, effect.index, this.#bound().view().term);
        return;
      default:
        this.#orders.done(effect.ticket, effect.index, effect.term);
    }
  }

  propose(proposals: readonly Proposal[]): void {
    this.#writes.submit(proposals);
  }

  atMarker(marker: Entry): Promise<void> {
    return this.#verification.atMarker(marker);
  }

  answered(answers: readonly Answer[]): readonly Answer[] {
    return this.#writes.answered(answers, (answer) => {
      if (this.#verification.answered(answer)) return true;
      if (!("refused" in answer)) return false;
      return (
        this.#reads.refused(answer.ticket, answer.refused) ||
        this.#orders.refused(answer.ticket, answer.refused)
      );
    });
  }

  read(ticket: number, level: ReadLevel, key?: string): void {
    this.#reads.begin(ticket, level, key);
  }

  stepped(): void {
    this.#reads.release();
    this.#writes.release();
  }

  order(ticket: number, order: Order): void {
    if (order.action !== "front ends") {
      this.#orders.begin(ticket, order);
      return;
    }
    const settle = (outcome: JsonValue) => this.#bound().settleOrder(ticket, outcome);
    void this.#whereabouts.frontEnds(order.args).then(settle);
  }

  /** What each other member answers to an order for itself. */
  askMembers(order: Order) {
    return this.#orders.atOthers(memberIds(this.#membership()), order);
  }

  #workOf(order: Order): (() => Promise<JsonValue>) | undefined {
    if (order.action === READ_HERE) return () => this.#reads.here();
    if (order.action === VERIFY) return () => this.#verification.verify();
    return this.#parts.work?.(order);
  }

  #orderMs(action: string): number {
    const { timing } = this.#parts;
    if (action === VERIFY) return VERIFY_ORDER_MS;
    return action === READ_HERE ? timing.callTimeoutMs : timing.retryMs;
  }

  #noLeader(): ReplicationError {
    return noLeader({
      membership: this.#membership(),
      self: this.#parts.own.id,
      retryAfterMs: this.#parts.timing.patienceMs,
      isConnected: (id) => this.#peers.isConnected(id),
    });
  }

  #membership(): Membership {
    return this.core.view(this.#bound().state()).membership;
  }

  describe(note: string): { readonly level: LogLevel; readonly text: string } {
    return NOTES[note] ?? { level: "info", text: `[raft] ${note}` };
  }

  health(): ModeHealth {
    const state = this.#bound().state();
    const { own, timing, clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    return modeHealth({
      view: this.core.view(state),
      own,
      tickMs: timing.tickMs,
      isConnected: (id) => this.#peers.isConnected(id),
      addressOf: (id) => this.#peers.addressOf(id),
      behindMs: (index) => this.#commitTimes.behindMs(index, nowMs),
      leaderSilentMs: silentMs(state, timing),
    });
  }

  async beforeCut(upTo: LogIndex): Promise<LogIndex> {
    const mayCut = await this.#keptMembers.beforeCut(upTo, () => this.#bound().state());
    return Math.min(mayCut, this.#snapshots?.neededAfter() ?? mayCut) as LogIndex;
  }

  cut(base: Position): void {
    this.#input({ kind: "compacted", base });
  }

  /** The core handed over when it was told to stop; its successor needs a moment to be heard. */
  async leaving(): Promise<void> {
    this.#writes.close();
    const { clock, timing, timers } = this.#parts;
    const untilMs = clock.monotonicMs() + timing.handOverMs;
    const leads = () => this.#bound().state().role === "leader";
    const isCluster = this.#membership().voters.length > 1;
    while (leads() && isCluster && clock.monotonicMs() < untilMs) {
      await new Promise<void>((done) => void timers.after(timing.tickMs, done));
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#ticking?.();
    await this.#verification.close();
    this.#peers.close();
    await this.#parts.transport.close();
    await this.#snapshots?.close();
  }

  #bound(): ModeHost<RaftState, RaftInput> {
    if (this.#host === undefined) throw new ReplicationError("NO_LEADER", "the node is starting");
    return this.#host;
  }

  /** FC-060: a loop that stood still knows nothing of what happened meanwhile, its lease included. */
  #input(input?: RaftInput): void {
    if (this.#closing !== undefined) return;
    const ticks = this.#ticks.advance();
    const host = this.#bound();
    if (ticks === "stalled") host.input({ kind: "stalled" });
    else for (let tick = 0; tick < ticks; tick += 1) host.input({ kind: "tick" });
    if (input !== undefined) host.input(input);
    this.#follow();
  }

  /** What other parts must know of the core's new state. */
  #follow(): void {
    const state = this.#bound().state();
    if (state.configs !== this.#configs) {
      const before = this.#configs?.at(-1);
      this.#configs = state.configs;
      const members = this.#membership();
      this.#peers.setMembers([...members.voters, ...members.outgoing, ...members.learners]);
      if (before !== undefined && before.index !== state.configs.at(-1)?.index) {
        const at = this.#parts.clock.wallMs();
        this.#bound().tell(membersEvent(members, state.hard.term, at));
      }
    }
    if (state.leader === this.#leader) return;
    this.#leader = state.leader;
    this.#writes.retry();
    this.#reads.retry();
  }

  #tickSoon(): void {
    const { timers, timing, clock } = this.#parts;
    this.#ticking = timers.after(timing.tickMs, () => {
      this.#input();
      this.#writes.tick();
      this.#reads.retry();
      const nowMs = clock.monotonicMs();
      this.#commitTimes.note(this.#bound().state().hard.commit, nowMs);
      if (nowMs - this.#snapshotTickMs >= SNAPSHOT_TICK_MS) {
        this.#snapshotTickMs = nowMs;
        this.#snapshots?.tick();
        this.#peers.sweep();
        this.#whereabouts.tick(nowMs);
        this.#verification.tick();
      }
      if (this.#closing === undefined) this.#tickSoon();
    });
  }

  async #onRequest(from: NodeId, message: PeerMessage): Promise<PeerMessage> {
    if (message.type === MessageType.installSnapshot && this.#snapshots !== undefined) {
      return this.#snapshots.handle(from, message);
    }
    if (message.type === MessageType.forward) return this.#writes.take(message);
    if (message.type === MessageType.verify) return this.#verification.handle(message);
    if (message.type === MessageType.order) return this.#orders.answer(message);
    throw new ReplicationError("INVALID", `raft knows no message of type ${message.type}`);
  }

  #call(to: NodeId, message: PeerMessage, timeoutMs: number): Promise<PeerMessage> {
    const connection = this.#peers.connection(to);
    if (connection === undefined) {
      return Promise.reject(new ReplicationError("NO_LEADER", `the address of ${to} is not known`));
    }
    return connection.call(message, { timeoutMs, priority: "normal" });
  }
}
