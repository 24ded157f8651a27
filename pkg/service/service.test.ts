import { describe, expect, it } from "vitest";
import { settle, VirtualTime } from "../../test/support/index.js";
import { type NodeId, toLogIndex, toTerm } from "../base/index.js";
import { ReplicationError } from "../replication/index.js";
import { prometheusMetrics } from "../runtime/node/index.js";
import { parseTokens, SecretDigest } from "./authentication.js";
import { parseBookmark, toBookmark } from "./bookmark.js";
import { parseDurationMs } from "./duration.js";
import { createTestService } from "./testing.js";

const time = new VirtualTime();
const world = (parts: Partial<Parameters<typeof createTestService>[0]> = {}) =>
  createTestService({ clock: time, timers: time, ...parts });
const put = (id: string) => [{ op: "put_node", id }];
const code = (run: () => unknown) => {
  try {
    run();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return "none";
};

describe("writes and reads", () => {
  it("SV-1 a write is validated, applied once under its id, and read at its bookmark", async () => {
    const { service } = world();
    await expect(service.write([{ op: "put_node" }])).rejects.toMatchObject({
      code: "INVALID",
      details: { field: "ops[0].id" },
    });
    const first = await service.write(put("a"), { requestId: "r" });
    const again = await service.write(put("a"), { requestId: "r" });
    expect(again.receipt.replayed).toBe(true);
    expect(again.results).toEqual(first.results);
    const read = await service.getNode("a", { after: first.bookmark });
    expect(read.value?.id).toBe("a");
    await expect(service.write(put("a"), { requestId: "\n" })).rejects.toMatchObject({
      details: { field: "requestId" },
    });
  });

  it("SV-2 a bookmark comes back as the position it was made of; anything else is refused", () => {
    const position = { index: toLogIndex(2 ** 53 - 1), term: toTerm(7) };
    expect(parseBookmark(toBookmark(position))).toEqual(position);
    for (const text of [
      "",
      "nb1:",
      "nb1:1",
      "nb1:1:1:1",
      "nb1:-1:0",
      "nb1:zzzzzzzzzzz:1",
      "nb1:01:1",
    ]) {
      expect([text, code(() => parseBookmark(text))]).toEqual([text, "INVALID"]);
    }
  });

  it("SV-3 durations are as in Go, above zero and bounded", () => {
    const limits = { field: "timeout", maxMs: 120_000 };
    expect(parseDurationMs("1m1.5s", limits)).toBe(61_500);
    expect(parseDurationMs(".5s", limits)).toBe(500);
    for (const text of ["", "5", "0s", "-1s", "3m", "1x", "NaNs"]) {
      expect([text, code(() => parseDurationMs(text, limits))]).toEqual([text, "INVALID"]);
    }
  });

  it("SV-4 at its bounds the service answers OVERLOADED, and is free again afterwards", async () => {
    const { service, replicator } = world({ limits: { requestsInFlightMax: 1 } });
    const release = replicator.hold();
    const write = service.write(put("a"));
    await expect(service.write(put("b"))).rejects.toMatchObject({ code: "OVERLOADED" });
    await expect(service.getNode("a")).rejects.toMatchObject({ code: "OVERLOADED" });
    release();
    await write;
    expect([service.admission.requests, service.admission.bytes]).toEqual([0, 0]);
    await service.write(put("b"));
    service.close();
    await expect(service.write(put("c"))).rejects.toMatchObject({ code: "SHUTTING_DOWN" });
  });
});

describe("changes", () => {
  it("SV-5 a stream gives each change once, waits, and resumes where it was told (FC-157)", async () => {
    const { service } = world();
    for (const id of ["a", "b", "c"]) await service.write(put(id));
    const { signal } = new AbortController();
    const request = { after: toLogIndex(1), follow: true, signal };
    const batches = (await service.changes(request))[Symbol.asyncIterator]();
    const first = await batches.next();
    expect(first.value.map(({ index }: { index: number }) => index)).toEqual([2, 3]);
    const next = batches.next();
    await settle();
    await service.write(put("d"));
    expect((await next).value.map(({ index }: { index: number }) => index)).toEqual([4]);
    service.close();
    expect((await batches.next()).done).toBe(true);
  });

  it("SV-5 an abort ends the waiting, and what was written past the service is found", async () => {
    const { service, replicator } = world();
    const abort = new AbortController();
    const request = { after: toLogIndex(0), follow: true, signal: abort.signal };
    const batches = (await service.changes(request))[Symbol.asyncIterator]();
    const next = batches.next();
    await settle();
    const { service: other } = world({ replicator, storage: replicator.storage });
    await other.write(put("a"));
    expect((await time.run(next, { ticksMax: 100 })).value).toMatchObject([{ index: 1 }]);
    const last = batches.next();
    await settle();
    abort.abort();
    expect((await last).done).toBe(true);
  });
});

describe("who may", () => {
  it("SV-6 a tokens file gives roles, refuses bad lines by number, and shows no secret (FC-172)", () => {
    const policy = parseTokens("admin ops 0123456789abcdef # ops\nread app fedcba9876543210\n");
    const { service } = world({ authentication: policy });
    const { authenticator } = service;
    const ops = authenticator.authenticate({ kind: "bearer", token: "0123456789abcdef" }, "x");
    const app = { kind: "basic", user: "any", password: "fedcba9876543210" } as const;
    expect(ops).toEqual({ name: "ops", role: "admin" });
    const reader = authenticator.authenticate(app, "x");
    authenticator.authorize(reader, "read");
    expect(code(() => authenticator.authorize(reader, "write"))).toBe("FORBIDDEN");
    expect(() => parseTokens("admin ops\n")).toThrow("line 1");
    expect(() => parseTokens("admin ops 0123456789abcdefg\nroot x 1")).toThrow("line 2");
    const shown = `${JSON.stringify(policy)} ${SecretDigest.of("hunter2")}`;
    expect(shown).not.toContain("0123456789abcdef");
    expect(shown).toContain("[redacted]");
  });

  it("SV-7 a source that guesses is held off, others are not, and time forgives (FC-171, FC-176)", async () => {
    const clock = { now: 0, monotonicMs: () => clock.now, wallMs: () => 0 };
    const { service } = world({
      clock,
      authentication: parseTokens("write app 0123456789abcdef"),
    });
    const guess = (token: string, source: string) =>
      code(() => service.authenticator.authenticate({ kind: "bearer", token }, source));
    for (let n = 0; n < 10; n += 1) expect(guess(`bad${n}`, "here")).toBe("UNAUTHENTICATED");
    expect(guess("0123456789abcdef", "here")).toBe("OVERLOADED");
    expect(guess("0123456789abcdef", "there")).toBe("none");
    clock.now += 6000;
    expect(guess("0123456789abcdef", "here")).toBe("none");
  });
});

describe("operators", () => {
  it("SV-8 each check says what is wrong, also when nothing answers", async () => {
    const { service, replicator } = world({ freeBytes: () => 1 });
    replicator.picture = { leaderId: null };
    const failed = (await service.checks()).filter(({ ok }) => !ok).map(({ name }) => name);
    expect(failed).toEqual(["disk", "leader"]);
    replicator.health = () => new Promise(() => {});
    const asked = service.checks(["loop", "storage"]);
    expect(await time.run(asked, { ticksMax: 100 })).toEqual([
      { name: "loop", ok: false, reason: "no answer within 2000 ms" },
      { name: "storage", ok: true, reason: null },
    ]);
  });

  it("SV-9 history keeps the newest events, and listeners get each one", async () => {
    const { service, replicator } = world({ limits: { historyEventsMax: 2 } });
    const heard: unknown[] = [];
    const stop = service.onEvent((event) => heard.push(event));
    for (const term of [1, 2, 3]) {
      replicator.tell({ kind: "role", role: "leader", term: toTerm(term), at: term });
    }
    stop();
    expect(service.history().map(({ sequence }) => sequence)).toEqual([2, 3]);
    expect(heard).toHaveLength(3);
  });

  it("SV-10 verify finds the running digest and the rows equal; other modes' actions are refused", async () => {
    const { service, replicator } = world();
    await service.write(put("a"));
    expect(await service.verify()).toMatchObject({ equal: true, differing: [] });
    const { storage } = replicator;
    const digest = storage.digest();
    const wrong = { ...digest, shards: digest.shards.map((sum, at) => (at === 7 ? sum + 1 : sum)) };
    const damaged = world({ storage: Object.assign(storage, { recomputeDigest: () => wrong }) });
    expect(await damaged.service.verify()).toMatchObject({ equal: false, differing: [7] });
    const apart = { equal: false, result: "different" };
    const replicated = world({ verifyReplicas: async () => apart });
    expect(await replicated.service.verify()).toMatchObject({
      equal: false,
      differing: [],
      replicas: apart,
    });
    const leaderless = world({
      verifyReplicas: async () => {
        throw new ReplicationError("NO_LEADER", "no leader is known");
      },
    });
    expect(await leaderless.service.verify()).toMatchObject({
      equal: false,
      differing: [],
      replicas: { result: "unknown", reason: "no leader is known" },
    });
    await expect(service.administer("promote", {})).rejects.toMatchObject({
      code: "CONFLICT",
      message: 'mode standalone has no "promote"',
    });
  });

  it("SV-10 when writes go on during every comparison, verify says so and judges nothing (FC-123, FC-124)", async () => {
    const { service, replicator } = world();
    await service.write(put("a"));
    const { storage } = replicator;
    let writes = 0;
    const busy = world({
      storage: Object.assign(storage, {
        recomputeDigest: async () => {
          const digest = storage.digest();
          writes += 1;
          await service.write(put(`b${writes}`));
          return digest;
        },
      }),
    });
    await expect(busy.service.verify()).rejects.toMatchObject({ code: "CONFLICT" });
    expect(writes).toBe(5);
  });

  it("SV-11 writes are counted by how they end, and timed when they are acknowledged", async () => {
    const metrics = prometheusMetrics();
    const { service, replicator } = world({ metrics });
    await service.write(put("a"), { requestId: "r" });
    await service.write(put("a"), { requestId: "r" });
    await expect(service.write([{ op: "no" }])).rejects.toThrow();
    replicator.refuse = new ReplicationError("COMMIT_UNKNOWN", "nobody knows");
    await expect(service.write(put("b"))).rejects.toThrow();
    for (let scrape = 0; scrape < 2; scrape += 1) {
      await service.refreshMetrics();
      const text = await metrics.text();
      for (const outcome of ["applied", "replayed", "refused", "unknown"]) {
        expect(text).toContain(`nornicdb_proposals_total{outcome="${outcome}"} 1\n`);
      }
      expect(text).toContain("nornicdb_commit_duration_seconds_count 2\n");
    }
  });

  it("SV-12 the metrics are those of the node's state; a full disk is not a node that takes writes (FC-100)", async () => {
    const metrics = prometheusMetrics();
    const { service, replicator } = world({ metrics });
    const peer = {
      id: "n2",
      address: "n2:1",
      role: "follower",
      healthy: false,
      lag: 3,
      state: "x",
      lastContactMs: 1,
    };
    replicator.picture = { lagEntries: 3, lagMs: 1500, term: toTerm(4), peers: [peer] };
    await service.refreshMetrics();
    expect(await metrics.text()).toContain("nornicdb_replication_is_leader 1\n");
    replicator.picture = { ...replicator.picture, state: "read_only" };
    await service.refreshMetrics();
    const text = await metrics.text();
    for (const line of [
      'nornicdb_replication_mode{mode="standalone"} 1',
      "nornicdb_replication_is_leader 0",
      "nornicdb_replication_lag_entries 3",
      "nornicdb_replication_lag_seconds 1.5",
      "nornicdb_raft_term 4",
      'nornicdb_peer_healthy{peer="n2"} 0',
    ]) {
      expect(text).toContain(`${line}\n`);
    }
    replicator.picture = { peers: [{ ...peer, id: "n3" }] };
    await service.refreshMetrics();
    expect(await metrics.text()).not.toContain('peer="n2"');
  });

  it("SV-13 leaderships are counted: a leader told twice is one, in a later term it is another", async () => {
    const metrics = prometheusMetrics();
    const { replicator } = world({ metrics });
    const tell = (leaderId: string | null, term: number) =>
      replicator.tell({
        kind: "leader",
        leaderId: leaderId as NodeId | null,
        term: toTerm(term),
        at: 0,
      });
    for (const [leader, term] of [
      [null, 1],
      ["n1", 1],
      ["n1", 1],
      [null, 2],
      ["n2", 2],
      ["n2", 3],
    ] as const) {
      tell(leader, term);
    }
    expect(await metrics.text()).toContain("nornicdb_cluster_leader_changes_total 3\n");
  });

  it("SV-14 the cluster is as the leader sees it, and as this node does while the leader is silent", async () => {
    let silent = false;
    const { service, replicator } = world({
      leaderHealth: async () => {
        if (silent) throw new ReplicationError("COMMIT_UNKNOWN", "no answer");
        return { ...(await replicator.health()), nodeId: "n2" as NodeId };
      },
    });
    expect((await service.clusterHealth()).nodeId).toBe("n1");
    replicator.picture = { isLeader: false, leaderId: "n2" as NodeId };
    expect((await service.clusterHealth()).nodeId).toBe("n2");
    silent = true;
    expect((await service.clusterHealth()).nodeId).toBe("n1");
    silent = false;
    replicator.picture = { isLeader: false, leaderId: null };
    expect((await service.clusterHealth()).nodeId).toBe("n1");
  });

  it("SV-9 lag is told to listeners when it changes; one listener too many is OVERLOADED", async () => {
    const { service, replicator } = world({ limits: { eventListenersMax: 1, lagPollMs: 10 } });
    const lags: number[] = [];
    const stop = service.onEvent((event) => {
      if (event.kind === "lag") lags.push(event.lagEntries);
    });
    expect(code(() => service.onEvent(() => {}))).toBe("OVERLOADED");
    for (const lagEntries of [0, 5, 5, 2]) {
      replicator.picture = { lagEntries };
      await time.advance(10);
    }
    expect(lags).toEqual([0, 5, 2]);
    stop();
    service.close();
  });

  it("SV-5 one stream too many is OVERLOADED, and an ended one makes room", async () => {
    const { service } = world({ limits: { changeStreamsMax: 1 } });
    const { signal } = new AbortController();
    const request = { after: toLogIndex(0), follow: false, signal };
    const open = (await service.changes(request))[Symbol.asyncIterator]();
    await expect(service.changes(request)).rejects.toMatchObject({ code: "OVERLOADED" });
    expect((await open.next()).done).toBe(true);
    const left = (await service.changes(request))[Symbol.asyncIterator]();
    await left.return?.();
    await service.changes(request);
  });

  it("SV-5 what is no longer kept is COMPACTED when a stream is opened (FC-157)", async () => {
    const { service } = createTestService(
      { clock: time, timers: time },
      { rememberedRequestsMax: 2 },
    );
    for (const id of ["a", "b", "c", "d"]) await service.write(put(id));
    const { signal } = new AbortController();
    const from = (after: number) =>
      service.changes({ after: toLogIndex(after), follow: false, signal });
    await expect(from(0)).rejects.toMatchObject({ code: "COMPACTED", outcome: "not_applied" });
    for await (const batch of await from(2))
      expect(batch.map(({ index }) => index)).toEqual([3, 4]);
  });
});
