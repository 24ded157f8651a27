import assert from "node:assert/strict";
import type { Position } from "../../pkg/base/index.js";
import type { ApplyResult, Entry, StateMachine } from "../../pkg/replication/ports/index.js";
import { Entries, type PlainCommand } from "./entries.js";

/** One state machine under test, empty at first. */
export interface MachineUnderTest<M extends StateMachine = StateMachine> {
  readonly machine: M;
  /** Closes it in an orderly way and opens what it left; missing for one without a disk. */
  reopen?(): Promise<M>;
  destroy(): Promise<void>;
}

/** Commands of the state machine that is under test. */
export interface CommandSamples {
  /** The nth of a series, from 0: each changes something after those before it, and succeeds. */
  effective(n: number): PlainCommand;
  /** Refused by an empty state, with the code `refusal`. */
  readonly refused: PlainCommand;
  readonly refusal: string;
  /** Whatever nobody should have sent; each is `INVALID`. */
  readonly senseless: readonly PlainCommand[];
}

export interface ContractCase {
  readonly title: string;
  run(): Promise<void>;
}

interface Subject {
  readonly under: MachineUnderTest;
  readonly machine: StateMachine;
  readonly samples: CommandSamples;
  /** A second one, empty too; destroyed with the first. */
  another(): Promise<StateMachine>;
}

/**
 * What every state machine must do, whatever its commands are, as cases for any test runner: each
 * opens its own, asserts, and destroys it.
 */
export function stateMachineContract(
  open: () => Promise<MachineUnderTest>,
  samples: CommandSamples,
): readonly ContractCase[] {
  return CASES.map(([title, body]) => ({
    title,
    run: async () => {
      const opened = [await open()];
      const [under] = opened as [MachineUnderTest];
      const another = async () => {
        const other = await open();
        opened.push(other);
        return other.machine;
      };
      try {
        await body({ under, machine: under.machine, samples, another }, new Entries());
      } finally {
        for (const one of opened) await one.destroy();
      }
    },
  }));
}

/** The first `count` of the series, each with a request id. */
function series(samples: CommandSamples, log: Entries, count: number): Entry[] {
  return Array.from({ length: count }, (_, n) =>
    log.plain(samples.effective(n), { RequestID: `r${n}` }),
  );
}

async function apply(
  machine: StateMachine,
  ...entries: readonly Entry[]
): Promise<readonly ApplyResult[]> {
  return await machine.applyBatch(entries);
}

async function at(machine: StateMachine): Promise<Position> {
  return await machine.getWALPosition();
}

function codes(results: readonly ApplyResult[]): string[] {
  return results.map((r) => (r.ok ? "ok" : r.code));
}

type Body = (subject: Subject, log: Entries) => Promise<void>;

