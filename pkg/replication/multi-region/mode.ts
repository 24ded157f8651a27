import type { LogIndex, Position, RegionId } from "../../base/index.js";
import type { LogLevel } from "../../runtime/index.js";
import type { Answer } from "../driver/driver.js";
import type { Proposal } from "../driver/effects.js";
import type { Mode, ModeHealth, ModeHost, Order } from "../driver/mode.js";
import { TickClock } from "../driver/tick-clock.js";
import type { Entry, RegionFacts } from "../ports/index.js";
import type { RaftCore, RaftInput, RaftMode, RaftOwnEffect, RaftState } from "../raft/index.js";
import type { ReadLevel, RegionHealth } from "../replicator.js";
import { ClockAlarms } from "./clock-alarms.js";
import type { Proposed, RegionProposal, Vector } from "./core/index.js";
import { FactsPump } from "./facts-pump.js";
import { Forgetting } from "./forgetting.js";
import { Founding } from "./founding.js";
import { regionsHealth } from "./health.js";
import { RegionLinks } from "./links.js";
import { objectionOf } from "./members-mode.js";
import { allRegions, type MultiRegionParts } from "./mode-parts.js";
import { REGION_NOTES, type RegionEvent } from "./notes.js";
import { Promotions } from "./promotions.js";
import { Reception } from "./reception.js";
import { RegionMeters } from "./region-meters.js";
import { RegionOrders } from "./region-orders.js";
import { type OperationOutcome, RegionProposals } from "./region-proposals.js";
import { RegionRunner } from "./region-runner.js";
import { RegionWaits } from "./region-waits.js";
import { toProposed } from "./to-proposed.js";
import type { RegionRemarks } from "./wire/index.js";

/** Between two looks at what changes seldom, in milliseconds. */
const SELDOM_MS = 1_000;

/** Raft at home, and a stream of changes to and from every other region beside it. */
export class MultiRegionMode implements Mode<RaftState, RaftInput, RaftOwnEffect> {
  readonly core: RaftCore;
  readonly #parts: MultiRegionParts;
  readonly #raft: RaftMode;
  readonly #proposals: RegionProposals;
  readonly #founding: Founding;
  readonly #links: RegionLinks;
  readonly #runner: RegionRunner;
  readonly #waits: RegionWaits;
  readonly #pump: FactsPump;
  readonly #alarms: ClockAlarms;
  readonly #forgetting: Forgetting;
  readonly #meters: RegionMeters;
  readonly #promotions: Promotions;
  readonly #reception: Reception;
  readonly #orders: RegionOrders;
  readonly #ticks: TickClock;
  #host: ModeHost<RaftState, RaftInput> | undefined;
  #facts: RegionFacts | undefined;
  #read = { chars: 0, changes: 0 };
  #leader: string | null = null;
  #seldomMs: number;
  #started = false;
  #following = false;
  #wanted = false;

