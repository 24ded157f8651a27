import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { killLoop } from "../process/support/kill-loop.js";

const KILLS = Number(process.env.CHAOS_KILLS ?? 300);
const dataDir = mkdtempSync(path.join(tmpdir(), "nornic-kill-"));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

describe("kill -9 under load", () => {
  it(`loses no acknowledged write over ${KILLS} kills under 64 writers`, async () => {
    const report = await killLoop({ dataDir, kills: KILLS, writers: 64, log: console.log });
    console.log(report);
    expect(report.kills).toBe(KILLS);
    expect(report.acknowledged).toBeGreaterThan(KILLS * 10);
    expect(report.lost).toEqual([]);
    expect(report.half).toBe(0);
  });
});
