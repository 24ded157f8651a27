import { type JsonValue, type RegionId, unreachable } from "../../base/index.js";
import { ReplicationError } from "../../replication/errors.js";
import type { Counts } from "../state-engine.js";
import type { Base } from "./base.js";
import type { Conflict } from "./conflict.js";
import { REGION_LIMITS } from "./limits.js";
import type { Session } from "./materialize.js";
import type { RegionOperation } from "./region-commands.js";
import type { Region } from "./region-record.js";
import type { RegionSettings } from "./region-settings.js";
import { type RegionWork, type Told, tell } from "./region-work.js";
import { resolveConflict } from "./resolve-conflict.js";
import type { RegionRules } from "./rules.js";
import { CLOCK_START } from "./stamp.js";
import type { FadingSlice } from "./thing-draft.js";
import { includes, type VersionVector, vectorPairs } from "./version-vector.js";

type Step<Op extends RegionOperation["op"]> = Extract<RegionOperation, { readonly op: Op }>;

/** What an operation is run on. */
export interface OperationContext {
  readonly region: Region | undefined;
  /** The leader's wall clock, out of the log entry. */
  readonly wallMs: number;
  readonly counts: Counts;
  readonly rules: RegionRules;
  open(region: Region, slice?: FadingSlice): Session;
}

interface Founded extends OperationContext {
  readonly region: Region;
}

/**
 * Runs what a region's leader does beside its clients' writes; nothing is stored by this.
 * @throws ReplicationError for a refusal
 */
export function runRegionOperation(
  operation: RegionOperation,
  context: OperationContext,
): RegionWork {
  if (operation.op === "settle") return settle(operation.settings, context);
  const { region } = context;
  if (region === undefined) throw refuse("CONFLICT", "the region is not founded yet");
  const founded = { ...context, region };
  switch (operation.op) {
    case "adopt":
      return adopt(operation.settings, founded);
    case "receive":
      return receive(operation, founded);
    case "resolve":
      return resolve(operation, founded);
    case "forget":
      return forget(operation, founded);
    case "give_up":
      return giveUp(operation.region, founded);
    case "promote":
      return promote(operation, founded);
    case "readmit":
      return readmit(operation, founded);
    default:
      return unreachable(operation);
  }
}

function settle(settings: RegionSettings, context: OperationContext): RegionWork {
  const { region } = context;
  if (region === undefined) return found(settings, context);
  const { self } = region.settings;
  if (settings.self !== self) {
    throw refuse("CONFLICT", `this is region "${self}"; it cannot become "${settings.self}"`);
  }
  const known = new Map(
    settings.others.map((other) => [other, region.meta.known.get(other) ?? NOTHING] as const),
  );
  return settled(settings, known, context, region);
}

/** What is there already counts as one write, which no change tells anybody. */
function found(settings: RegionSettings, context: OperationContext): RegionWork {
  const hasContent = Object.values(context.counts).some((count) => count > 0);
  const clock = hasContent ? context.rules.nextReading(CLOCK_START, context.wallMs) : CLOCK_START;
  const { self } = settings;
  const base: Base | undefined = hasContent ? { origin: self, seq: 1, ...clock } : undefined;
  const have: VersionVector = new Map(hasContent ? [[self, 1]] : []);
  const known = new Map(settings.others.map((other) => [other, NOTHING]));
  const meta = { clock, have, known, lost: new Set<RegionId>(), closed: [] };
  const region = { settings, base, meta, floor: have };
  return { ...context.open(region), told: [], region, value: { op: "settle", outcome: "created" } };
}

/** Places in conflict may look different under another strategy. */
function settled(
  settings: RegionSettings,
  known: ReadonlyMap<RegionId, VersionVector>,
  context: OperationContext,
  before: Region,
): RegionWork {
  const lost = new Set([...before.meta.lost].filter((other) => known.has(other)));
  const region = { ...before, settings, meta: { ...before.meta, known, lost } };
  const session = context.open(region);
  const isSame = settings.strategy === before.settings.strategy;
  const keys = isSame ? [] : [...session.things.disputed()].map(({ key }) => key);
  return { ...session, told: [], region, keys, value: { op: "settle", outcome: "updated" } };
}

function adopt(settings: RegionSettings, context: Founded): RegionWork {
  const { region } = context;
  const { self, others } = region.settings;
  if (!others.includes(settings.self)) {
    throw refuse(
      "CONFLICT",
      `region "${self}" did not know "${settings.self}" when it was copied; add it there, then copy`,
    );
  }
  if ((region.meta.have.get(settings.self) ?? 0) > 0) {
    throw refuse("CONFLICT", `region "${settings.self}" has written already`);
  }
  if (!settings.others.includes(self)) {
    throw refuse("CONFLICT", `others must name "${self}", of which this is a copy`);
  }
  const known = new Map(
    settings.others.map((other) => {
      const knows = other === self ? region.meta.have : region.meta.known.get(other);
      return [other, knows ?? NOTHING] as const;
    }),
  );
  return settled(settings, known, context, region);
}

