import fs, { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openSqliteStorage } from "../../pkg/storage/index.js";
import { Entries } from "../contract/entries.js";

/** Calls that change what a crash would leave. */
const WATCHED = ["openSync", "closeSync", "fsyncSync", "rmSync", "renameSync"] as const;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "restore-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (path: string) => openSqliteStorage({ path, threads: "single" });

/** Calls `look` before and after each of the watched calls of the file system. */
function watchFiles(look: (call: string, target: unknown) => void): () => void {
  const originals = WATCHED.map((name) => [name, fs[name]] as const);
  for (const [name, original] of originals) {
    const call = original as (...args: unknown[]) => unknown;
    Object.assign(fs, {
      [name]: (...args: unknown[]) => {
        look(name, args[0]);
        try {
          return call(...args);
        } finally {
          look(`${name} done`, args[0]);
        }
      },
    });
  }
  syncBuiltinESMExports();
  return () => {
    Object.assign(fs, Object.fromEntries(originals));
    syncBuiltinESMExports();
  };
}

test("ST-28 ST-29 whatever a crash leaves of a restore opens as the old state or as the new one (FC-054, FC-056)", async () => {
  const live = join(folder, "live");
  const states = join(folder, "states");
  for (const path of [live, states]) mkdirSync(path);
  const storage = await open(join(live, "graph.db"));
  const log = new Entries();
  const put = (from: number, x: string) =>
    log.command(
      Array.from({ length: 300 }, (_, i) => ({
        op: "put_node" as const,
        id: `n${from + i}`,
        labels: ["L"],
        properties: { x: x.repeat(2_000) },
      })),
    );
  await storage.applyBatch([put(0, "new")]);
  const snapshot = await storage.snapshot();
  const restored = await storage.digest();
  await storage.applyBatch([put(100, "old"), put(300, "old")]);
  await storage.flush();
  const before = await storage.digest();

  const calls: string[] = [];
  let looking = false;
  const keep = (call: string) => {
    if (looking) return;
    looking = true;
    calls.push(call);
    cpSync(live, join(states, String(calls.length)), {
      recursive: true,
      filter: (file) => !file.includes(".lock"),
    });
    looking = false;
  };
  async function* chunks() {
    for await (const chunk of snapshot.chunks()) {
      keep("chunk");
      yield chunk;
    }
    keep("chunks done");
  }
  const stop = watchFiles((call, target) => {
    if (typeof target !== "string" || target.startsWith(live)) keep(call);
  });
  try {
    await storage.restore(chunks());
  } finally {
    stop();
  }
  expect(await storage.digest()).toEqual(restored);
  await snapshot.close();
  await storage.close();

  const outcome = { old: 0, new: 0 };
  for (let state = 1; state <= calls.length; state += 1) {
    const path = join(states, String(state), "graph.db");
    const found = await open(path);
    const digest = await found.digest();
    const expected = digest.position.index === 1 ? restored : before;
    expect(digest, `${state}: ${calls[state - 1]}`).toEqual(expected);
    expect(await found.recomputeDigest()).toEqual(expected);
    outcome[expected === before ? "old" : "new"] += 1;
    await found.close();
    expect(readdirSync(join(states, String(state)))).toEqual(["graph.db"]);
  }
  expect(outcome.old).toBeGreaterThan(10);
  expect(outcome.new).toBeGreaterThan(2);
  const renamed = calls.indexOf("renameSync");
  expect(calls.lastIndexOf("rmSync done", renamed)).toBeLessThan(
    calls.lastIndexOf("fsyncSync done", renamed),
  );
}, 60_000);
