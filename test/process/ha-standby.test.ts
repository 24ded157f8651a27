import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ask } from "./support/ask.js";
import { runNode } from "./support/ended.js";
import { HaPair, type PairOptions } from "./support/ha-pair.js";
import { NORNICCTL, startNornicd } from "./support/nornicd.js";
import { until } from "./support/raft-cluster.js";

let folder: string;
let pair: HaPair;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "ha-standby-"));
});
afterEach(async () => {
  await pair.close();
  rmSync(folder, { recursive: true });
});

async function running(options: PairOptions): Promise<void> {
  pair = await HaPair.make(folder, options);
  await pair.startBoth();
}

function nornicctl(at: string, ...args: string[]) {
  return runNode([NORNICCTL, "--endpoint", pair.node(at).url, "--json", ...args]);
}

async function written(at: string, count: number, prefix: string): Promise<readonly string[]> {
  const ids = Array.from({ length: count }, (_, n) => `${prefix}${n}`);
  const answers = await Promise.all(ids.map((id) => pair.write(at, id)));
  for (const { status, text } of answers) expect([200, 201], text).toContain(status);
  return ids;
}

async function expectAll(at: string, ids: readonly string[]): Promise<void> {
  for (const id of ids) expect([id, await pair.has(at, id)]).toEqual([id, true]);
}

/** FC-104: nobody is told that a write is safe where the mode says it is not. */
async function expectNoStandby(at: string): Promise<void> {
  const { status, body } = await pair.write(at, "refused");
  expect([status, body.code, body.outcome]).toEqual([503, "NO_STANDBY", "not_applied"]);
  expect((await ask(`${pair.node(at).url}/primary`)).status).toBe(503);
  expect(await pair.has(at, "refused")).toBe(false);
}

/** They create node after node, each by one request to the same server, until they are stopped. */
class Writers {
  /** The versions that the answers told, by node. */
  readonly #stored = new Map<string, number>();
  readonly #refused: string[] = [];
  readonly #writing: readonly Promise<void>[];
  #goesOn = true;

  constructor(at: string, count: number) {
    this.#writing = Array.from({ length: count }, (_, n) => this.#write(at, `w${n}`));
  }

