import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { killLoop } from "./support/kill-loop.js";

const dataDir = mkdtempSync(path.join(tmpdir(), "nornic-kill-"));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

describe("kill -9 under load", () => {
  it("DR-1 loses no acknowledged write over a few kills (FC-038, FC-190)", async () => {
    const report = await killLoop({ dataDir, kills: 4, writers: 16 });
    expect(report.acknowledged).toBeGreaterThan(0);
    expect(report.lost).toEqual([]);
    expect(report.half).toBe(0);
  });
});
