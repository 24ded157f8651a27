import { describe, expect, it } from "vitest";
import { SimDisk, seededRandom, VirtualTime } from "../../test/support/index.js";
import type { LogIndex, NodeId, Term } from "../base/index.js";
import { encodeMembership, MembersFile, type Membership } from "../replication/raft/index.js";
import { noMetrics, silentLogger } from "../runtime/index.js";
import { openSegmentedLog } from "../storage/log/index.js";
import { checkModeChange } from "./mode-change.js";
import type { ClusterPort, NodeSetup } from "./node-setup.js";

const id = "n1" as NodeId;
const members: Membership = {
  voters: [{ id, address: "n1:7688", disk: "d1" }],
  outgoing: [],
  learners: [],
};
const entry = (index: number, kind: "command" | "config") => ({
  index: index as LogIndex,
  term: 1 as Term,
  kind,
  payload: kind === "config" ? encodeMembership(members) : new Uint8Array([1]),
});

async function open() {
  const time = new VirtualTime();
  const fileSystem = new SimDisk({ time, random: seededRandom(7) });
  await fileSystem.makeDirectory("/data");
  const log = await openSegmentedLog({
    directory: "/data/log",
    fileSystem,
    clock: time,
    logger: silentLogger,
    metrics: noMetrics,
    clusterId: "c1",
  });
  const identity = { nodeId: id, clusterId: "c1", diskId: "d1" };
  const standalone: NodeSetup = { identity, directory: "/data", logDirectory: "/data/log" };
  const raft = (bootstrap: boolean, ...others: readonly string[]): NodeSetup => ({
    ...standalone,
    raft: {
      port: {
        listen: { host: "127.0.0.1", port: 0 },
        secret: undefined,
        tls: undefined,
        insecure: true,
      },
      settings: {
        bootstrap,
        founders: ["n1", ...others].map((name) => ({
          id: name as NodeId,
          address: `${name}:7688`,
        })),
        address: "n1:7688",
        electionTimeoutMs: 1_000,
        heartbeatMs: 100,
        leaderLeaseMs: 500,
        inflightMessagesMax: 512,
        retryMs: 5_000,
      },
    },
  });
  const port = raft(false).raft?.port as ClusterPort;
  const pair = (startsAsPrimary: boolean): NodeSetup => ({
    ...standalone,
    ha: {
      port,
      arbiter: { kind: "peer", clusterId: "c1", addresses: [], leaseTtlMs: 3_000 },
      dial: { minMs: 200, maxMs: 5_000 },
      settings: {
        own: { id, address: "n1:7688" },
        peers: [{ id: "n2" as NodeId, address: "n2:7688" }],
        named: true,
        startsAsPrimary,
        arbiter: "peer",
        policy: "consistency",
        syncMode: "semi_sync",
        fallbackMs: null,
        autoFailover: true,
        heartbeatMs: 1_000,
        failoverTimeoutMs: 5_000,
        leaseTtlMs: 3_000,
        batchEntriesMax: 1_000,
        batchTimeoutMs: 10,
        retryMs: 5_000,
        verifyIntervalMs: 30_000,
      },
    },
  });
  /** As a node of a pair leaves it: entries up to 2 of that term, and the last epoch it knows. */
  const wasOfPair = (term: number, epoch: number, holder: string | null) => {
    log.append([entry(1, "command"), { ...entry(2, "command"), term: term as Term }]);
    const votedFor = holder as NodeId | null;
    log.saveHardState({ term: epoch as Term, epoch, votedFor, commit: 2 as LogIndex });
  };
  const check = (setup: NodeSetup) => () => checkModeChange(setup, log, fileSystem);
  return { log, fileSystem, standalone, raft, pair, wasOfPair, check };
}

