import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type NodeId, parseNodeId, toTerm } from "../../pkg/base/index.js";
import type { Arbiter } from "../../pkg/replication/ports/index.js";
import { type ArbiterUnderTest, arbiterContract } from "../contract/arbiter-contract.js";
import { ask } from "./support/ask.js";
import { certify, makeAuthority } from "./support/certificates.js";
import { runNornicd } from "./support/ended.js";
import { realTime } from "./support/real-time.js";
import { WitnessProcess } from "./support/witness-process.js";

const KILLS = 8;
const A = parseNodeId("a") as NodeId;
const claim = { candidate: A, epoch: toTerm(0), inSync: [A], ttlMs: 60_000 };

describe("nornicd --witness", () => {
  let witness: WitnessProcess;
  let worlds = 0;
  beforeAll(async () => {
    witness = await WitnessProcess.start();
  });
  afterAll(() => witness.close());

  /** One witness for all cases: each has clusters of its own. */
  async function world(): Promise<ArbiterUnderTest> {
    worlds += 1;
    const prefix = `w${worlds}`;
    const clients = new Map<string, Arbiter>();
    await witness.start();
    return {
      ...realTime,
      ttlMs: 400,
      client(node, cluster = "c") {
        const key = `${cluster}/${node}`;
        const made = clients.get(key) ?? witness.node(`${prefix}-${cluster}`, node);
        clients.set(key, made);
        return made;
      },
      kill: () => witness.kill(),
      start: () => witness.start(),
      close: async () => {
        for (const client of clients.values()) await client.close();
      },
    };
  }

  it.each(arbiterContract(world).map((one) => [one.title, one] as const))("%s", (_title, one) =>
    one.run(),
  );

  it(`AR-10 killed at the acknowledgement, ${KILLS} times, it has what it acknowledged`, async () => {
    const arbiter = witness.node("kills", "a");
    for (let kill = 1; kill <= KILLS; kill += 1) {
      await realTime.until(async () => (await arbiter.read().catch(() => null)) !== null);
      const { record } = await arbiter.acquire(claim);
      await witness.kill();
      await witness.start();
      await realTime.until(async () => (await arbiter.read().catch(() => null)) !== null);
      expect(await arbiter.read()).toEqual(record);
      expect(record.epoch).toBe(kill);
    }
  });

  it("AR-25 tells how it is, for probes and for Prometheus", async () => {
    await realTime.until(async () =>
      witness
        .node("told", "a")
        .acquire(claim)
        .then(({ ok }) => ok),
    );
    const { url } = witness.server;
    const health = await ask(`${url}/health`);
    expect(health.body).toEqual({
      status: "ok",
      witness: { node_id: "witness", clusters: expect.any(Number) },
    });
    for (const page of ["livez", "readyz"]) expect((await ask(`${url}/${page}`)).status).toBe(200);
    const { text } = await ask(`${url}/metrics`);
    expect(text).toContain('nornicdb_witness_epoch{cluster="told"} 1');
    expect(text).toMatch(/nornicdb_witness_requests_total\{request="acquire",result="ok"\} \d+/);
    expect((await ask(`${url}/nodes`)).status).toBe(404);
    expect((await ask(`${url}/health`, "POST", {})).status).toBe(404);
  });

  it("AR-25 a second one on the same data is refused; SIGTERM ends it with 0", async () => {
    const server = witness.server;
    const args = ["--witness", "--data-dir", witness.folder];
    const environment = {
      NORNICDB_CLUSTER_BIND_ADDR: "127.0.0.1:0",
      NORNICDB_HTTP_ADDR: "127.0.0.1:0",
    };
    const second = await runNornicd(args, environment);
    expect([second.code, second.err]).toEqual([1, expect.stringContaining("is locked by")]);
    expect(await server.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    await witness.kill();
    await witness.start();
  });

  it("AR-25 a port that others reach needs proof of who calls", async () => {
    const open = { NORNICDB_CLUSTER_BIND_ADDR: "0.0.0.0:0" };
    const { code, err } = await runNornicd(["--witness", "--data-dir", witness.folder], open);
    expect(code).toBe(78);
    expect(err).toContain("NORNICDB_CLUSTER_SECRET");
  });

  it("AR-22 a damaged record keeps it from starting, and is named", async () => {
    await witness.kill();
    const file = path.join(witness.folder, "leases", "broken.json");
    writeFileSync(file, '{"format":1}');
    const env = { NORNICDB_CLUSTER_BIND_ADDR: "127.0.0.1:0", NORNICDB_HTTP_ENABLED: "false" };
    const { code, err } = await runNornicd(["--witness", "--data-dir", witness.folder], env);
    expect(code).toBe(1);
    expect(err).toContain("broken.json is damaged");
  });
});

describe("a witness with certificates", () => {
  it("AR-21 a certificate that is bound to a cluster counts in that one only (FC-170)", async () => {
    const authority = await makeAuthority("authority of all pairs");
    const own = await certify(authority, "witness");
    const folder = mkdtempSync(path.join(tmpdir(), "witness-tls-"));
    const file = (name: string, text: string) => {
      writeFileSync(path.join(folder, name), text);
      return path.join(folder, name);
    };
    const witness = await WitnessProcess.start({
      NORNICDB_CLUSTER_TLS_ENABLED: "true",
      NORNICDB_CLUSTER_TLS_CERT_FILE: file("cert.pem", own.certificate),
      NORNICDB_CLUSTER_TLS_KEY_FILE: file("key.pem", own.key),
      NORNICDB_CLUSTER_TLS_CA_FILE: file("ca.pem", own.authority),
    });
    try {
      const bound = await certify(authority, "a", "nornic://orders/a");
      const orders = witness.node("orders", "a", bound);
      await realTime.until(
        async () => (await orders.acquire(claim).catch(() => null))?.ok === true,
      );
      const stocks = witness.node("stocks", "a", bound);
      await expect(stocks.acquire(claim)).rejects.toMatchObject({ code: "REFUSED" });
      const noNode = await certify(await makeAuthority("another"), "a", "nornic://orders/a");
      await expect(witness.node("orders", "a", noNode).read()).rejects.toMatchObject({
        code: expect.stringMatching(/REFUSED|UNREACHABLE/),
      });
    } finally {
      await witness.close();
      rmSync(folder, { recursive: true });
    }
  });
});
