import { isSafeCount, parseRegionId, type RegionId, unreachable } from "../../../base/index.js";
import {
  MessageType,
  type PeerMessage,
  type PeerPayload,
  type Promotion,
} from "../../ports/index.js";
import { PayloadFields } from "../../wire/index.js";
import type { ChangesAnswer, ChangesMessage, ChangesRun, Vector } from "../core/index.js";
import { REGION_WIRE_LIMITS } from "./limits.js";

const { regionsMax, changesMax, addressLengthMax } = REGION_WIRE_LIMITS;

/** What all regions must have set alike. */
export interface RegionAgreement {
  readonly strategy: string;
  /** All of them, ascending. */
  readonly regions: readonly RegionId[];
}

/** What goes with every message beside changes. */
export interface RegionRemarks {
  readonly agreement?: RegionAgreement | undefined;
  readonly promotion?: Promotion | undefined;
}

/** What a region tells another one, as it crosses the wire; each change as its origin wrote it. */
export function toChangesFrame(
  { from, contains, runs }: ChangesMessage,
  { agreement, promotion }: RegionRemarks = {},
): PeerMessage {
  const payload = {
    from,
    contains: pairs(contains),
    runs: runs.map(({ origin, firstSeq, texts }) => [origin, firstSeq, texts]),
    ...(agreement === undefined ? {} : { agreement: { ...agreement } }),
    ...(promotion === undefined ? {} : { promotion: { ...promotion } }),
  };
  return { type: MessageType.regionChanges, payload };
}

/**
 * What a sender says beside its changes; of an older version it says nothing.
 * @throws ReplicationError `INVALID` naming what is wrong
 */
export function readRemarks(payload: PeerPayload): RegionRemarks {
  const fields = new PayloadFields(payload, "region_changes");
  return { agreement: readAgreement(fields), promotion: readPromotion(fields) };
}

function readAgreement(all: PayloadFields): RegionAgreement | undefined {
  if (all.value("agreement") === undefined) return undefined;
  const fields = all.fields("agreement");
  const regions = fields.list("regions", regionsMax).map((region) => {
    const id = typeof region === "string" ? parseRegionId(region) : undefined;
    if (id === undefined) throw fields.bad("regions", "regions' names");
    return id;
  });
  return { strategy: fields.text("strategy", 64), regions };
}

function readPromotion(all: PayloadFields): Promotion | undefined {
  if (all.value("promotion") === undefined) return undefined;
  const fields = all.fields("promotion");
  const epoch = fields.count("epoch");
  if (epoch === 0) throw fields.bad("epoch", "a whole number from 1");
  return { region: readRegion(fields, "region"), epoch };
}

/** @throws ReplicationError `INVALID` naming what is wrong */
export function readChangesFrame(payload: PeerPayload): ChangesMessage {
  const fields = new PayloadFields(payload, "region_changes");
  const runs = fields.list("runs", regionsMax).map((run) => readRun(fields, run));
  const count = runs.reduce((sum, { texts }) => sum + texts.length, 0);
  if (count > changesMax) throw fields.bad("runs", `at most ${changesMax} changes`);
  return { from: readRegion(fields, "from"), contains: readVector(fields, "contains"), runs };
}

export function toAnswerFrame(answer: ChangesAnswer): PeerMessage {
  return { type: MessageType.regionChangesResponse, payload: answerPayload(answer) };
}

function answerPayload(answer: ChangesAnswer): PeerPayload {
  switch (answer.kind) {
    case "taken":
      return { kind: answer.kind, have: pairs(answer.have), learned: answer.learned };
    case "gap":
    case "early":
      return { kind: answer.kind, have: pairs(answer.have), missing: pairs(answer.missing) };
    case "busy":
      return { kind: answer.kind, have: pairs(answer.have) };
    case "failed":
      return { kind: answer.kind };
    case "not_leader":
      return { kind: answer.kind, leader: answer.leader };
    case "refused":
      return { kind: answer.kind, reason: answer.reason };
    default:
      return unreachable(answer);
  }
}

const KINDS = ["taken", "gap", "early", "busy", "failed", "not_leader", "refused"] as const;

/** @throws ReplicationError `INVALID` naming what is wrong */
export function readAnswerFrame(payload: PeerPayload): ChangesAnswer {
  const fields = new PayloadFields(payload, "region_changes_response");
  const kind = fields.oneOf("kind", KINDS);
  switch (kind) {
    case "taken":
      return { kind, have: readVector(fields, "have"), learned: fields.flag("learned") };
    case "gap":
    case "early":
      return { kind, have: readVector(fields, "have"), missing: readVector(fields, "missing") };
    case "busy":
      return { kind, have: readVector(fields, "have") };
    case "failed":
      return { kind };
    case "not_leader": {
      const isNamed = fields.value("leader") !== null;
      return { kind, leader: isNamed ? fields.text("leader", addressLengthMax) : null };
    }
    case "refused":
      return { kind, reason: fields.oneOf("reason", ["stranger", "lost", "settings"]) };
    default:
      return unreachable(kind);
  }
}

function pairs(vector: Vector): readonly (readonly [RegionId, number])[] {
  return [...vector];
}

function readVector(fields: PayloadFields, name: string): Vector {
  const vector = new Map<RegionId, number>();
  for (const pair of fields.list(name, regionsMax)) {
    const [region, seq] = Array.isArray(pair) ? (pair as readonly PeerPayload[]) : [];
    const id = typeof region === "string" ? parseRegionId(region) : undefined;
    if (id === undefined || !isSafeCount(seq)) throw fields.bad(name, "regions, each with a count");
    if (vector.has(id)) throw fields.bad(name, "each region once");
    vector.set(id, seq);
  }
  return vector;
}

function readRun(fields: PayloadFields, run: PeerPayload): ChangesRun {
  const [region, firstSeq, texts] = Array.isArray(run) ? (run as readonly PeerPayload[]) : [];
  const origin = typeof region === "string" ? parseRegionId(region) : undefined;
  if (origin === undefined || !isSafeCount(firstSeq) || firstSeq === 0 || !Array.isArray(texts)) {
    throw fields.bad("runs", "lists of a region, its first change's number, and changes");
  }
  if (texts.length === 0 || !texts.every(isChange)) {
    throw fields.bad("runs", "changes, each a text in one line");
  }
  return { origin, firstSeq, texts: texts as readonly string[] };
}

/** A line's end would make two changes of one in the receiver's log. */
function isChange(text: unknown): boolean {
  return typeof text === "string" && text !== "" && !text.includes("\n");
}

function readRegion(fields: PayloadFields, name: string): RegionId {
  const region = parseRegionId(fields.text(name, 128));
  if (region === undefined) throw fields.bad(name, "a region's name");
  return region;
}