describe("a changed mode", () => {
  it("WI-5 a directory in which nothing was written takes any mode", async () => {
    const { check, standalone, raft } = await open();
    for (const setup of [standalone, raft(false), raft(true), raft(true, "n2", "n3")]) {
      expect(check(setup)).not.toThrow();
    }
  });

  it("WI-5 data of no cluster is founded over by its node alone, and else refused (FC-161)", async () => {
    const { log, check, standalone, raft } = await open();
    log.append([entry(1, "command"), entry(2, "command")]);
    expect(check(standalone)).not.toThrow();
    expect(check(raft(true))).not.toThrow();
    expect(check(raft(true, "n2", "n3"))).toThrow(/up to entry 2 that is of no cluster/);
    expect(check(raft(false))).toThrow(/joining one would throw it away/);
  });

  it("WI-5 a member does not start as standalone, whether log or file tells (FC-161)", async () => {
    const byLog = await open();
    byLog.log.append([entry(1, "config"), entry(2, "command")]);
    const byFile = await open();
    await byFile.log.reset({ index: 5 as LogIndex, term: 1 as Term });
    const configs = [{ index: 1 as LogIndex, membership: members }];
    await new MembersFile(byFile.fileSystem, "/data").write({ configs, installing: null });
    for (const { check, standalone, raft } of [byLog, byFile]) {
      expect(check(standalone)).toThrow(/a member of cluster c1/);
      for (const setup of [raft(false), raft(true), raft(true, "n2", "n3")]) {
        expect(check(setup)).not.toThrow();
      }
    }
  });

  it("WI-5 a restored copy without entries of its own may join", async () => {
    const { log, check, raft } = await open();
    await log.reset({ index: 5 as LogIndex, term: 1 as Term });
    expect(check(raft(false))).not.toThrow();
    expect(check(raft(true, "n2", "n3"))).toThrow(/of no cluster/);
  });

  it("WI-5 entries of no pair are a primary's and never a standby's (FC-161)", async () => {
    const { log, check, pair } = await open();
    log.append([entry(1, "command")]);
    expect(check(pair(true))).not.toThrow();
    expect(check(pair(false))).toThrow(/a standby would throw it away/);
    const alone = await open();
    alone.wasOfPair(1, 1, null);
    expect(alone.check(alone.pair(false))).toThrow(/a standby would throw it away/);
    expect(alone.check(alone.standalone)).not.toThrow();
  });

  it("WI-5 the last primary of a pair founds a cluster over its log, and is not served alone (FC-161)", async () => {
    for (const name of ["n1", "n1_7688"]) {
      const { check, standalone, raft, pair, wasOfPair } = await open();
      wasOfPair(3, 3, name);
      expect(check(raft(true))).not.toThrow();
      expect(check(pair(true))).not.toThrow();
      expect(check(pair(false))).not.toThrow();
      expect(check(raft(true, "n2", "n3"))).toThrow(/of no cluster/);
      expect(check(raft(false))).toThrow(/joining one would throw it away/);
      expect(check(standalone)).toThrow(/one of a primary and its standbys/);
    }
  });

  it("WI-5 a standby of a pair founds nothing, and joins with a log that is its primary's (FC-161)", async () => {
    const { check, standalone, raft, wasOfPair } = await open();
    wasOfPair(3, 3, "n2");
    expect(check(raft(true))).toThrow(/not the primary's of epoch 3, which is that of n2/);
    expect(check(raft(false))).not.toThrow();
    expect(check(standalone)).toThrow(/one of a primary and its standbys/);
  });

  it("WI-5 a node that has no entry of the newest epoch neither founds nor joins with its log (FC-161)", async () => {
    for (const holder of ["n2", "n1", null]) {
      const { check, standalone, raft, wasOfPair } = await open();
      wasOfPair(3, 4, holder);
      expect(check(raft(true))).toThrow(/not the primary's of epoch 4/);
      expect(check(raft(false))).toThrow(/joining one would throw it away/);
      expect(check(standalone)).toThrow(/one of a primary and its standbys/);
    }
  });
});
