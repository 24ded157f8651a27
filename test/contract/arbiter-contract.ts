import { expect } from "vitest";
import { type NodeId, parseNodeId, type Term, toTerm } from "../../pkg/base/index.js";
import type { AcquireRequest, Arbiter, LeaseRecord } from "../../pkg/replication/ports/index.js";

/** An arbiter with nothing in it, and the time it lives in. */
export interface ArbiterUnderTest {
  /** A short one, whose end a test can wait for. */
  readonly ttlMs: number;
  /** As the node of that name in the cluster of that name sees it; made once each. */
  client(node: string, cluster?: string): Arbiter;
  nowMs(): number;
  pass(ms: number): Promise<void>;
  /** Waits for it; fails after a time that is far beyond what it may take. */
  until(condition: () => Promise<boolean>): Promise<void>;
  /** Ends it as `kill -9` does. */
  kill(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

export interface ArbiterCase {
  readonly title: string;
  run(): Promise<void>;
}

type Test = (world: ArbiterUnderTest) => Promise<void>;

const id = (name: string) => parseNodeId(name) as NodeId;
const [A, B, C] = [id("a"), id("b"), id("c")];
const term = (n: number): Term => toTerm(n);

/** Of leases that a test does not see end. */
const LONG_MS = 60_000;

const take = (world: ArbiterUnderTest, node: NodeId, inSync = [A, B], ttlMs = LONG_MS) =>
  world.client(node).acquire({ candidate: node, epoch: term(0), inSync, ttlMs });

/** For a TTL whose end the test waits for. */
const takeBriefly = (world: ArbiterUnderTest, node: NodeId) =>
  take(world, node, [A, B], world.ttlMs);

const renew = (world: ArbiterUnderTest, holder: NodeId, epoch: number, ttlMs = LONG_MS) =>
  world.client(holder).renew({ holder, epoch: term(epoch), ttlMs });

const free = (world: ArbiterUnderTest) =>
  world.until(async () => !(await world.client(C).read()).held);

async function oneWinner(world: ArbiterUnderTest): Promise<void> {
  const before = await world.client(A).read();
  expect(before).toEqual({ epoch: 0, holder: null, inSync: [], held: false });
  const answers = await Promise.all([A, B, C].map((node) => take(world, node, [A, B, C])));
  const winners = answers.filter(({ ok }) => ok);
  expect(winners).toHaveLength(1);
  const { record } = winners[0] as (typeof answers)[number];
  expect(record).toEqual({ epoch: 1, holder: record.holder, inSync: [A, B, C], held: true });
  for (const answer of answers) expect(answer.record).toEqual(record);
  expect(await world.client(A).read()).toEqual(record);
}

async function epochsGrow(world: ArbiterUnderTest): Promise<void> {
  const a = world.client(A);
  const ask = (epoch: number) =>
    a.acquire({ candidate: A, epoch: term(epoch), inSync: [A], ttlMs: LONG_MS });
  const granted = [];
  for (const wanted of [7, 3, 8, 20]) {
    const { ok, record } = await ask(wanted);
    expect(ok).toBe(true);
    granted.push(record.epoch);
  }
  expect(granted).toEqual([7, 8, 9, 20]);
  expect(await a.read()).toEqual({ epoch: 20, holder: A, inSync: [A], held: true });
}

async function runningLease(world: ArbiterUnderTest): Promise<void> {
  await take(world, A);
  const ask = { candidate: B, epoch: term(9), inSync: [B], ttlMs: LONG_MS };
  for (const force of [false, true]) {
    const { ok, record } = await world.client(B).acquire({ ...ask, force });
    expect(ok).toBe(false);
    expect(record).toEqual({ epoch: 1, holder: A, inSync: [A, B], held: true });
  }
}

async function inSyncOnly(world: ArbiterUnderTest): Promise<void> {
  const a = world.client(A);
  await take(world, A);
  const { ok, record } = await a.recordInSync({ holder: A, epoch: term(1), inSync: [] });
  expect([ok, record.inSync]).toEqual([true, [A]]);
  await a.release({ holder: A, epoch: term(1) });
  const refused = await take(world, B);
  expect(refused).toEqual({ ok: false, record: { ...record, held: false } });
  const ask = { candidate: B, epoch: term(0), inSync: [C], ttlMs: LONG_MS, force: true };
  const forced = await world.client(B).acquire(ask);
  expect(forced.record).toEqual({ epoch: 2, holder: B, inSync: [B, C], held: true });
  expect(forced.ok).toBe(true);
}

async function lateRequest(world: ArbiterUnderTest): Promise<void> {
  const b = world.client(B);
  const ask = { candidate: B, epoch: term(0), inSync: [B], ttlMs: LONG_MS };
  expect((await b.acquire({ ...ask, ifEpoch: term(1) })).ok).toBe(false);
  await take(world, A);
  await world.client(A).release({ holder: A, epoch: term(1) });
  const seen = (await b.read()).epoch;
  const { record } = await take(world, A);
  await world.client(A).release({ holder: A, epoch: record.epoch });
  for (const force of [false, true]) {
    const late = await b.acquire({ ...ask, force, ifEpoch: seen });
    expect(late).toEqual({ ok: false, record: { ...record, held: false } });
  }
  const granted = await b.acquire({ ...ask, ifEpoch: record.epoch });
  expect(granted).toEqual({ ok: true, record: { epoch: 3, holder: B, inSync: [B], held: true } });
}

/** A standby that was added after the candidate looked may alone have what was acknowledged since. */
async function otherSet(world: ArbiterUnderTest): Promise<void> {
  const [a, b] = [world.client(A), world.client(B)];
  const ask = { candidate: B, epoch: term(0), inSync: [B], ttlMs: LONG_MS };
  expect((await b.acquire({ ...ask, ifInSync: [B] })).ok).toBe(false);
  await take(world, A);
  const { epoch, inSync: seen } = await b.read();
  const { record } = await a.recordInSync({ holder: A, epoch, inSync: [B, C] });
  await a.release({ holder: A, epoch });
  const refusal = { ok: false, record: { ...record, held: false } };
  for (const force of [false, true]) {
    for (const ifInSync of [seen, [], [A, B, C, id("d")], [B, B, C]]) {
      expect(await b.acquire({ ...ask, force, ifEpoch: epoch, ifInSync })).toEqual(refusal);
    }
  }
  const granted = await b.acquire({ ...ask, ifEpoch: epoch, ifInSync: [C, B, A] });
  expect(granted).toEqual({ ok: true, record: { epoch: 2, holder: B, inSync: [B], held: true } });
}

async function staleHolder(world: ArbiterUnderTest): Promise<void> {
  const a = world.client(A);
  await take(world, A);
  await a.release({ holder: A, epoch: term(1) });
  const { record } = await take(world, B);
  expect(record.epoch).toBe(2);
  const old = { holder: A, epoch: term(1) };
  const own = { holder: A, epoch: term(2) };
  for (const claim of [old, own]) {
    expect(await a.renew({ ...claim, ttlMs: LONG_MS })).toEqual({ ok: false, record });
    expect(await a.recordInSync({ ...claim, inSync: [A] })).toEqual({ ok: false, record });
    expect(await a.release(claim)).toEqual({ ok: false, record });
  }
  expect((await renew(world, B, 1)).ok).toBe(false);
  expect(await world.client(B).read()).toEqual(record);
}

async function wholeTtl(world: ArbiterUnderTest): Promise<void> {
  const startMs = world.nowMs();
  await takeBriefly(world, A);
  await free(world);
  expect(world.nowMs() - startMs).toBeGreaterThanOrEqual(world.ttlMs);
  const { record } = await take(world, B);
  expect(record).toEqual({ epoch: 2, holder: B, inSync: [A, B], held: true });
  expect((await renew(world, A, 1)).ok).toBe(false);
}

async function renewed(world: ArbiterUnderTest): Promise<void> {
  await takeBriefly(world, A);
  let sentMs = 0;
  for (let quarter = 0; quarter < 8; quarter += 1) {
    await world.pass(world.ttlMs / 4);
    sentMs = world.nowMs();
    expect((await renew(world, A, 1, world.ttlMs)).ok).toBe(true);
  }
  await free(world);
  expect(world.nowMs() - sentMs).toBeGreaterThanOrEqual(world.ttlMs);
}

async function takenUpAgain(world: ArbiterUnderTest): Promise<void> {
  await takeBriefly(world, A);
  await free(world);
  const late = await renew(world, A, 1);
  expect(late).toEqual({ ok: true, record: { epoch: 1, holder: A, inSync: [A, B], held: true } });
  expect((await take(world, B)).ok).toBe(false);
}

async function longerTtl(world: ArbiterUnderTest): Promise<void> {
  await takeBriefly(world, A);
  const ttlMs = 2 * world.ttlMs;
  const sentMs = world.nowMs();
  expect((await renew(world, A, 1, ttlMs)).ok).toBe(true);
  await free(world);
  expect(world.nowMs() - sentMs).toBeGreaterThanOrEqual(ttlMs);
}

async function recordedLate(world: ArbiterUnderTest): Promise<void> {
  await takeBriefly(world, A);
  await free(world);
  const alone = { holder: A, epoch: term(1), inSync: [] };
  const { ok, record } = await world.client(A).recordInSync(alone);
  expect([ok, record]).toEqual([true, { epoch: 1, holder: A, inSync: [A], held: false }]);
  expect((await take(world, B)).ok).toBe(false);
}

async function released(world: ArbiterUnderTest): Promise<void> {
  const a = world.client(A);
  await take(world, A);
  const claim = { holder: A, epoch: term(1) };
  const done = await a.release(claim);
  expect(done).toEqual({ ok: true, record: { epoch: 1, holder: A, inSync: [A, B], held: false } });
  expect((await a.release(claim)).ok).toBe(true);
  expect((await renew(world, A, 1)).ok).toBe(false);
  expect((await a.recordInSync({ ...claim, inSync: [A] })).ok).toBe(false);
  expect((await take(world, B)).record).toMatchObject({ epoch: 2, holder: B, held: true });
}

/** A link that was lost comes back by itself. */
const back = (world: ArbiterUnderTest, node: NodeId) =>
  world.until(
    async () =>
      (await world
        .client(node)
        .read()
        .catch(() => null)) !== null,
  );

async function survivesKill(world: ArbiterUnderTest): Promise<void> {
  const restart = async () => {
    await world.kill();
    await world.start();
    for (const node of [A, B, C]) await back(world, node);
  };
  await take(world, A);
  await restart();
  expect((await take(world, B)).ok).toBe(false);
  expect((await renew(world, A, 1)).ok).toBe(true);
  await world.client(A).recordInSync({ holder: A, epoch: term(1), inSync: [C] });
  await restart();
  expect(await world.client(B).read()).toMatchObject({ epoch: 1, holder: A, inSync: [A, C] });
  await world.client(A).release({ holder: A, epoch: term(1) });
  await restart();
  expect((await renew(world, A, 1)).ok).toBe(false);
  expect((await take(world, B)).ok).toBe(false);
  expect((await take(world, C)).record).toMatchObject({ epoch: 2, holder: C, held: true });
}

async function unreachable(world: ArbiterUnderTest): Promise<void> {
  await take(world, A);
  await world.kill();
  const a = world.client(A);
  const claim = { holder: A, epoch: term(1) };
  for (const call of [
    () => take(world, A),
    () => renew(world, A, 1),
    () => a.recordInSync({ ...claim, inSync: [] }),
    () => a.release(claim),
    () => a.read(),
  ]) {
    await expect(call()).rejects.toMatchObject({ name: "ArbiterError", code: "UNREACHABLE" });
  }
  await world.start();
  await back(world, A);
  expect(await a.read()).toMatchObject({ epoch: 1, holder: A, inSync: [A, B] });
}

async function watched(world: ArbiterUnderTest): Promise<void> {
  const seen: LeaseRecord[] = [];
  const stop = world.client(B).watch((record) => seen.push(record));
  const last = () => seen.at(-1);
  await world.until(async () => last()?.epoch === 0);
  await takeBriefly(world, A);
  await world.until(async () => last()?.held === true);
  await world.client(A).recordInSync({ holder: A, epoch: term(1), inSync: [] });
  await world.until(async () => last()?.inSync.length === 1);
  await world.until(async () => last()?.held === false);
  expect(last()).toEqual({ epoch: 1, holder: A, inSync: [A], held: false });
  await world.kill();
  await world.start();
  await world.until(async () => (await take(world, A).catch(() => null))?.ok === true);
  await world.until(async () => (last()?.epoch ?? 0) >= 2);
  stop();
  stop();
  const told = seen.length;
  await world.client(A).release({ holder: A, epoch: last()?.epoch as Term });
  await world.pass(world.ttlMs);
  expect(seen).toHaveLength(told);
  for (const [at, record] of seen.entries()) expect(record).not.toEqual(seen[at - 1]);
}

async function clustersApart(world: ArbiterUnderTest): Promise<void> {
  const clusters = ["one", "two"];
  for (const [at, cluster] of clusters.entries()) {
    const ask = { candidate: A, epoch: term(5 * (at + 1)), inSync: [], ttlMs: LONG_MS };
    expect((await world.client(A, cluster).acquire(ask)).ok).toBe(true);
  }
  const epochs = clusters.map(async (cluster) => (await world.client(B, cluster).read()).epoch);
  expect(await Promise.all(epochs)).toEqual([5, 10]);
  const claim = { holder: A, epoch: term(5) };
  expect((await world.client(A, "two").release(claim)).ok).toBe(false);
  expect((await world.client(B).read()).epoch).toBe(0);
}

async function invalid(world: ArbiterUnderTest): Promise<void> {
  const a = world.client(A);
  const good = { candidate: A, epoch: term(0), inSync: [A], ttlMs: LONG_MS };
  const names = Array.from({ length: 64 }, (_, n) => id(`n${n}`));
  const bad: [RegExp, Partial<AcquireRequest>][] = [
    [/ttlMs/, { ttlMs: 0 }],
    [/ttlMs/, { ttlMs: 1.5 }],
    [/ttlMs/, { ttlMs: 600_001 }],
    [/inSync/, { inSync: names }],
    [/ifInSync/, { ifInSync: [...names, A] }],
    [/epoch/, { epoch: Number.MAX_SAFE_INTEGER as Term }],
  ];
  for (const [message, part] of bad) {
    const asked = a.acquire({ ...good, ...part });
    await expect(asked).rejects.toMatchObject({ code: "INVALID", message });
  }
  expect((await a.read()).epoch).toBe(0);
  expect((await a.acquire({ ...good, inSync: names.slice(1) })).record.inSync).toHaveLength(64);
}

async function closed(world: ArbiterUnderTest): Promise<void> {
  await take(world, A);
  const a = world.client(A);
  await Promise.all([a.close(), a.close()]);
  await expect(a.read()).rejects.toMatchObject({ code: "CLOSED" });
  expect(await world.client(B).read()).toMatchObject({ epoch: 1, holder: A });
}

const CASES: readonly (readonly [string, Test])[] = [
  [
    "AR-1 of candidates that ask together one is granted; the others are told who holds it",
    oneWinner,
  ],
  [
    "AR-2 each grant has a new epoch, above all before and not below the wanted one (FC-083)",
    epochsGrow,
  ],
  ["AR-3 nobody gets a lease that another node holds, forced or not", runningLease],
  [
    "AR-4 AR-5 a candidate outside the in-sync set is refused, unless an operator says so",
    inSyncOnly,
  ],
  [
    "AR-18 a request that comes after another primary came and went is refused, forced or not (FC-087)",
    lateRequest,
  ],
  ["AR-19 a request that reckoned with another set is refused, forced or not (FC-087)", otherSet],
  ["AR-6 a stale holder renews, records and releases nothing", staleHolder],
  ["AR-7 AR-8 a lease runs its whole TTL and is free after it", wholeTtl],
  ["AR-7 a renewal counts the whole TTL anew", renewed],
  ["AR-7 a renewal may name a longer TTL", longerTtl],
  [
    "AR-8 a lease that ran out is taken up again by its holder, until another took it",
    takenUpAgain,
  ],
  [
    "AR-8 who held the lease last may still say who is in sync, until another took it",
    recordedLate,
  ],
  ["AR-9 a released lease is free at once, and its epoch is over", released],
  ["AR-10 what was answered survives the end of the arbiter", survivesKill],
  [
    "AR-12 an arbiter that is gone rejects every call, and is used again when it is back",
    unreachable,
  ],
  [
    "AR-13 a watch tells of each change, of the end of a lease, and goes on after a restart",
    watched,
  ],
  ["AR-14 clusters do not see each other", clustersApart],
  ["AR-16 what is beyond a bound is refused by name, and nothing changes", invalid],
  ["AR-17 closing is idempotent and leaves the lease as it is", closed],
];

/** What holds for every arbiter; the runner decides how time passes and how the arbiter dies. */
export function arbiterContract(open: () => Promise<ArbiterUnderTest>): readonly ArbiterCase[] {
  return CASES.map(([title, test]) => ({
    title,
    run: async () => {
      const world = await open();
      try {
        await test(world);
      } finally {
        await world.close();
      }
    },
  }));
}