const CASES: readonly (readonly [string, Body])[] = [
  [
    "ST-3 a refused command is a result and leaves nothing",
    async ({ machine, samples }, log) => {
      const before = await machine.digest();
      const results = await apply(machine, log.plain(samples.refused));
      assert.deepEqual(codes(results), [samples.refusal]);
      const after = await machine.digest();
      assert.deepEqual(after.shards, before.shards);
      assert.equal(after.position.index, 1);
    },
  ],
  [
    "ST-8 a repeated request id does nothing and answers as the first time did",
    async ({ machine, samples }, log) => {
      const { effective, refused } = samples;
      const [first] = await apply(machine, log.plain(effective(0), { RequestID: "r1" }));
      assert.deepEqual([first?.ok, first?.replayed], [true, false]);
      const digest = await machine.digest();
      const again = await apply(machine, log.plain(effective(1), { RequestID: "r1" }));
      assert.deepEqual(again, [{ ...first, index: 2, replayed: true }]);
      const [no] = await apply(machine, log.plain(refused, { RequestID: "r2" }));
      const [noAgain] = await apply(machine, log.plain(effective(1), { RequestID: "r2" }));
      assert.deepEqual(noAgain, { ...no, index: 4, replayed: true });
      assert.deepEqual((await machine.digest()).shards, digest.shards);
    },
  ],
  [
    "ST-10 an entry that makes no sense is refused and moves the position",
    async ({ machine, samples }, log) => {
      const before = await machine.digest();
      const results = await apply(
        machine,
        log.bytes(""),
        log.bytes("[]"),
        log.bytes('{"Type":7}'),
        log.raw({ Type: samples.effective(0).type, Data: "not base64!" }),
        log.raw({ Type: 255, Data: "" }),
        log.raw({ Type: samples.effective(0).type, Data: "e30=", RequestID: 7 }),
        ...samples.senseless.map((command) => log.plain(command)),
      );
      assert.deepEqual(codes(results), Array(6 + samples.senseless.length).fill("INVALID"));
      const after = await machine.digest();
      assert.equal(after.position.index, results.length);
      assert.deepEqual(after.shards, before.shards);
    },
  ],
  [
    "ST-15 a snapshot onto a dirty store leaves exactly what was copied (FC-056, FC-057)",
    async ({ machine, samples }, log) => {
      const [first, second, third] = series(samples, log, 3) as [Entry, Entry, Entry];
      const [result] = await apply(machine, first);
      const digest = await machine.digest();
      const snapshot = await machine.snapshot();
      await apply(machine, second, third);
      assert.deepEqual(snapshot.position, digest.position);
      assert.deepEqual(await machine.restore(snapshot.chunks()), digest.position);
      await snapshot.close();
      assert.deepEqual(await machine.digest(), digest);
      const retry = new Entries(1).plain(samples.effective(2), { RequestID: "r0" });
      assert.deepEqual(await apply(machine, retry), [{ ...result, index: 2, replayed: true }]);
    },
  ],
  [
    "ST-16 a damaged or cut snapshot is refused and nothing changes (FC-053, FC-054)",
    async ({ machine, samples }, log) => {
      await apply(machine, ...series(samples, log, 200));
      const digest = await machine.digest();
      const snapshot = await machine.snapshot();
      const bytes = Buffer.concat(await collect(snapshot.chunks()));
      await snapshot.close();
      for (const cut of [0, 10, bytes.length >> 1]) {
        await assert.rejects(machine.restore(oneChunk(bytes.subarray(0, cut))), {
          code: "SNAPSHOT_INVALID",
        });
      }
      assert.deepEqual(await machine.digest(), digest);
      const next = log.plain(samples.effective(200));
      assert.deepEqual(codes(await apply(machine, next)), ["ok"]);
    },
  ],
  [
    "ST-18 the state and its position survive closing and opening",
    async ({ machine, under, samples }, log) => {
      if (under.reopen === undefined) return;
      await apply(machine, ...series(samples, log, 1), log.other("noop"));
      const digest = await machine.digest();
      const reopened = await under.reopen();
      assert.deepEqual(await reopened.getWALPosition(), digest.position);
      assert.deepEqual(await reopened.durablePosition(), digest.position);
      assert.deepEqual(await reopened.digest(), digest);
      const retry = log.plain(samples.effective(1), { RequestID: "r0" });
      const [replay] = await apply(reopened, retry);
      assert.equal(replay?.replayed, true);
    },
  ],
  [
    "ST-20 closing is idempotent and later calls are refused",
    async ({ machine, samples }, log) => {
      await machine.close();
      await machine.close();
      const late = series(samples, log, 1);
      await assert.rejects(async () => apply(machine, ...late), { code: "CLOSED" });
    },
  ],
  [
    "ST-21 flush makes durable what was applied, as far as anything is",
    async ({ machine, under, samples }, log) => {
      await apply(machine, ...series(samples, log, 2));
      const survives = under.reopen === undefined ? 0 : 2;
      assert.equal((await machine.flush()).index, survives);
      assert.equal((await machine.durablePosition()).index, survives);
    },
  ],
  [
    "ST-24 results and state depend on the log alone, not on how it falls into batches or on when they come",
    async ({ machine, samples, another }, log) => {
      const entries = [
        ...series(samples, log, 8),
        log.other("noop"),
        log.plain(samples.effective(9), { RequestID: "r3" }),
        log.plain(samples.senseless[0] as PlainCommand),
        log.other("config"),
        log.other("marker"),
      ];
      const atOnce = await apply(machine, ...entries);
      const other = await another();
      const oneByOne: ApplyResult[] = [];
      for (const entry of entries) oneByOne.push(...(await apply(other, entry)));
      assert.deepEqual(oneByOne, atOnce);
      assert.deepEqual(await other.digest(), await machine.digest());
    },
  ],
  [
    "ST-35 content that is fixed stays while applying goes on, and its sums are the digest's",
    async ({ machine, samples }, log) => {
      const { content } = machine;
      if (content === undefined) return;
      await apply(machine, ...series(samples, log, 5));
      const digest = await machine.digest();
      assert.deepEqual(await content.fix(), digest.position);
      await apply(machine, log.plain(samples.effective(5)));
      const { sums } = await content.inspect({ kind: "sums" });
      assert.deepEqual(sums, digest.shards);
      await content.release();
      await content.release();
      await assert.rejects(async () => content.inspect({ kind: "sums" }));
      assert.notDeepEqual((await machine.digest()).shards, digest.shards);
      assert.equal((await at(machine)).index, 6);
    },
  ],
];

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return parts;
}

async function* oneChunk(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
