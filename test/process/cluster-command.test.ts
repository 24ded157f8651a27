import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, it } from "vitest";
import { ask } from "./support/ask.js";
import { NORNICD, ROOT } from "./support/nornicd.js";
import { freePorts, until } from "./support/raft-cluster.js";

const folder = mkdtempSync(path.join(tmpdir(), "cluster-command-"));
const stops: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const stop of stops) await stop();
  rmSync(folder, { recursive: true });
});

/** The launcher without what `npm run` does before it. */
function launch(args: readonly string[]) {
  const script = `import(${JSON.stringify(path.join(ROOT, "tools/cluster.mjs"))}).then(async ({ runCluster }) => process.exit(await runCluster(${JSON.stringify(NORNICD)}, process.argv.slice(1))))`;
  const child = spawn(process.execPath, ["-e", script, "--", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
  }
  const exited = once(child, "exit").then(([code]) => code as number | null);
  stops.push(async () => {
    child.kill("SIGTERM");
    await exited;
  });
  return { child, exited, out: () => out };
}

const urls = (out: string) =>
  [...out.matchAll(/^(n\d) (http:\S+)$/gm)].map(([, id, url]) => ({ id, url: url as string }));

const pidOf = (id: string, out: string) =>
  Number(new RegExp(`^${id} process (\\d+)$`, "m").exec(out)?.[1]);

it("the local cluster goes on when one of its processes is killed, stops with 0, and runs again on its data", async () => {
  const ports = (await freePorts(3)).join(",");
  const args = ["--data-dir", folder, "--http-port", "0", "--cluster-port", ports];
  const cluster = launch(args);
  await until("a node leads", async () => / leader term /.test(cluster.out()));
  const nodes = urls(cluster.out());
  expect(nodes.map(({ id }) => id)).toEqual(["n1", "n2", "n3"]);
  expect((await ask(`${nodes[0]?.url}/nodes/before`, "PUT", {})).status).toBe(201);

  const leader = /^(n\d) leader term/m.exec(cluster.out())?.[1] as string;
  process.kill(pidOf(leader, cluster.out()), "SIGKILL");
  await until("it is told", async () =>
    cluster.out().includes(`${leader} - term - down (SIGKILL)`),
  );
  const left = nodes.filter(({ id }) => id !== leader);
  const wrote = await until("a write goes through", async () => {
    const answer = await ask(`${left[0]?.url}/nodes/after`, "PUT", {});
    return answer.status < 300 && answer;
  });
  expect(wrote.body.receipt.durability).toBe("quorum");
  cluster.child.kill("SIGINT");
  expect(await cluster.exited).toBe(0);
  expect(cluster.out()).toContain("all nodes are stopped");

  const again = launch(args);
  await until("a node leads", async () => / leader term /.test(again.out()));
  const [node] = urls(again.out());
  for (const id of ["before", "after"]) {
    expect((await ask(`${node?.url}/nodes/${id}`)).status).toBe(200);
  }
  again.child.kill("SIGTERM");
  expect(await again.exited).toBe(0);
});

it("the local pair fails over when its primary is killed, by the word of its witness", async () => {
  const ports = (await freePorts(3)).join(",");
  const pair = launch([
    ...["--mode", "ha_standby", "--data-dir", path.join(folder, "pair")],
    ...["--http-port", "0", "--cluster-port", ports],
  ]);
  await until("n1 is primary", async () => /^n1 primary term/m.test(pair.out()));
  const [first, second] = urls(pair.out());
  const before = await until("a standby takes part", async () => {
    const answer = await ask(`${first?.url}/nodes/before`, "PUT", {});
    return answer.body.receipt?.durability !== "local" && answer;
  });
  expect(before.body.receipt.durability).toMatch(/received|persisted/);
  process.kill(pidOf("n1", pair.out()), "SIGKILL");
  await until("n2 is primary", async () => /^n2 primary term/m.test(pair.out()));
  expect((await ask(`${second?.url}/nodes/before`)).status).toBe(200);
  expect((await ask(`${second?.url}/nodes/after`, "PUT", {})).status).toBe(201);
  pair.child.kill("SIGTERM");
  expect(await pair.exited).toBe(0);
});

it("a cluster that cannot start says why and leaves no process", async () => {
  const wrong = launch(["--http-port", "x"]);
  expect(await wrong.exited).toBe(64);
  expect(wrong.out()).toContain("--http-port");
  const [port] = await freePorts(1);
  const taken = String(port);
  const clash = launch([
    ...["--data-dir", path.join(folder, "clash"), "--cluster-port", `${taken},${taken},${taken}`],
    ...["--http-port", "0"],
  ]);
  expect(await clash.exited).toBe(1);
  expect(clash.out()).toContain("ended before it served");
});
