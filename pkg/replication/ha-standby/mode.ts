import type { JsonValue, LogIndex, NodeId, Position } from "../../base/index.js";
import type { Cancel, LogLevel } from "../../runtime/index.js";
import type { Answer } from "../driver/driver.js";
import type { Core, Proposal } from "../driver/effects.js";
import type { Mode, ModeHealth, ModeHost, Order } from "../driver/mode.js";
import { TickClock } from "../driver/tick-clock.js";
import { ReplicationError } from "../errors.js";
import type { Entry, PeerMessage } from "../ports/index.js";
import { FrontEnds } from "../raft/index.js";
import type { ReadLevel } from "../replicator.js";
import { VERIFY_LIMITS, type Verification, type VerificationHost } from "../verification/index.js";
import type { HaCopies } from "./copies.js";
import type { HaInput } from "./core/effects.js";
import type { HaState } from "./core/state.js";
import { EntrySender } from "./entry-sender.js";
import { HaWrites } from "./ha-writes.js";
import { handedOver } from "./hand-over.js";
import { haHealth, primaryOf } from "./health.js";
import { LeaseKeeper } from "./lease-keeper.js";
import { HaMeters } from "./meters.js";
import type { HaModeParts, HaOwnEffect } from "./mode-parts.js";
import { Names } from "./names.js";
import { NOTES } from "./notes.js";
import { HaOrders } from "./orders.js";
import { HaPeers } from "./peers.js";
import { HaReads, READ_HERE } from "./reads.js";
import { recoveredInput } from "./recovered.js";
import { handleRequest } from "./requests.js";
import { SalvageOrders } from "./salvage-orders.js";
import { setAside } from "./set-aside.js";
import { haVerificationHost } from "./verifying.js";

/** Copies, questions and metrics are looked after this often, in milliseconds. */
const SLOW_TICK_MS = 100;
/** Entries kept for a standby that is away; further behind, it copies everything (FC-048). */
const RETAINED_ENTRIES_MAX = 250_000;
/** Longest wait for a node that is asked where it serves, in milliseconds. */
const FRONT_ENDS_CALL_MS = 1_000;

