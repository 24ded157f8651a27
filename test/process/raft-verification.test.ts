import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ask } from "./support/ask.js";
import { RaftCluster, until } from "./support/raft-cluster.js";

const IDS = ["n1", "n2", "n3"];
const ROWS = 200;

let folder: string;
let cluster: RaftCluster;
let writing: Promise<number>;
let isWriting = false;

/** Writes without end, also to the rows that are changed, each again and again. */
async function write(): Promise<number> {
  let written = 0;
  for (let i = 0; isWriting; i += 1) {
    const { url } = cluster.node(await cluster.leader());
    const body = { labels: ["L"], properties: { again: i } };
    const answers = await Promise.all(
      [`row${150 + (i % 50)}`, `new${i}`].map((id) => ask(`${url}/nodes/${id}`, "PUT", body)),
    ).catch(() => []);
    written += answers.filter(({ status }) => status < 300).length;
  }
  return written;
}

async function metric(id: string, name: string): Promise<number> {
  const { text } = await ask(`${cluster.node(id).url}/metrics`);
  return text
    .split("\n")
    .filter((line) => line.startsWith(name) && !line.startsWith("#"))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

const total = async (name: string) =>
  (await Promise.all(IDS.map((id) => metric(id, name)))).reduce((sum, one) => sum + one, 0);

beforeAll(async () => {
  process.env.NORNICDB_CLUSTER_VERIFY_INTERVAL = "1s";
  folder = mkdtempSync(path.join(tmpdir(), "raft-verification-"));
  cluster = await RaftCluster.make(folder, IDS);
  await Promise.all(IDS.map((id) => cluster.start(id, IDS)));
  const { url } = cluster.node(await cluster.leader());
  const commands = Array.from({ length: ROWS }, (_, i) => ({
    op: "put_node",
    id: `row${i}`,
    labels: ["L"],
    properties: { i },
  }));
  expect((await ask(`${url}/commands`, "POST", { commands })).status).toBe(200);
});

afterAll(async () => {
  delete process.env.NORNICDB_CLUSTER_VERIFY_INTERVAL;
  await cluster.close();
  rmSync(folder, { recursive: true });
});

beforeEach(() => {
  isWriting = true;
  writing = write();
});

describe("rows of a stopped node's SQLite file were changed", () => {
  test.each([
    [1, "repair"],
    [10, "repair"],
    [11, "sync"],
  ] as const)("VF-6 VF-7 VF-10 %i rows: %s, under load", async (count, how) => {
    const victim = await cluster.follower();
    await cluster.kill(victim, "SIGTERM");
    const file = new Database(path.join(cluster.folder(victim), "graph.db"));
    const ids = JSON.stringify(Array.from({ length: count }, (_, i) => `row${i}`));
    const sql = `UPDATE nodes SET properties = '{"i":-1}' WHERE id IN (SELECT value FROM json_each(?))`;
    expect(file.prepare(sql).run(ids).changes).toBe(count);
    file.close();
    await cluster.start(victim, IDS);
    await until(`a ${how} at ${victim}`, async () => {
      const name = `nornicdb_verification_repairs_total{how="${how}"}`;
      return (await metric(victim, name)) > 0;
    });
    isWriting = false;
    expect(await writing).toBeGreaterThan(0);
    const rows = await ask(`${cluster.node(victim).url}/nodes/row0?consistency=QUORUM`);
    expect(rows.body.properties ?? rows.body.node?.properties).toEqual({ i: 0 });
    const dumps = IDS.flatMap((id) => {
      const found = path.join(cluster.folder(id), "replication", "verification");
      return readFound(found).map((name) => readFileSync(path.join(found, name), "utf8"));
    });
    const ours = dumps.find((text) => text.includes(`"action": "${how}"`)) ?? "";
    expect(ours).toContain('"key": "n:row0"');
    expect(ours).toContain('"rightCommand": "node_put"');
    await until("a round that finds all equal", async () => {
      const equal = 'nornicdb_verification_rounds_total{result="equal"}';
      const before = await total(equal);
      await until("another round", async () => (await total(equal)) > before + 1);
      return true;
    });
  });

  test("VF-2 twelve rounds under load raises no alarm", async () => {
    const rounds = 'nornicdb_verification_rounds_total{result="equal"}';
    const alarms = 'nornicdb_verification_rounds_total{result="different"}';
    const [before, alarmsBefore] = [await total(rounds), await total(alarms)];
    await until("twelve more rounds", async () => (await total(rounds)) >= before + 12);
    isWriting = false;
    expect(await writing).toBeGreaterThan(0);
    expect(await total(alarms)).toBe(alarmsBefore);
  });
});

function readFound(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
