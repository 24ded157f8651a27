import type { LogIndex, NodeId, Position, Term } from "../../../base/index.js";
import type { HardState } from "../../ports/index.js";

interface Standing {
  readonly received: LogIndex;
  readonly durable: LogIndex;
}

/** Where the log is durable here, and where the standbys stand in every set that may be in force. */
export interface Reach {
  readonly durable: LogIndex;
  readonly sets: readonly (readonly Standing[])[];
}

/**
 * The decisions on which safety rests, one function each, so that each can be read by itself and
 * so that tests can plant a wrong one and see the checkers find it. Production uses `RULES`.
 */
export interface Rules {
  /** HA-3: a word of an older epoch is not followed. */
  obeys(messageEpoch: Term, epoch: Term): boolean;
  /** HA-2: what makes or repeats a promise waits until the promise is durable. */
  mustHold(promiseUnderWay: boolean): boolean;
  /** HA-4: what was asked at tick `askedAt` gives authority at tick `now`. */
  covers(asked: {
    readonly now: number;
    readonly askedAt: number;
    readonly floor: number;
    readonly ttlTicks: number;
    readonly driftTicks: number;
  }): boolean;
  /** HA-5: without its arbiter a primary needs the promise of every standby that may be promoted. */
  agrees(promises: readonly boolean[]): boolean;
  /** HA-6: answers go out under authority only, looked at again after the disk. */
  mayAnswer(authority: boolean): boolean;
  /** HA-7: how far `semi_sync` is acknowledged. */
  semiSyncReach(reach: Reach): number;
  /** HA-8: how far `sync` is acknowledged. */
  syncReach(reach: Reach): number;
  /** HA-9: a standby counts in the answers of this epoch and from the disk it answered with. */
  counts(answerEpoch: Term, epoch: Term): boolean;
  /** HA-10: a standby joins the set once it holds all that was acknowledged. */
  mayJoin(held: LogIndex, commit: LogIndex): boolean;
  /** HA-11: writes go on without a standby only after the arbiter holds the set without it. */
  setsInForce(
    known: readonly NodeId[],
    asked: readonly (readonly NodeId[])[],
  ): readonly (readonly NodeId[])[];
  /** HA-12: what a standby reports as received and as durable. */
  acknowledged(received: LogIndex, durable: LogIndex): LogIndex;
  /** HA-13: a batch fits behind an entry of the same epoch. */
  fits(ownTerm: Term | undefined, prevTerm: Term): boolean;
  /** HA-15: a divergent tail is kept aside before it is cut. */
  mustSalvage(entries: number): boolean;
  /** HA-16: what was committed is not rewound: the node needs a copy. */
  mustCopy(common: LogIndex | null, commit: LogIndex): boolean;
  /** HA-19: this node was told that it is in sync since it started, and holds what was told then. */
  isReady(told: {
    readonly inSync: boolean;
    readonly commit: LogIndex;
    readonly held: LogIndex;
  }): boolean;
  /** HA-19: the arbiter names this node among those that may be promoted. */
  isNamed(inSync: readonly NodeId[], id: NodeId): boolean;
  /** HA-20: promises to the old primary have run out. */
  promiseIsOver(now: number, promiseUntil: number): boolean;
  /** HA-21: nobody who answered has more. */
  isBest(own: Position, others: readonly Position[]): boolean;
  /** HA-21: in `semi_sync` all others in sync must have answered. */
  mustHear(others: readonly NodeId[], heard: (id: NodeId) => boolean): boolean;
  /** HA-32: the set that the arbiter must still hold when it grants; undefined: any. */
  asReckoned(inSync: readonly NodeId[]): readonly NodeId[] | undefined;
  /** HA-22: the epoch that the arbiter holds is this node's own. */
  isOwn(own: {
    readonly id: NodeId;
    readonly holder: NodeId | null;
    readonly epoch: Term;
    readonly hard: HardState;
    readonly lastTerm: Term;
    readonly unbroken: boolean;
  }): boolean;
  /** HA-17: the configured role only matters where no epoch is known. */
  startsAsPrimary(configured: boolean, epoch: Term): boolean;
  /** HA-23: a renewal that was refused ends the leadership. */
  mustYield(granted: boolean): boolean;
  /** HA-14: what of the primary's commit a standby believes. */
  commitBound(told: LogIndex, verified: LogIndex, durable: LogIndex): number;
  /** HA-24: what comes back from another disk is another standby. */
  isSameDisk(known: string | null, disk: string): boolean;
}

const least = (numbers: readonly number[]) => Math.min(...numbers);

export const RULES: Rules = {
  obeys: (messageEpoch, epoch) => messageEpoch >= epoch,
  mustHold: (promiseUnderWay) => promiseUnderWay,
  covers: ({ now, askedAt, floor, ttlTicks, driftTicks }) =>
    askedAt >= floor && now - askedAt < ttlTicks - driftTicks,
  agrees: (promises) => promises.length > 0 && promises.every((promise) => promise),
  mayAnswer: (authority) => authority,
  semiSyncReach: ({ durable, sets }) => {
    const furthest = sets.map((set) => Math.max(...set.map((one) => one.received)));
    return least([durable, ...furthest.filter((_, at) => sets[at]?.length)]);
  },
  syncReach: ({ durable, sets }) => least([durable, ...sets.flat().map((one) => one.durable)]),
  counts: (answerEpoch, epoch) => answerEpoch === epoch,
  mayJoin: (held, commit) => held >= commit,
  setsInForce: (known, asked) => [known, ...asked],
  acknowledged: (_, durable) => durable,
  fits: (ownTerm, prevTerm) => ownTerm === prevTerm,
  mustSalvage: (entries) => entries > 0,
  mustCopy: (common, commit) => common === null || common < commit,
  isReady: ({ inSync, commit, held }) => inSync && held >= commit,
  isNamed: (inSync, id) => inSync.includes(id),
  promiseIsOver: (now, promiseUntil) => now >= promiseUntil,
  isBest: (own, others) =>
    others.every((one) => own.term > one.term || (own.term === one.term && own.index >= one.index)),
  mustHear: (others, heard) => others.every(heard),
  asReckoned: (inSync) => inSync,
  isOwn: ({ id, holder, epoch, hard, lastTerm, unbroken }) =>
    holder === id &&
    (unbroken || lastTerm === epoch || (hard.term === epoch && hard.votedFor === id)),
  startsAsPrimary: (configured, epoch) => configured && epoch === 0,
  mustYield: (granted) => !granted,
  commitBound: (told, verified, durable) => least([told, verified, durable]),
  isSameDisk: (known, disk) => known === disk,
};