function receive(operation: Step<"receive">, context: Founded): RegionWork {
  const session = context.open(context.region);
  const { changes, texts, from, upTo, contains } = operation;
  const isLost = session.state.isLost(from);
  const told: Told[] = [];
  let clockAheadMs = 0;
  let stopped: JsonValue = null;
  for (const [at, change] of changes.entries()) {
    const received = isLost ? LOST : session.state.receive(change, context.wallMs);
    if (received.outcome === "applied") {
      clockAheadMs = Math.max(clockAheadMs, received.clockAheadMs);
      told.push({ change, text: texts[at] as string });
    } else if (received.outcome !== "known") {
      const missing = "missing" in received ? vectorPairs(received.missing) : [];
      const { origin, seq } = change;
      stopped = { outcome: received.outcome, origin, seq, missing };
      break;
    }
  }
  if (!isLost) session.state.learn(from, upTo, contains);
  const have = vectorPairs(session.state.meta.have);
  const value = { op: "receive", applied: told.length, have, stopped, clockAheadMs };
  return { ...session, told, value };
}

function resolve({ id, choice }: Step<"resolve">, context: Founded): RegionWork {
  const session = context.open(context.region);
  const conflict = findConflict(id, session);
  if (conflict === undefined) throw refuse("NOT_FOUND", `there is no open conflict "${id}"`);
  const write = resolveConflict(conflict, choice);
  if (write === undefined) throw refuse("INVALID", `conflict "${id}" does not offer that choice`);
  if (write.life && write.revive !== true && !isAlive(write.key, session)) {
    throw refuse("CONFLICT", `"${write.key}" is deleted for now; first resolve whether it is`);
  }
  const told = [tell(session.state.write([write], context.wallMs, "resolved"))];
  return { ...session, told, value: { op: "resolve", id, outcome: "updated" } };
}

function isAlive(key: string, { state, things }: Session): boolean {
  const thing = things.get(key);
  return thing !== undefined && state.decider.isAlive(thing);
}

/** The id begins with the key, which may hold slashes itself. */
export function findConflict(id: string, { state, things }: Session): Conflict | undefined {
  for (let at = id.indexOf("/", 3); at > 0; at = id.indexOf("/", at + 1)) {
    const thing = things.get(id.slice(0, at));
    const found = thing && state.conflictsOf(thing).find((conflict) => conflict.id === id);
    if (found !== undefined) return found;
  }
  return undefined;
}

function forget({ beforeMs, after }: Step<"forget">, context: Founded): RegionWork {
  const limit = REGION_LIMITS.forgetMax;
  const session = context.open(context.region, { after, limit });
  const looked = [...session.things.fading()].map(({ key }) => key);
  const forgotten = session.state.forget(beforeMs);
  const next = looked.length < limit ? null : (looked.at(-1) as string);
  return { ...session, told: [], value: { op: "forget", forgotten, next } };
}

function giveUp(region: RegionId, context: Founded): RegionWork {
  const session = context.open(context.region);
  if (!context.region.meta.known.has(region)) throw refuse("NOT_FOUND", strange(region));
  session.state.giveUp(region);
  return { ...session, told: [], value: { op: "give_up", region } };
}

/** The highest number counts, and of two with the same one the later name: so all end alike. */
function promote({ region, epoch }: Step<"promote">, context: Founded): RegionWork {
  const { settings, promotion: before, meta } = context.region;
  if (region !== settings.self && !meta.known.has(region)) {
    throw refuse("NOT_FOUND", strange(region));
  }
  const isNewer =
    before === undefined ||
    epoch > before.epoch ||
    (epoch === before.epoch && region > before.region);
  const promotion = isNewer ? { region, epoch } : before;
  const session = context.open(context.region);
  const value = { op: "promote", region: promotion.region, epoch: promotion.epoch };
  return { ...session, told: [], region: { ...context.region, promotion }, value };
}

function readmit({ region, contains }: Step<"readmit">, context: Founded): RegionWork {
  const session = context.open(context.region);
  if (!context.region.meta.known.has(region)) throw refuse("NOT_FOUND", strange(region));
  session.state.readmit(region);
  if (!includes(contains, context.region.floor)) {
    throw refuse("CONFLICT", `region "${region}" needs a full copy: what it lacks is not kept`);
  }
  return { ...session, told: [], value: { op: "readmit", region } };
}

const LOST = { outcome: "lost" } as const;

function strange(region: RegionId): string {
  return `region "${region}" is none of the others`;
}

function refuse(code: ReplicationError["code"], message: string): ReplicationError {
  return new ReplicationError(code, message);
}

const NOTHING: VersionVector = new Map();
