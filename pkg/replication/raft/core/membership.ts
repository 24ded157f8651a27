import { type JsonValue, type LogIndex, type NodeId, parseNodeId } from "../../../base/index.js";

/**
 * One member as a quorum knows it: name and disk together. `disk` null: of the founding list and
 * not heard of yet, so nobody can speak for it. The address is where it is, never who it is.
 */
export interface Member {
  readonly id: NodeId;
  readonly address: string;
  readonly disk: string | null;
}

export interface Learner extends Member {
  /** The leader makes it a voter once it has caught up. */
  readonly promote: boolean;
}

/**
 * Who is in the cluster. While `outgoing` is not empty the configuration is joint: decisions need
 * a majority of `voters` and a majority of `outgoing` (raft paper, section 6).
 */
export interface Membership {
  readonly voters: readonly Member[];
  readonly outgoing: readonly Member[];
  readonly learners: readonly Learner[];
}

/** A membership and the index of the entry that carries it. */
export interface ConfigEntry {
  readonly index: LogIndex;
  readonly membership: Membership;
}

export const NO_MEMBERS: Membership = { voters: [], outgoing: [], learners: [] };
/** Members of all kinds; a larger membership is refused. */
export const MEMBERS_MAX = 64;

export function isJoint(membership: Membership): boolean {
  return membership.outgoing.length > 0;
}

/** Every id once, in a fixed order. */
export function memberIds(membership: Membership): readonly NodeId[] {
  const ids = new Set<NodeId>();
  for (const member of membership.voters) ids.add(member.id);
  for (const member of membership.outgoing) ids.add(member.id);
  for (const member of membership.learners) ids.add(member.id);
  return [...ids];
}

export function includes(membership: Membership, id: NodeId): boolean {
  return (
    findVoter(membership, id) !== undefined ||
    membership.learners.some((learner) => learner.id === id)
  );
}

/** The member with a vote, in the incoming or the outgoing set. */
export function findVoter(membership: Membership, id: NodeId): Member | undefined {
  return (
    membership.voters.find((member) => member.id === id) ??
    membership.outgoing.find((member) => member.id === id)
  );
}

/** True when that id, on that disk, has a vote. A disk not yet known counts for nobody else. */
export function isVoter(membership: Membership, id: NodeId, disk: string | null): boolean {
  const has = (member: Member) => member.id === id && member.disk === disk;
  return membership.voters.some(has) || membership.outgoing.some(has);
}

/** The founding list: sorted, disks unknown, so that every founder writes the same bytes. */
export function foundingMembership(
  founders: readonly { readonly id: NodeId; readonly address: string }[],
): Membership {
  const voters = founders.map(({ id, address }) => ({ id, address, disk: null }));
  voters.sort((a, b) => (a.id < b.id ? -1 : 1));
  return { voters, outgoing: [], learners: [] };
}

const text = new TextEncoder();

/** The payload of a `config` entry. */
export function encodeMembership(membership: Membership): Uint8Array {
  const member = ({ id, address, disk }: Member) => ({ id, address, disk });
  return text.encode(
    JSON.stringify({
      voters: membership.voters.map(member),
      outgoing: membership.outgoing.map(member),
      learners: membership.learners.map((one) => ({ ...member(one), promote: one.promote })),
    }),
  );
}

/** @returns undefined when the bytes are not a membership */
export function decodeMembership(payload: Uint8Array): Membership | undefined {
  try {
    return toMembership(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload)));
  } catch {
    return undefined;
  }
}

/** @returns undefined when the value is not a membership */
export function toMembership(value: JsonValue): Membership | undefined {
  if (!isRecord(value)) return undefined;
  const voters = toList(value.voters, toMember);
  const outgoing = toList(value.outgoing, toMember);
  const learners = toList(value.learners, toLearner);
  if (voters === undefined || outgoing === undefined || learners === undefined) return undefined;
  return voters.length === 0 ? undefined : { voters, outgoing, learners };
}

type Fields = { readonly [key: string]: JsonValue | undefined };

function isRecord(value: JsonValue | undefined): value is Fields & JsonValue {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function toList<T extends Member>(
  value: JsonValue | undefined,
  toOne: (value: JsonValue) => T | undefined,
): readonly T[] | undefined {
  if (!Array.isArray(value) || value.length > MEMBERS_MAX) return undefined;
  const list: T[] = [];
  for (const one of value as readonly JsonValue[]) {
    const member = toOne(one);
    if (member === undefined || list.some((other) => other.id === member.id)) return undefined;
    list.push(member);
  }
  return list;
}

function toMember(value: JsonValue): Member | undefined {
  if (!isRecord(value)) return undefined;
  const { id, address, disk } = value;
  if (typeof id !== "string" || typeof address !== "string") return undefined;
  if (disk !== null && typeof disk !== "string") return undefined;
  const parsed = parseNodeId(id);
  return parsed === undefined ? undefined : { id: parsed, address, disk };
}

function toLearner(value: JsonValue): Learner | undefined {
  const member = toMember(value);
  if (member === undefined || !isRecord(value) || typeof value.promote !== "boolean") {
    return undefined;
  }
  return { ...member, promote: value.promote };
}
