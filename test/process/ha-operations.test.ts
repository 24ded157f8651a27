import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ask } from "./support/ask.js";
import { runNode } from "./support/ended.js";
import { HaPair, type PairOptions } from "./support/ha-pair.js";
import { documentedMetrics, shownMetrics } from "./support/metrics.js";
import { NORNICCTL } from "./support/nornicd.js";
import { until } from "./support/raft-cluster.js";

let folder: string;
let pair: HaPair;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "ha-operations-"));
});
afterEach(async () => {
  await pair.close();
  rmSync(folder, { recursive: true });
});

async function running(options: PairOptions): Promise<void> {
  pair = await HaPair.make(folder, { named: true, ...options });
  await pair.startBoth();
}

function nornicctl(at: string, ...args: string[]) {
  return runNode([NORNICCTL, "--endpoint", pair.node(at).url, ...args]);
}

const metrics = async (at: string) => (await ask(`${pair.node(at).url}/metrics`)).text;

interface Lag {
  readonly entries: number;
  readonly bytes: number;
  readonly ms: number;
}

async function lagOf(at: string, peer: string): Promise<Lag> {
  const { peers } = JSON.parse((await nornicctl(at, "--json", "lag")).out);
  const found = peers.find(({ id }: { readonly id: string }) => id === peer);
  return { entries: found.lag_entries, bytes: found.lag_bytes, ms: found.lag_ms };
}

interface Kept {
  readonly at: number;
  readonly event: string;
  readonly epoch: number;
  readonly cause: string;
  readonly entries?: number;
  readonly salvage?: string;
}

async function failovers(at: string): Promise<readonly Kept[]> {
  return JSON.parse((await nornicctl(at, "--json", "history")).out).failovers;
}

describe("what a pair tells its operators", () => {
  it("metrics are those of the page, and the lag of a frozen standby shows in entries, bytes and time", async () => {
    await running({ environment: { NORNICDB_CLUSTER_HA_SYNC_MODE: "async" }, witness: true });
    const told = ["Metrics", "Of a pair", "Of nodes that have peers"].flatMap(documentedMetrics);
    const shown = shownMetrics(await metrics("a"));
    expect(shown.filter((name) => !told.includes(name))).toEqual([]);
    expect(told.filter((name) => !shown.includes(name))).toEqual([]);

    await pair.write("a", "x");
    const even = () => lagOf("a", "b");
    await until("b has it", async () => (await even()).entries === 0);
    expect(await even()).toEqual({ entries: 0, bytes: 0, ms: 0 });
    pair.node("b").process.kill("SIGSTOP");
    for (let n = 0; n < 20; n += 1) await pair.write("a", `behind${n}`);
    const behind = await until("the lag shows", async () => {
      const lag = await even();
      return lag.entries >= 20 && lag.ms > 0 && lag;
    });
    expect(behind.bytes).toBeGreaterThan(20 * 20);
    expect((await nornicctl("a", "lag", "--max", "19")).code).toBe(2);
    const value = (text: string, name: string) =>
      Number(new RegExp(`^${name}\\{peer="b"\\} (.+)$`, "m").exec(text)?.[1]);
    const text = await metrics("a");
    expect(value(text, "nornicdb_standby_lag_entries")).toBeGreaterThanOrEqual(20);
    expect(value(text, "nornicdb_standby_lag_seconds")).toBeGreaterThan(0);
    expect(value(text, "nornicdb_replication_lag_bytes")).toBeGreaterThan(20 * 20);
    pair.node("b").process.kill("SIGCONT");
    await until("b has all", async () => (await even()).entries === 0);

    expect((await nornicctl("a", "switchover")).code).toBe(0);
    await until("b leads", async () => (await pair.health("b")).role === "primary");
    await until(
      "a tells of no standby",
      async () => !(await metrics("a")).includes('lag_bytes{peer="b"}'),
    );
  });

  it("HB-60 history tells of a failover with epoch, time, cause and what was set aside, also after a restart", async () => {
    const startMs = Date.now();
    await running({ environment: { NORNICDB_CLUSTER_HA_SYNC_MODE: "async" }, witness: true });
    await pair.write("a", "both");
    await pair.streams("b");
    await pair.kill("b");
    for (let n = 0; n < 3; n += 1) await pair.write("a", `lost${n}`);
    await pair.kill("a");
    await pair.start("b", "standby");
    await until("the lease of the dead primary is over", async () => {
      return (await nornicctl("b", "promote", "--force", "--others-stopped")).code === 0;
    });
    await pair.leads("b");
    await pair.start("a", "primary");
    await pair.streams("a");
    const { term } = await pair.health("b");

    const onB = await failovers("b");
    const promotion = onB.find(({ event }) => event === "became_primary");
    expect(promotion).toMatchObject({ epoch: term, cause: expect.stringContaining("order") });
    expect(promotion?.at).toBeGreaterThanOrEqual(startMs);
    expect(promotion?.at).toBeLessThanOrEqual(Date.now());
    const onA = await failovers("a");
    const [file] = JSON.parse((await nornicctl("a", "--json", "salvage", "list")).out).files;
    const lost = onA.find(({ event }) => event === "salvaged");
    expect(lost).toMatchObject({ epoch: term, salvage: file.id });
    expect(lost?.entries).toBeGreaterThanOrEqual(3);
    expect(onA[0]).toMatchObject({
      event: "became_primary",
      cause: expect.stringContaining("founding"),
    });

    expect(await pair.kill("a", "SIGTERM")).toBe(0);
    await pair.start("a", "primary");
    expect((await failovers("a")).slice(0, onA.length)).toEqual(onA);
    const shown = await nornicctl("a", "history");
    expect(shown.out).toMatch(
      new RegExp(`salvaged +epoch=${term} cause=.*entries=\\d+ salvage=${file.id}`),
    );
  });

  it("HB-22 a read at ALL waits for every node, and names the one that does not answer", async () => {
    await running({ environment: { NORNICDB_CLUSTER_HA_SYNC_MODE: "async" }, witness: true });
    const read = (at: string, level: string, id: string) =>
      ask(`${pair.node(at).url}/nodes/${id}?consistency=${level}`);
    for (const [at, id] of [
      ["a", "x"],
      ["b", "y"],
    ] as const) {
      await pair.write("a", id);
      expect((await read(at, "ALL", id)).status).toBe(200);
      const other = at === "a" ? "b" : "a";
      expect((await read(other, "ONE", id)).status).toBe(200);
    }
    pair.node("b").process.kill("SIGSTOP");
    expect((await read("a", "QUORUM", "x")).status).toBe(200);
    const { status, body } = await read("a", "ALL", "x");
    expect([status, body.code]).toEqual([503, "LAGGING"]);
    expect(body.detail).toContain("b (");
    pair.node("b").process.kill("SIGCONT");
    await until("b answers again", async () => (await read("a", "ALL", "x")).status === 200);
  });
});
