import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { benchFullSync } from "./ha-full-sync.js";
import { benchLatency, benchVerification } from "./ha-latency.js";
import { benchWrites } from "./ha-writes.js";

/** A primary in this process and its standby in another, both on this machine. */
export async function run(): Promise<void> {
  for (const bench of [benchLatency, benchWrites, benchVerification, benchFullSync]) {
    const directory = mkdtempSync(path.join(process.env.BENCH_DIR ?? tmpdir(), "nornic-bench-"));
    try {
      await bench(directory);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
}
