import { execFile, spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type NodeId, parseNodeId, toTerm } from "../../pkg/base/index.js";
import { loadConfig } from "../../pkg/config/index.js";
import { openArbiter } from "../../pkg/replication/arbiter/index.js";
import type { Transport } from "../../pkg/replication/ports/index.js";
import { noMetrics, silentLogger } from "../../pkg/runtime/index.js";
import {
  nodeHttpClient,
  nodeNetwork,
  systemClock,
  systemRandom,
  systemTimers,
} from "../../pkg/runtime/node/index.js";
import { createTransport } from "../../pkg/transport/index.js";
import { EtcdProcess } from "./support/etcd-process.js";
import { etcdProgram } from "./support/etcd-program.js";
import { type CodeBlock, codeBlocks } from "./support/markdown.js";
import { NORNICD, ROOT } from "./support/nornicd.js";
import { freePorts } from "./support/raft-cluster.js";
import { realTime } from "./support/real-time.js";

const PAGE = "docs/operations/arbiter.md";
const ANYTHING = "…";
const SECRET = "the secret of all pairs";
const SERVES = "nornicd --witness";

const run = promisify(execFile);
const folder = mkdtempSync(path.join(tmpdir(), "arbiter-docs-"));
const text = readFileSync(path.join(ROOT, PAGE), "utf8");
const blocks = codeBlocks(text);
const program = etcdProgram();
const [A, B] = ["a", "b"].map((name) => parseNodeId(name) as NodeId) as [NodeId, NodeId];
/** What stands in the page, and what it is here. */
const swaps = new Map<string, string>();
const closing: (() => unknown)[] = [];

const here = (script: string) =>
  [...swaps].reduce((now, [shown, real]) => now.replaceAll(shown, real), script);

beforeAll(async () => {
  const [http, cluster] = await freePorts(2);
  swaps.set("127.0.0.1:7474", `127.0.0.1:${http}`);
  swaps.set("127.0.0.1:7688", `127.0.0.1:${cluster}`);
  swaps.set("/var/lib/nornic-witness", path.join(folder, "data"));
  swaps.set("/etc/nornic/secret", path.join(folder, "secret"));
  const bin = path.join(folder, "bin");
  mkdirSync(bin);
  writeFileSync(
    path.join(bin, "nornicd"),
    `#!/bin/sh\nexec "${process.execPath}" "${NORNICD}" "$@"\n`,
  );
  chmodSync(path.join(bin, "nornicd"), 0o755);
  writeFileSync(path.join(folder, "secret"), SECRET);
  const [witness] = yamlBlocks();
  writeFileSync(path.join(folder, "witness.yaml"), here((witness as CodeBlock).text));
});
afterAll(async () => {
  for (const close of closing.reverse()) await close();
  rmSync(folder, { recursive: true });
});

const yamlBlocks = () => blocks.filter(({ language }) => language === "yaml");
const environment = () => ({ ...process.env, PATH: `${folder}/bin:${process.env.PATH}` });

/** Starts what serves; waits for what ends, and compares it with the block below. */
async function follow(step: CodeBlock): Promise<void> {
  const script = here(step.text);
  if (step.text.startsWith(SERVES)) {
    const child = spawn("bash", ["-c", `exec ${script}`], { cwd: folder, env: environment() });
    closing.push(() => child.kill("SIGKILL"));
    await new Promise((resolve) => child.stdout.once("data", resolve));
    return;
  }
  const bash = ["-c", `set -euo pipefail\n${script}`];
  const { stdout } = await run("bash", bash, { cwd: folder, env: environment() });
  const shown = blocks[blocks.indexOf(step) + 1] as CodeBlock;
  expect(stdout.trimEnd().split("\n")).toEqual(
    shown.text
      .split("\n")
      .map((line) =>
        line.includes(ANYTHING) ? expect.stringContaining(line.split(ANYTHING)[0] as string) : line,
      ),
  );
}

const steps = blocks.filter(({ language }) => language === "sh");
const forEtcd = ({ text: script }: CodeBlock) => script.includes("2379");
const asCases = (all: readonly CodeBlock[]) => all.map((step) => [step.line, step] as const);

/** A pair as it would ask: the first grant, with both in sync. */
async function takeLease(kind: "witness" | "etcd", address: string, transport: Transport) {
  const settings = { kind, clusterId: "orders", addresses: [address], leaseTtlMs: 6_000 };
  const arbiter = openArbiter(settings, {
    transport,
    http: nodeHttpClient(),
    timers: systemTimers,
  });
  const ask = { candidate: A, epoch: toTerm(0), inSync: [A, B], ttlMs: 60_000 };
  await realTime.until(async () => (await arbiter.acquire(ask).catch(() => null))?.ok === true);
  await arbiter.close();
}

function transportOf(): Transport {
  return createTransport({
    nodeId: A,
    clusterId: "orders",
    listen: { host: "127.0.0.1", port: 0 },
    secret: Buffer.from(SECRET),
    network: nodeNetwork(),
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    logger: silentLogger,
    metrics: noMetrics,
  });
}

describe(PAGE, () => {
  it("every example of settings is one", () => {
    expect(yamlBlocks()).toHaveLength(3);
    for (const block of yamlBlocks()) {
      expect(() => loadConfig({ file: { path: "n.yaml", text: block.text } })).not.toThrow();
    }
  });

  it.each(asCases(steps.filter((step) => !forEtcd(step))))(
    "the commands of line %i print what stands below them",
    async (_line, step) => {
      if (step.text.startsWith("cat ")) {
        const transport = transportOf();
        await takeLease("witness", here("127.0.0.1:7688"), transport);
        await transport.close();
      }
      await follow(step);
    },
  );

  describe.skipIf(program === undefined)("with etcd", () => {
    beforeAll(async () => {
      const etcd = await EtcdProcess.start(program as string);
      closing.push(() => etcd.close());
      swaps.set("127.0.0.1:2379", etcd.addresses[0] as string);
      const transport = transportOf();
      closing.push(() => transport.close());
      await takeLease("etcd", etcd.addresses[0] as string, transport);
    });

    it.each(asCases(steps.filter(forEtcd)))(
      "the commands of line %i print what stands below them",
      (_line, step) => follow(step),
    );
  });
});
