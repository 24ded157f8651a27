import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type NodeId, parseNodeId, toTerm } from "../../pkg/base/index.js";
import { type EtcdLogin, openArbiter } from "../../pkg/replication/arbiter/index.js";
import type { Arbiter, Transport } from "../../pkg/replication/ports/index.js";
import type { TlsOptions } from "../../pkg/runtime/index.js";
import { nodeHttpClient, systemTimers } from "../../pkg/runtime/node/index.js";
import { type ArbiterUnderTest, arbiterContract } from "../contract/arbiter-contract.js";
import { certify, makeAuthority } from "./support/certificates.js";
import { EtcdProcess } from "./support/etcd-process.js";
import { etcdProgram } from "./support/etcd-program.js";
import { realTime } from "./support/real-time.js";

const TTL_MS = 1_000;
const A = parseNodeId("a") as NodeId;
const program = etcdProgram();

const noTransport: Transport = {
  listen: () => Promise.reject(new Error("etcd is not asked over our transport")),
  connect: () => {
    throw new Error("etcd is not asked over our transport");
  },
  close: async () => {},
};

const open: Arbiter[] = [];

interface Access {
  readonly login?: EtcdLogin | undefined;
  readonly tls?: TlsOptions | undefined;
}

function etcdArbiter(
  clusterId: string,
  addresses: readonly string[],
  access: Access = {},
): Arbiter {
  const settings = { kind: "etcd" as const, clusterId, addresses, leaseTtlMs: 6_000, ...access };
  const arbiter = openArbiter(settings, {
    transport: noTransport,
    http: nodeHttpClient(),
    timers: systemTimers,
  });
  open.push(arbiter);
  return arbiter;
}

const ask = { candidate: A, epoch: toTerm(0), inSync: [A], ttlMs: TTL_MS };

afterAll(() => Promise.all(open.map((arbiter) => arbiter.close())));

describe.skipIf(program === undefined)("arbiter contract: etcd", () => {
  let etcd: EtcdProcess;
  let worlds = 0;
  beforeAll(async () => {
    etcd = await EtcdProcess.start(program as string);
  });
  afterAll(() => etcd?.close());

  /** One etcd for all cases: each has clusters of its own. */
  async function world(): Promise<ArbiterUnderTest> {
    worlds += 1;
    const prefix = `w${worlds}`;
    const clients = new Map<string, Arbiter>();
    await etcd.startAll();
    return {
      ...realTime,
      ttlMs: TTL_MS,
      client(node, cluster = "c") {
        const key = `${cluster}/${node}`;
        const made = clients.get(key) ?? etcdArbiter(`${prefix}-${cluster}`, etcd.addresses);
        clients.set(key, made);
        return made;
      },
      kill: () => etcd.killAll(),
      start: () => etcd.startAll(),
      close: async () => {
        for (const client of clients.values()) await client.close();
      },
    };
  }

  it.each(arbiterContract(world).map((one) => [one.title, one] as const))("%s", (_title, one) =>
    one.run(),
  );
});

describe.skipIf(program === undefined)("three members of etcd", () => {
  it("AR-30 any one of them may be dead or frozen", async () => {
    const etcd = await EtcdProcess.start(program as string, 3);
    try {
      const arbiter = etcdArbiter("three", etcd.addresses);
      await realTime.until(async () => (await arbiter.acquire(ask).catch(() => null))?.ok === true);
      const { epoch } = await arbiter.read();
      const changes: number[] = [];
      arbiter.watch((record) => changes.push(record.epoch));
      const holds = async () => {
        const renewed = arbiter.renew({ holder: A, epoch, ttlMs: TTL_MS }).catch(() => null);
        return (await renewed)?.ok === true;
      };
      for (const member of [0, 1, 2]) {
        await etcd.killMember(member);
        await realTime.until(holds);
        etcd.startMember(member);
        await realTime.until(holds);
        etcd.signalMember(member, "SIGSTOP");
        await realTime.until(holds);
        etcd.signalMember(member, "SIGCONT");
        await realTime.until(holds);
      }
      await etcd.killMember(0);
      await etcd.killMember(1);
      await expect(arbiter.read()).rejects.toMatchObject({ code: "UNREACHABLE" });
      await etcd.startAll();
      await realTime.until(async () => (await arbiter.acquire(ask).catch(() => null))?.ok === true);
      await realTime.until(async () => (changes.at(-1) ?? 0) > epoch);
    } finally {
      await etcd.close();
    }
  });
});

