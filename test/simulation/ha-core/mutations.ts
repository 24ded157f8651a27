import { RULES, type Rules } from "../../../pkg/replication/ha-standby/core/index.js";

/** One planted bug: the true rules with one decision taken wrongly. */
export interface Mutation {
  readonly name: string;
  /** The first seed that shows it within 4,000 steps. */
  readonly seed: number;
  readonly rules: Partial<Rules>;
}

const never = () => false;
const always = () => true;

/** Each is a mistake that a real system has made; the checkers must find every one. */
export const MUTATIONS: readonly Mutation[] = [
  { name: "a primary of an older epoch is obeyed (FC-088)", seed: 1, rules: { obeys: always } },
  {
    name: "a fence is answered before it is durable (FC-084)",
    seed: 1,
    rules: { mustHold: never },
  },
  {
    name: "a lease that never ends (FC-086)",
    seed: 10,
    rules: { covers: ({ askedAt }) => askedAt > 0 },
  },
  {
    name: "a lease counts from its answer on, twice as long",
    seed: 378,
    rules: { covers: (asked) => RULES.covers({ ...asked, ttlTicks: 2 * asked.ttlTicks }) },
  },
  {
    name: "a lease survives a stall (FC-079)",
    seed: 22,
    rules: { covers: (asked) => RULES.covers({ ...asked, floor: 0 }) },
  },
  {
    name: "without its arbiter a primary goes on with nobody's word (FC-087)",
    seed: 10,
    rules: { agrees: always },
  },
  {
    name: "authority is not looked at before the answer (FC-101)",
    seed: 152,
    rules: { mayAnswer: always },
  },
  {
    name: "semi_sync is acknowledged without any standby (FC-104)",
    seed: 6,
    rules: { semiSyncReach: ({ durable }) => durable },
  },
  {
    name: "sync waits for one standby only",
    seed: 8,
    rules: {
      syncReach: ({ durable, sets }) => {
        const there = sets.flat().map((one) => one.durable);
        return Math.min(durable, Math.max(...there, there.length > 0 ? 0 : durable));
      },
    },
  },
  {
    name: "sync counts what was received (FC-105)",
    seed: 2,
    rules: {
      syncReach: ({ durable, sets }) =>
        Math.min(durable, ...sets.flat().map((one) => one.received)),
    },
  },
  {
    name: "writes go on before the arbiter knows who is out of sync (FC-102)",
    seed: 12,
    rules: { setsInForce: (known, asked) => [asked.at(-1) ?? known] },
  },
  {
    name: "what the arbiter was asked and may still do is not reckoned with (FC-102)",
    seed: 6,
    rules: { setsInForce: (known) => [known] },
  },
  {
    name: "a standby reports what it received as durable (FC-105)",
    seed: 1,
    rules: { acknowledged: (received) => received },
  },
  { name: "a divergent tail is cut and not kept (FC-091)", seed: 1, rules: { mustSalvage: never } },
  {
    name: "what was committed is rewound (FC-092)",
    seed: 7,
    rules: { mustCopy: (common) => common === null },
  },
  {
    name: "a standby that was not told is promoted (FC-095)",
    seed: 150,
    rules: { isReady: always },
  },
  { name: "the standby that is behind is promoted (FC-090)", seed: 12, rules: { isBest: always } },
  { name: "a standby that may have more is not heard", seed: 137, rules: { mustHear: always } },
  { name: "whoever asks is taken for the last holder", seed: 1, rules: { isOwn: always } },
  {
    name: "the primary's commit is believed beyond what is durable here",
    seed: 31,
    rules: { commitBound: (told, verified) => Math.min(told, verified) },
  },
  { name: "a wiped standby counts as the one it was", seed: 1, rules: { isSameDisk: always } },
];

export function mutate(mutation: Mutation): Rules {
  return { ...RULES, ...mutation.rules };
}