/** A primary with its standbys bound to a node: ticks, peers, arbiter, copies, salvage, orders. */
export class HaMode implements Mode<HaState, HaInput, HaOwnEffect> {
  readonly core: Core<HaState, HaInput, HaOwnEffect>;
  readonly #parts: HaModeParts;
  readonly #names: Names;
  readonly #peers: HaPeers;
  readonly #sender: EntrySender;
  readonly #lease: LeaseKeeper;
  readonly #orders: HaOrders;
  readonly #reads: HaReads;
  readonly #writes: HaWrites;
  readonly #salvage: SalvageOrders;
  readonly #frontEnds: FrontEnds;
  readonly #verification: Verification;
  readonly #ticks: TickClock;
  readonly #meters: HaMeters;
  #host: ModeHost<HaState, HaInput> | undefined;
  #copies: HaCopies | undefined;
  #slowMs: number;
  #probeMs: number;
  #ticking: Cancel | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: HaModeParts) {
    const { clock, timing, own } = parts;
    this.#parts = parts;
    this.core = { ...parts.core, view: (state) => this.#names.view(parts.core.view(state)) };
    this.#names = new Names({ ...parts, of: () => this.#peers, primary: () => this.#primary() });
    this.#ticks = new TickClock({ clock, ...timing });
    this.#slowMs = clock.monotonicMs();
    this.#probeMs = this.#slowMs;
    this.#meters = new HaMeters({ ...parts, nameOf: (id) => this.#peers.nameOf(id) });
    this.#peers = this.#openPeers();
    this.#sender = this.#openSender();
    this.#lease = this.#openLease();
    this.#writes = new HaWrites({
      ...timing,
      self: own.id,
      clock,
      view: () => parts.core.view(this.#bound().state()),
      isOurs: (id) => this.#peers.isOurs(id),
      isConnected: (id) => this.#peers.isConnected(id),
      located: (error) => this.#names.toLeader(error),
      propose: (proposals) => {
        this.#input({ kind: "propose", proposals });
        this.#sender.hurry(proposals);
      },
      answer: (answers) => this.#bound().answer(answers),
      call: (to, message, timeoutMs) => this.#call(to, message, timeoutMs),
    });
    this.#salvage = new SalvageOrders({
      files: parts.salvage,
      primary: () => this.#primary(),
      offer: (writes) => this.#writes.offer(writes),
    });
    this.#frontEnds = new FrontEnds({
      self: own.id,
      peers: () => parts.peers.map(({ id }) => id),
      call: (to, message) => this.#call(to, message, FRONT_ENDS_CALL_MS),
    });
    this.#orders = new HaOrders({
      self: own.id,
      idOf: (name) => this.#names.idOf(name),
      nameOf: (id) => this.#peers.nameOf(id),
      primary: () => this.#primary(),
      input: (input) => this.#input(input),
      call: (to, message, action) =>
        this.#call(
          to,
          message,
          action === "verify" ? 2 * VERIFY_LIMITS.answerMsMax : timing.retryMs,
        ),
      work: (action, args) => this.#workOf(action) ?? this.#salvage.work(action, args),
      settle: (ticket, outcome) => this.#bound().settleOrder(ticket, outcome),
    });
    this.#verification = parts.openVerification(this.#verificationHost());
    this.#reads = new HaReads({
      ...parts,
      self: own.id,
      hereMs: timing.retryMs,
      nameOf: (id) => this.#peers.nameOf(id),
      primary: () => this.#primary(),
      position: () => this.#bound().applied(),
      ask: (ticket) => this.#input({ kind: "read", ticket }),
      order: (node, order) => this.#orders.at(node, order),
      quarantine: () => this.#verification.quarantine(),
      settle: (ticket, outcome) => this.#bound().settleRead(ticket, outcome),
    });
  }

  #openPeers(): HaPeers {
    return new HaPeers({
      ...this.#parts,
      callTimeoutMs: this.#parts.timing.callTimeoutMs,
      role: () => this.#bound().view().role,
      term: () => this.#bound().state().hard.term,
      isPrimary: () => this.#bound().state().lead !== null,
      onMessage: (from, body) => this.#input({ kind: "message", from, body }),
      onUnreachable: (peer) => this.#input({ kind: "unreachable", peer }),
      onGone: (peer) => this.#input({ kind: "gone", peer }),
      onRequest: (from, message) =>
        handleRequest(from, message, this.#copies, this.#writes, this.#verification, this.#orders),
    });
  }

  #openLease(): LeaseKeeper {
    return new LeaseKeeper({
      ...this.#parts,
      self: this.#parts.own.id,
      nameOf: (id) => this.#peers.knownNameOf(id),
      idOf: (name) => this.#peers.idOf(name),
      ttlMs: this.#parts.timing.leaseTtlMs,
      input: (input) => this.#input(input),
    });
  }

  #openSender(): EntrySender {
    return new EntrySender({
      ...this.#parts,
      ...this.#parts.timing,
      state: () => this.#bound().state(),
      hasRoom: (to) => this.#peers.hasRoom(to),
      send: (to, batch) => this.#meters.sending(batch, () => this.#peers.send(to, batch)),
      sent: (input) => this.#bound().input(input),
      sentLater: (input) => this.#input(input),
    });
  }

  #verificationHost(): VerificationHost {
    const { own, peers } = this.#parts;
    return haVerificationHost({
      self: own.id,
      peers: peers.map(({ id }) => id),
      host: () => this.#bound(),
      primary: () => this.#primary(),
      input: (input) => this.#input(input),
      connection: (id) => this.#peers.connection(id),
      copies: () => this.#copies,
      order: (node, order) => this.#orders.at(node, order),
    });
  }

  bind(host: ModeHost<HaState, HaInput>): void {
    this.#host = host;
  }

  recovered(applied: Position): HaInput {
    return recoveredInput(this.#parts.log, this.#parts.own.id, applied);
  }

  async started(): Promise<void> {
    const host = this.#bound();
    this.#copies = await this.#parts.openCopies({
      input: (input) => this.#input(input),
      term: () => host.state().hard.term,
      isPrimary: () => host.state().lead !== null,
      applied: () => host.applied(),
      connection: (id) => this.#peers.connection(id),
      restored: (position) => host.restored(position),
      exclusively: (body) => host.exclusively(body),
      fail: (error) => host.fail(error),
      takeForced: (copy) => this.#verification.takeArrived(copy),
    });
    await this.#peers.listen();
    this.#lease.watch();
    this.#verification.start();
    this.#ticks.restart();
    this.#follow();
    this.#copies.start();
    this.#tickSoon();
  }

  carryOut(effect: HaOwnEffect): void {
    switch (effect.kind) {
      case "send":
        this.#peers.send(effect.to, effect.body);
        return;
      case "send_entries":
        this.#sender.take(effect);
        return;
      case "echo":
        this.#bound().input({ kind: "echoed", seq: effect.seq });
        return;
      case "ask_arbiter":
        this.#lease.ask(effect.id, effect.request);
        return;
      case "salvage":
        setAside(this.#parts, effect).then(
          (input) => this.#input(input),
          (error: unknown) => this.#bound().fail(error),
        );
        return;
      case "full_sync":
        void this.#copies?.fetch(effect.from, effect.epoch, effect.minIndex);
        return;
      case "install":
        void this.#copies?.install(effect.position);
        return;
      case "discard_copy":
        this.#copies?.discard(effect.position);
        return;
      case "read_ready":
        if (this.#reads.ready(effect.ticket, effect.index)) return;
        this.#orders.done(effect.ticket, effect.index, this.#bound().view().term);
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
    const located = answers.map((answer) => this.#names.withLeader(answer));
    return this.#writes.answered(located, (answer) => {
      if (this.#verification.answered(answer)) return true;
      if (!("refused" in answer)) return false;
      return (
        this.#reads.refused(answer.ticket, answer.refused) ||
        this.#orders.refused(answer.ticket, answer.refused)
      );
    });
  }

  read(ticket: number, level: ReadLevel): void {
    this.#reads.begin(ticket, level);
  }

  order(ticket: number, order: Order): void {
    if (order.action !== "front ends") {
      this.#orders.begin(ticket, order);
      return;
    }
    const settle = (outcome: JsonValue) =>
      this.#bound().settleOrder(ticket, this.#names.byName(outcome));
    void this.#frontEnds.collect(order.args).then(settle);
  }

  stepped(): void {
    this.#reads.release();
  }

  describe(note: string): { readonly level: LogLevel; readonly text: string } {
    return NOTES[note] ?? { level: "info", text: `[replication] ${note}` };
  }

  noted(event: string, cause: string): void {
    this.#parts.failovers.noted(event, this.#bound().state().hard.term, cause);
  }

  health(): ModeHealth {
    return haHealth({
      ...this.#parts,
      state: this.#bound().state(),
      lagMs: this.#meters.lagMs(),
      isConnected: (id) => this.#peers.isConnected(id),
      nameOf: (id) => this.#peers.nameOf(id),
    });
  }

  async beforeCut(upTo: LogIndex): Promise<LogIndex> {
    const { core, log } = this.#parts;
    const { retainFrom } = core.view(this.#bound().state());
    const kept = Math.max(retainFrom, log.last.index - RETAINED_ENTRIES_MAX);
    return Math.min(upTo, kept, this.#copies?.neededAfter() ?? upTo) as LogIndex;
  }

  cut(base: Position): void {
    this.#input({ kind: "compacted", base });
  }

  leaving(): Promise<void> {
    this.#writes.close();
    return handedOver({ ...this.#parts, state: () => this.#bound().state() });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#ticking?.();
    this.#sender.close();
    await this.#verification.close();
    this.#peers.close();
    await this.#lease.close();
    await this.#parts.transport.close();
    await this.#copies?.close();
    await this.#parts.failovers.close();
  }

  #primary(): NodeId | null {
    return primaryOf(this.#bound().state(), this.#parts.own.id);
  }

  #workOf(action: string): (() => Promise<JsonValue>) | undefined {
    if (action === "verify") return () => this.#verification.verify();
    if (action === READ_HERE) return () => this.#reads.here();
    if (action === "failovers") return async () => this.#parts.failovers.list() as never;
    if (action === "front ends") return async () => this.#frontEnds.own;
    if (action === "describe") return async () => ({ ...this.#bound().health() }) as never;
    return undefined;
  }

  #bound(): ModeHost<HaState, HaInput> {
    if (this.#host === undefined) throw new ReplicationError("NO_LEADER", "the node is starting");
    return this.#host;
  }

  /** A loop that stood still knows nothing of what happened meanwhile, its lease included. */
  #input(input?: HaInput): void {
    if (this.#closing !== undefined) return;
    const ticks = this.#ticks.advance();
    const host = this.#bound();
    if (ticks === "stalled") host.input({ kind: "stalled" });
    else for (let tick = 0; tick < ticks; tick += 1) host.input({ kind: "tick" });
    if (input !== undefined) host.input(input);
    this.#follow();
  }

  #follow(): void {
    const { lead } = this.#bound().state();
    this.#meters.follow(lead, this.#parts.core.view(this.#bound().state()).lagEntries);
  }

  #tickSoon(): void {
    const { timers, timing, clock } = this.#parts;
    this.#ticking = timers.after(timing.tickMs, () => {
      this.#input();
      this.#writes.retry();
      const nowMs = clock.monotonicMs();
      if (nowMs - this.#probeMs >= timing.probeMs) {
        this.#probeMs = nowMs;
        this.#peers.probe();
      }
      if (nowMs - this.#slowMs >= SLOW_TICK_MS) {
        this.#slowMs = nowMs;
        this.#copies?.tick();
        this.#peers.sweep();
        this.#verification.tick();
        this.#meters.measure(this.#bound().state());
      }
      if (this.#closing === undefined) this.#tickSoon();
    });
  }

  #call(to: NodeId, message: PeerMessage, timeoutMs: number): Promise<PeerMessage> {
    const connection = this.#peers.connection(to);
    if (connection === undefined) {
      return Promise.reject(new ReplicationError("NO_LEADER", `the address of ${to} is not known`));
    }
    return connection.call(message, { timeoutMs, priority: "normal" });
  }
}