describe.skipIf(program === undefined)("etcd with a login", () => {
  it("AR-31 a token is asked for, and again after a restart; a wrong password is refused", async () => {
    const etcd = await EtcdProcess.start(program as string);
    try {
      await enableLogin(etcd.addresses[0] as string);
      const login = { user: "pairs", password: "secret" };
      const arbiter = etcdArbiter("guarded", etcd.addresses, { login });
      expect((await arbiter.acquire(ask)).ok).toBe(true);
      const seen: number[] = [];
      arbiter.watch((record) => seen.push(record.epoch));
      await etcd.killAll();
      await etcd.startAll();
      await realTime.until(async () => (await arbiter.acquire(ask).catch(() => null))?.ok === true);
      const { epoch } = await arbiter.read();
      await realTime.until(async () => seen.includes(epoch));
      for (const wrong of [undefined, { ...login, password: "guess" }]) {
        const refused = etcdArbiter("guarded", etcd.addresses, { login: wrong }).acquire(ask);
        await expect(refused).rejects.toMatchObject({ name: "ArbiterError", code: "REFUSED" });
      }
    } finally {
      await etcd.close();
    }
  });
});

describe.skipIf(program === undefined)("etcd over https", () => {
  it("AR-33 both sides show a certificate of one authority; another one's is not believed", async () => {
    const authority = await makeAuthority("authority of etcd and nodes");
    const etcd = await EtcdProcess.start(program as string, 1, await certify(authority, "etcd"));
    try {
      const tls = await certify(authority, "a");
      const arbiter = etcdArbiter("secure", etcd.addresses, { tls });
      expect((await arbiter.acquire(ask)).ok).toBe(true);
      const seen: number[] = [];
      arbiter.watch((record) => seen.push(record.epoch));
      await realTime.until(async () => seen.length > 0);
      expect((await arbiter.acquire(ask)).ok).toBe(true);
      await realTime.until(async () => seen.includes(2));
      const foreign = await certify(await makeAuthority("another"), "a");
      for (const wrong of [foreign, { ...foreign, authority: tls.authority }, undefined]) {
        const refused = etcdArbiter("secure", etcd.addresses, { tls: wrong }).read();
        await expect(refused).rejects.toMatchObject({ code: "UNREACHABLE" });
      }
    } finally {
      await etcd.close();
    }
  });
});

/** As docs/operations/arbiter.md says: a user that has the keys below `/nornicdb/` and no others. */
async function enableLogin(address: string): Promise<void> {
  const perm = { permType: "READWRITE", key: "L25vcm5pY2RiLw==", range_end: "L25vcm5pY2RiMA==" };
  for (const [path, body] of [
    ["auth/user/add", { name: "root", password: "another" }],
    ["auth/role/add", { name: "root" }],
    ["auth/user/grant", { user: "root", role: "root" }],
    ["auth/user/add", { name: "pairs", password: "secret" }],
    ["auth/role/add", { name: "pairs" }],
    ["auth/role/grant", { name: "pairs", perm }],
    ["auth/user/grant", { user: "pairs", role: "pairs" }],
    ["auth/enable", {}],
  ] as const) {
    const request = { method: "POST", body: JSON.stringify(body) };
    const answer = await fetch(`http://${address}/v3/${path}`, request);
    expect(answer.status, path).toBe(200);
  }
}

describe("what is not etcd", () => {
  it.each([
    ["no JSON", 200, "<html>hello</html>", "INVALID"],
    ["JSON of something else", 200, '{"ok":true}', "INVALID"],
    ["a page that is not there", 404, "not found", "UNREACHABLE"],
    ["a record that is damaged", 200, answerWith('{"epoch":-1}'), "INVALID"],
    ["an answer without end", 200, "x".repeat(2_000_000), "UNREACHABLE"],
  ])("AR-32 %s is an error, never a lease", async (_what, status, text, code) => {
    const server = createServer((_request, response) => response.writeHead(status).end(text));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const arbiter = etcdArbiter("c", [`127.0.0.1:${port}`]);
      await expect(arbiter.read()).rejects.toMatchObject({ name: "ArbiterError", code });
      await expect(arbiter.acquire(ask)).rejects.toMatchObject({ name: "ArbiterError", code });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});

function answerWith(record: string): string {
  const kv = { mod_revision: "3", value: Buffer.from(record).toString("base64") };
  const responses = [{ response_range: { kvs: [kv] } }, { response_range: {} }];
  return JSON.stringify({ header: { revision: "3" }, succeeded: true, responses });
}
