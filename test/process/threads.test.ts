import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { runNode } from "./support/ended.js";

/** How long one side is kept busy without a pause. */
const BUSY_MS = 5_000;
/** A loop that waits for the busy side stands for all of that time; other work costs less of it. */
const STALL_MS = BUSY_MS / 2;
const application = fileURLToPath(new URL("./support/busy-application.mjs", import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "busy-application-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Report {
  readonly longestMs: number;
  readonly loopDelay: { readonly maxMs: number };
}

async function run(what: string): Promise<Report> {
  const ended = await runNode([application, path.join(folder, what), what, String(BUSY_MS)]);
  if (ended.code !== 0) throw new Error(ended.err);
  return JSON.parse(ended.out) as Report;
}

/** The delay of one thread while another is kept busy is what these two are about. */
describe("the replication thread", () => {
  it("WI-3 goes on while the application computes (FC-178)", async () => {
    const { longestMs, loopDelay } = await run("main");
    expect(longestMs).toBeGreaterThanOrEqual(BUSY_MS);
    expect(loopDelay.maxMs).toBeLessThan(STALL_MS);
  });

  it("WI-3 goes on while the SQLite writer is busy with one command (FC-060, FC-178)", async () => {
    const { longestMs, loopDelay } = await run("writer");
    expect(longestMs).toBeGreaterThanOrEqual(BUSY_MS);
    expect(loopDelay.maxMs).toBeLessThan(STALL_MS);
  });
});
