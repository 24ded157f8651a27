import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ask } from "./support/ask.js";
import { runNode } from "./support/ended.js";
import { HaPair } from "./support/ha-pair.js";
import { NORNICCTL, type Nornicd, startNornicd } from "./support/nornicd.js";
import { until } from "./support/raft-cluster.js";

const folder = mkdtempSync(path.join(tmpdir(), "mode-change-"));
const members = new Map<string, Nornicd>();
let pair: HaPair;

beforeAll(async () => {
  pair = await HaPair.make(folder, { witness: true, named: true });
});
afterAll(async () => {
  await pair.close();
  for (const member of members.values()) await member.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

/** The node on the directory that it had in the pair, told of nothing but these. */
function startAs(id: string, environment: Readonly<Record<string, string>>): Promise<Nornicd> {
  return startNornicd({
    dataDir: pair.folder(id),
    environment: {
      NORNICDB_CLUSTER_NODE_ID: id,
      NORNICDB_CLUSTER_DATA_DIR: path.join(pair.folder(id), "replication"),
      ...environment,
    },
  });
}

async function join(id: string, bootstrap: boolean): Promise<Nornicd> {
  const member = await startAs(id, {
    NORNICDB_CLUSTER_MODE: "raft",
    NORNICDB_CLUSTER_BIND_ADDR: pair.address(id),
    NORNICDB_CLUSTER_RAFT_BOOTSTRAP: String(bootstrap),
  });
  members.set(id, member);
  return member;
}

async function write({ url }: Nornicd, id: string): Promise<string> {
  const { status, text, body } = await ask(`${url}/nodes/${id}`, "PUT", { labels: ["X"] });
  expect([200, 201], text).toContain(status);
  return body.receipt.durability;
}

const has = async ({ url }: Nornicd, id: string) =>
  (await ask(`${url}/nodes/${id}?consistency=ONE`)).status === 200;

it("WI-5 the same directories are served alone, then by a pair, then by a raft cluster, and no write is lost (FC-161)", async () => {
  const alone = await startAs("a", { NORNICDB_CLUSTER_MODE: "standalone" });
  expect(await write(alone, "alone")).toBe("local");
  await alone.kill("SIGTERM");

  await pair.startBoth();
  await pair.leads("a");
  expect(await write(pair.node("a"), "pair")).toMatch(/received|persisted/);
  await until("the standby has both", async () => {
    return (await pair.has("b", "alone")) && (await pair.has("b", "pair"));
  });
  await pair.kill("b", "SIGTERM");
  await pair.kill("a", "SIGTERM");

  await expect(startAs("a", { NORNICDB_CLUSTER_MODE: "standalone" })).rejects.toThrow(
    /one of a primary and its standbys/,
  );
  await expect(join("b", true)).rejects.toThrow(/not the primary's of epoch/);

  const first = await join("a", true);
  await until("the founder leads", async () => (await ask(`${first.url}/leader`)).status === 200);
  const second = await join("b", false);
  const added = await runNode([
    ...[NORNICCTL, "--endpoint", first.url],
    ...["member", "add", "b", pair.address("b")],
  ]);
  expect(added).toMatchObject({ code: 0, err: "" });
  expect(await write(second, "cluster")).toBe("quorum");
  for (const id of ["alone", "pair", "cluster"]) {
    for (const member of [first, second]) {
      await until(`${id} is there`, () => has(member, id));
    }
  }
  const verified = await runNode([NORNICCTL, "--endpoint", second.url, "--json", "verify"]);
  expect(JSON.parse(verified.out)).toMatchObject({ equal: true, replicas: { equal: true } });
}, 120_000);