  async #write(at: string, name: string): Promise<void> {
    for (let n = 0; this.#goesOn; n += 1) {
      const { status, text, body } = await pair.write(at, `${name}-${n}`);
      if (status === 201) this.#stored.set(`${name}-${n}`, body.version);
      else this.#refused.push(text);
    }
  }

  /** That many more are stored. */
  reach(more: number): Promise<unknown> {
    const count = this.#stored.size + more;
    return until("writes go on", async () => this.#stored.size >= count);
  }

  refused(): readonly string[] {
    return this.#refused;
  }

  async stop(): Promise<void> {
    this.#goesOn = false;
    await Promise.all(this.#writing);
  }

  /** What that node has otherwise than it was answered; a write done twice has a later version. */
  async differing(at: string): Promise<readonly string[]> {
    const found: string[] = [];
    for (const [id, version] of this.#stored) {
      const { body } = await ask(`${pair.node(at).url}/nodes/${id}?consistency=ONE`);
      if (body?.version !== version) found.push(`${id}: ${version}, there ${body?.version}`);
    }
    return found;
  }
}

const modes = ["async", "semi_sync", "sync"] as const;

describe("a pair of processes", () => {
  it.each([
    ["by name", true],
    ["by address alone", false],
  ])("HB-1, HB-21 known %s: primary and standby, and where writes go", async (_, named) => {
    await running({ named });
    expect((await pair.write("a", "x")).body.receipt.durability).toMatch(/received|persisted/);
    await until("it is there", () => pair.has("b", "x"));
    expect(await pair.has("b", "x", "QUORUM")).toBe(true);
    const sentOn = await pair.write("b", "y");
    expect(sentOn.status, sentOn.text).toBe(201);
    expect(await pair.has("a", "y")).toBe(true);
    const elsewhere = await ask(`${pair.node("b").url}/nodes/z?redirect=true`, "PUT", {});
    expect(elsewhere.status).toBe(307);
    expect(elsewhere.headers.get("location")).toBe(`${pair.node("a").url}/nodes/z`);
    expect(await pair.has("a", "z")).toBe(false);
    const health = await pair.health("b");
    expect(health).toMatchObject({ role: "standby", leader_id: "a", is_leader: false });
    expect(health).toMatchObject({ leader_addr: pair.address("a"), split_brain_possible: false });
    const status = (url: string, at: string) => ask(`${pair.node(at).url}${url}`);
    expect((await status("/sync", "b")).status).toBe(200);
    expect((await status("/primary", "b")).status).toBe(503);
    // The standby's word for the last entries may still be under way.
    for (const lag of ["nornicdb_standby_lag_entries", "nornicdb_replication_lag_bytes"]) {
      await until(`${lag} is 0`, async () =>
        (await status("/metrics", "a")).text.includes(`${lag}{peer="b"} 0\n`),
      );
    }
    const verified = await nornicctl("b", "verify");
    expect(verified.err).toBe("");
    expect(JSON.parse(verified.out)).toMatchObject({ equal: true, replicas: { equal: true } });
  });

  it.each(modes)(
    "HB-3, HB-20 %s: the primary is killed, its standby takes over with a witness, and it comes back as standby (FC-084, FC-090, FC-104)",
    async (mode) => {
      await running({ witness: true, environment: { NORNICDB_CLUSTER_HA_SYNC_MODE: mode } });
      const ids = await written("a", 50, "x");
      if (mode === "async") await pair.streams("b");
      await pair.kill("a");
      const next = await until("b is primary", async () => {
        const health = await pair.health("b");
        return health.role === "primary" && health;
      });
      expect(next.term).toBeGreaterThan(1);
      if (mode === "sync") await expectNoStandby("b");
      else await pair.leads("b");
      await expectAll("b", ids);
      await pair.start("a", "primary");
      await pair.streams("a");
      await pair.leads("b");
      expect(await pair.health("a")).toMatchObject({ role: "standby", leader_id: "b" });
      const more = await written("b", 20, "y");
      await until("they are there", () => pair.has("a", "y19"));
      await expectAll("a", [...ids, ...more]);
      expect(await pair.has("a", "y0", "QUORUM")).toBe(true);
      const verified = await nornicctl("b", "verify");
      expect(JSON.parse(verified.out)).toMatchObject({ replicas: { equal: true } });
    },
  );

  it("HB-30, HB-31 what only the killed primary had is set aside, shown, and offered again (FC-085, FC-091)", async () => {
    await running({ witness: true, environment: { NORNICDB_CLUSTER_HA_SYNC_MODE: "async" } });
    await written("a", 5, "both");
    await pair.streams("b");
    await pair.kill("b");
    const lost = await written("a", 7, "lost");
    await pair.kill("a");
    // It has heard no primary since it started: only an operator's word makes it one (FC-085).
    await pair.start("b", "standby");
    const careful = await nornicctl("b", "promote");
    expect(careful.code, careful.out).not.toBe(0);
    const forced = await until("the lease of the dead primary is over", async () => {
      const ended = await nornicctl("b", "promote", "--force", "--others-stopped");
      return ended.code === 0 && ended;
    });
    expect(JSON.parse(forced.out).term).toBeGreaterThan(1);
    await pair.leads("b");
    expect(await pair.has("b", "lost0")).toBe(false);
    await written("b", 3, "since");
    await pair.start("a", "primary");
    await pair.streams("a");
    expect(await pair.has("a", "lost0")).toBe(false);
    const listed = await nornicctl("a", "salvage", "list");
    expect(listed.code).toBe(2);
    const [file] = JSON.parse(listed.out).files;
    expect(file).toMatchObject({ commands: 7, replayed_at: null });
    const shown = JSON.parse((await nornicctl("a", "salvage", "show", file.id)).out);
    expect(JSON.stringify(shown.entries)).toContain("lost6");
    const replayed = await nornicctl("a", "salvage", "replay", file.id);
    expect(replayed.err).toBe("");
    expect(JSON.parse(replayed.out)).toMatchObject({ applied: 7, known: 0, refused: [] });
    await expectAll("b", lost);
    const again = await nornicctl("a", "salvage", "replay", file.id);
    expect(JSON.parse(again.out)).toMatchObject({ applied: 0, known: 7, refused: [] });
    expect((await nornicctl("a", "salvage", "discard", file.id)).code).toBe(0);
    expect((await nornicctl("a", "salvage", "list")).code).toBe(0);
  });

  it("HB-3, HB-21 a primary that was frozen beyond its lease acknowledges nothing by itself when it wakes, and follows (FC-086, FC-088, FC-101)", async () => {
    await running({ witness: true, environment: { NORNICDB_CLUSTER_HA_SYNC_MODE: "async" } });
    const ids = await written("a", 10, "x");
    await pair.streams("b");
    const frozen = pair.node("a").process;
    frozen.kill("SIGSTOP");
    // Waits in the socket of the frozen process, and is the first thing that it sees.
    const late = pair.write("a", "late");
    await pair.leads("b");
    const more = await written("b", 10, "y");
    frozen.kill("SIGCONT");
    const { status, text, body } = await late;
    if (status < 500) {
      expect([status, body.receipt.term], text).toEqual([201, (await pair.health("b")).term]);
      expect(await pair.has("b", "late")).toBe(true);
    }
    await pair.streams("a");
    expect(await pair.health("a")).toMatchObject({ role: "standby", leader_id: "b" });
    await expectAll("a", [...ids, ...more]);
  });

  it("HB-21 writes given to one node take effect once, though roles change and the primary is killed meanwhile (FC-145)", async () => {
    await running({ witness: true });
    const writers = new Writers("b", 4);
    await writers.reach(50);
    for (const [from = "", to = ""] of ["ab", "ba"]) {
      expect((await nornicctl(from, "switchover")).err).toBe("");
      await pair.leads(to);
      await pair.streams(from);
    }
    await writers.reach(50);
    expect(writers.refused()).toEqual([]);
    await pair.kill("a");
    await pair.leads("b");
    await writers.reach(50);
    await writers.stop();
    for (const text of writers.refused()) expect(text).toMatch(/NO_LEADER|COMMIT_UNKNOWN/);
    await pair.start("a", "primary");
    await pair.streams("a");
    for (const at of ["a", "b"]) expect(await writers.differing(at)).toEqual([]);
  });

  it("HA-30, CL-6, HT-19 a write may ask for more than the mode, at either node, as far as somebody can give it", async () => {
    await running({ witness: true, environment: { NORNICDB_CLUSTER_HA_SYNC_MODE: "async" } });
    const write = (at: string, id: string, durability: string) =>
      ask(`${pair.node(at).url}/nodes/${id}?durability=${durability}`, "PUT", {});
    for (const at of ["a", "b"]) {
      for (const asked of ["local", "received", "persisted"]) {
        const { body, text } = await write(at, `${at}-${asked}`, asked);
        const enough = { local: /./, received: /received|persisted/, persisted: /persisted/ }[
          asked
        ];
        expect(body.receipt?.durability, text).toMatch(enough as RegExp);
        if (asked !== "local") expect(await pair.has("b", `${at}-${asked}`, "QUORUM")).toBe(true);
      }
      for (const never of ["quorum", "everywhere"]) {
        const { status, body } = await write(at, "never", never);
        expect([status, body.code, body.field]).toEqual([400, "INVALID", "durability"]);
      }
    }
    await pair.kill("b");
    const refused = await until("the standby is missed", async () => {
      const answer = await write("a", "alone", "received");
      return answer.status === 503 && answer;
    });
    expect(refused.body).toMatchObject({ code: "NO_STANDBY", outcome: "not_applied" });
    expect((await write("a", "here", "local")).body.receipt).toMatchObject({ durability: "local" });
    expect(await pair.has("a", "never")).toBe(false);
  });

  it("HB-3 the witness alone goes away, and comes back: writes go on (FC-087)", async () => {
    await running({ witness: true });
    await pair.kill("w");
    for (let round = 0; round < 20; round += 1) {
      await written("a", 5, `x${round}-`);
      await until("the standby has it", () => pair.has("b", `x${round}-4`));
    }
    await pair.startWitness();
    await written("a", 5, "y");
    expect((await pair.health("a")).term).toBe(1);
  });

  it("HB-4 roles change by a command, and by SIGTERM of the primary, without losing a write (FC-097)", async () => {
    await running({ witness: true });
    const ids = await written("a", 20, "x");
    const moved = await nornicctl("b", "switchover");
    expect(moved.err).toBe("");
    await pair.leads("b");
    await pair.streams("a");
    const more = await written("b", 20, "y");
    expect(await pair.kill("b", "SIGTERM")).toBe(0);
    await pair.leads("a");
    await expectAll("a", [...ids, ...more]);
  });

  it("HB-10 a standby that lost its disk copies everything by itself (FC-095)", async () => {
    await running({ witness: true });
    const ids = await written("a", 30, "x");
    await pair.kill("b");
    pair.wipe("b");
    await pair.start("b", "standby");
    await pair.streams("b");
    await expectAll("b", ids);
  });

  it("HB-2 a standalone node becomes a primary with its data; as standby it is refused", async () => {
    pair = await HaPair.make(folder);
    for (const id of ["a", "b"]) {
      const alone = await startNornicd({
        dataDir: pair.folder(id),
        environment: { NORNICDB_CLUSTER_NODE_ID: id },
      });
      await ask(`${alone.url}/nodes/alone`, "PUT", {});
      await alone.kill("SIGTERM");
    }
    await pair.start("a", "primary");
    await expect(pair.start("b", "standby")).rejects.toThrow(/is of no pair/);
    pair.wipe("b");
    await pair.start("b", "standby");
    await pair.streams("b");
    expect(await pair.has("b", "alone")).toBe(true);
  });
});