  constructor(parts: MultiRegionParts) {
    const { settings, clock, metrics } = parts;
    this.#parts = parts;
    this.#raft = parts.openRaft((order) => this.#orders.work(order));
    this.core = this.#raft.core;
    this.#seldomMs = clock.monotonicMs();
    this.#ticks = new TickClock({ clock, tickMs: parts.tickMs, stallMs: Number.MAX_SAFE_INTEGER });
    this.#links = new RegionLinks({ ...parts, remarks: () => this.#remarks() });
    this.#meters = new RegionMeters(metrics);
    const note = this.#note.bind(this);
    this.#alarms = new ClockAlarms({ clock, note });
    const propose = this.#propose.bind(this);
    this.#proposals = new RegionProposals({
      clock,
      encode: parts.encode,
      propose: (proposals) => this.#bound().input({ kind: "propose", proposals }),
    });
    this.#founding = new Founding({
      settings,
      objection: () => objectionOf(this.#raft),
      propose,
      input: (input) => {
        if (input.kind === "propose") this.#waits.asked(input.proposals);
        this.#bound().input(input);
      },
      answer: (answers) => this.#answer(answers),
      applied: () => this.#bound().applied().index,
      lookAgain: () => this.#pump.again(),
      note: (event, reason) => this.#note(event, settings.self, reason),
    });
    this.#forgetting = new Forgetting({ clock, propose, retentionMs: parts.tombstoneMs });
    this.#promotions = new Promotions({
      propose,
      facts: () => this.#facts,
      tell: async (region) => void (await this.#ask(region)),
    });
    this.#reception = new Reception({
      promoted: (promotion) => this.#promotions.heard(promotion),
      facts: () => this.#facts,
      isLeading: () => this.#runner.isLeading,
      take: (message) => this.#runner.request(message),
      note: (region, reason) => this.#note("region_disagrees", region, reason),
    });
    this.#runner = this.#openRunner();
    this.#waits = new RegionWaits({
      clock,
      self: settings.self,
      patienceMs: parts.waitMs,
      all: parts.semiSync,
      wait: (request, seq) => this.#runner.input({ kind: "wait", request, seq }),
      forsake: (request) => this.#runner.input({ kind: "forsake", request }),
      answer: (answers) => this.#answer(answers),
    });
    this.#pump = new FactsPump({
      log: parts.regions,
      clock,
      applied: () => this.#bound().applied().index,
      pauseMs: () => this.#pauseMs(),
      seen: (facts, index) => this.#seen(facts, index),
      failed: (error) => this.#note("region_facts_unknown", settings.self, String(error)),
    });
    this.#orders = this.#openOrders();
  }

  #openOrders(): RegionOrders {
    return new RegionOrders({
      settings: this.#parts.settings,
      propose: this.#propose.bind(this),
      leads: () => this.#leads(),
      facts: () => this.#facts,
      regions: () => this.#regions(),
      heard: (region) => this.#reception.heard(region),
      obstacle: () => this.#founding.obstacle,
      ask: (region) => this.#ask(region),
      lookAgain: () => {
        this.#pump.again();
        this.#follow();
      },
    });
  }

  #openRunner(): RegionRunner {
    const { regionCore, regions } = this.#parts;
    return new RegionRunner({
      core: regionCore,
      log: {
        changes: async (origin, after, limits) => {
          const kept = await regions.changes(origin, after, limits);
          for (const text of kept.texts) this.#read.chars += text.length;
          this.#read.changes += kept.texts.length;
          return kept;
        },
      },
      send: (region, message) => this.#links.send(region, message),
      retarget: (region, leader) => this.#links.retarget(region, leader),
      propose: (operation, done) => this.#receive(operation, done),
      release: (request, reached) => this.#waits.released(request, reached),
      // Whose clock is ahead the alarms say, and not with every message.
      note: (event, region, reason) => {
        if (event !== "region_clock_ahead") this.#note(event, region, reason);
      },
      fail: (error) => this.#bound().fail(error),
    });
  }

  bind(host: ModeHost<RaftState, RaftInput>): void {
    this.#host = host;
    this.#raft.bind({
      ...host,
      input: (input) => this.#founding.pass(input, host.state().lead !== null),
    });
  }

  recovered(applied: Position): RaftInput {
    return this.#raft.recovered(applied);
  }

  async started(): Promise<void> {
    this.#parts.onChanges((from, payload) => this.#reception.handle(from, payload));
    await this.#raft.started();
    this.#ticks.restart();
    this.#started = true;
    this.#pump.again();
    this.#follow();
  }

  carryOut(effect: RaftOwnEffect): void {
    this.#raft.carryOut(effect);
  }

  propose(proposals: readonly Proposal[]): void {
    this.#raft.propose(proposals);
  }

  answered(answers: readonly Answer[]): readonly Answer[] {
    const rest = this.#proposals.answered(answers);
    return this.#raft.answered(this.#waits.hold(rest));
  }

  #answer(answers: readonly Answer[]): void {
    const final = this.#raft.answered(answers);
    if (final.length > 0) this.#bound().answer(final);
  }

  atMarker(marker: Entry): Promise<void> {
    return this.#raft.atMarker(marker);
  }

  read(ticket: number, level: ReadLevel, key?: string): void {
    this.#raft.read(ticket, level, key);
  }

  stepped(): void {
    this.#raft.stepped();
    this.#follow();
  }

  order(ticket: number, order: Order): void {
    this.#raft.order(ticket, order);
  }

  describe(note: string): { readonly level: LogLevel; readonly text: string } {
    return this.#raft.describe(note);
  }

  health(): ModeHealth {
    const health = this.#raft.health();
    const obstacle = this.#founding.obstacle;
    return {
      ...health,
      region: this.#parts.settings.self,
      regions: this.#regions(),
      ...(obstacle === undefined ? {} : { reason: obstacle.message, healthy: false }),
    };
  }

  beforeCut(upTo: LogIndex): Promise<LogIndex> {
    return this.#raft.beforeCut(upTo);
  }

  cut(base: Position): void {
    this.#raft.cut(base);
  }

  async leaving(): Promise<void> {
    this.#waits.end("this node is stopping");
    await this.#raft.leaving();
  }

  async close(): Promise<void> {
    this.#started = false;
    this.#pump.close();
    this.#runner.close();
    this.#links.disconnect();
    await this.#raft.close();
    await this.#parts.closeLinks();
  }

  #bound(): ModeHost<RaftState, RaftInput> {
    if (this.#host === undefined) throw new Error("the mode is bound before it is used");
    return this.#host;
  }

  #leads(): boolean {
    return this.#bound().state().lead !== null;
  }

  #propose(
    operation: Parameters<RegionProposals["propose"]>[0],
    done: (outcome: OperationOutcome) => void,
  ): void {
    this.#proposals.propose(operation, done);
  }

  /** Who leads asks once a tick, unless a write or the founding waits for it; others seldom. */
  #pauseMs(): number {
    if (!this.#leads()) return SELDOM_MS;
    return this.#founding.isOpen && !this.#waits.areFresh ? this.#parts.tickMs : 0;
  }

  /** Another region's changes, or a region that is given up, on their way into the log. */
  #receive(operation: RegionProposal, done: (outcome: Proposed) => void): void {
    this.#proposals.propose(operation, (outcome) => {
      const proposed = toProposed(outcome);
      if (operation.op === "receive" && operation.texts.length > 0 && proposed.ok) {
        this.#alarms.heard(operation.from, proposed.clockAheadMs);
      }
      done(proposed);
    });
  }

  #seen(facts: RegionFacts | undefined, index: LogIndex): void {
    this.#facts = facts;
    const { self } = this.#parts.settings;
    if (facts?.self === self) {
      const { have, floor, known, lost } = facts;
      this.#runner.input({ kind: "applied", view: { have, floor, known, lost } });
      this.#waits.appliedUpTo(index, have.get(self) ?? 0);
    }
    this.#founding.seen(facts, index);
    this.#follow();
  }

  /** What follows from the state of the core; once more if that changes on the way. */
  #follow(): void {
    this.#wanted = true;
    if (!this.#started || this.#following) return;
    this.#following = true;
    try {
      while (this.#wanted) {
        this.#wanted = false;
        this.#advance();
      }
    } finally {
      this.#following = false;
    }
  }

  #advance(): void {
    const host = this.#bound();
    const leads = this.#leads();
    this.#founding.follow({ leads, serves: leads && host.view().isLeader });
    this.#followRole();
    const ticks = this.#ticks.advance();
    for (let tick = 0; tick < Number(ticks); tick += 1) this.#runner.input({ kind: "tick" });
    if (ticks !== 0) this.#waits.tick();
    this.#pump.look();
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - this.#seldomMs < SELDOM_MS) return;
    this.#seldomMs = nowMs;
    if (!this.#founding.isOpen) {
      this.#pump.again();
      return;
    }
    this.#meters.measure(this.#regions());
    this.#forgetting.tick();
    this.#promotions.tick();
  }

  #followRole(): void {
    const leading = this.#founding.isOpen;
    const was = this.#runner.isLeading;
    const { leader } = this.#bound().state();
    if (leading === was && leader === this.#leader) return;
    this.#leader = leader;
    this.#runner.input({ kind: "role", leading, leader: this.#raft.health().leaderAddr });
    if (leading && !was) this.#promotions.begin();
    if (!was || leading) return;
    this.#waits.end("the leader of the region changed");
    this.#links.disconnect();
    this.#meters.forget();
  }

  #regions(): readonly RegionHealth[] {
    const { chars, changes } = this.#read;
    return regionsHealth({
      lag: this.#runner.lag(),
      isLeading: this.#runner.isLeading,
      tickMs: this.#parts.tickMs,
      changeBytes: changes === 0 ? undefined : chars / changes,
      links: this.#links,
      clockAheadMs: (region) => this.#alarms.of(region),
      objection: (region) => this.#reception.objection(region),
    });
  }

  #remarks(): RegionRemarks {
    const { settings } = this.#parts;
    const agreement = { strategy: settings.strategy, regions: allRegions(settings) };
    return { agreement, promotion: this.#facts?.promotion };
  }

  /** Where another region is, by its own word. */
  async #ask(region: RegionId): Promise<Vector> {
    const contains = this.#facts?.have ?? new Map();
    return this.#links.ask(region, { from: this.#parts.settings.self, contains, runs: [] });
  }

  #note(event: RegionEvent, region: RegionId, reason: string): void {
    const { level, text } = REGION_NOTES[event];
    this.#parts.logger.log(level, event, text, { region, reason });
  }
}
