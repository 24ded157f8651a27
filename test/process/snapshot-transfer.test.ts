import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type NodeId, toTerm } from "../../pkg/base/index.js";
import type { RequestHandler } from "../../pkg/replication/ports/index.js";
import {
  SNAPSHOT_LIMITS,
  SnapshotReceiver,
  SnapshotSender,
} from "../../pkg/replication/snapshot/index.js";
import { noMetrics, silentLogger } from "../../pkg/runtime/index.js";
import {
  nodeFileSystem,
  nodeNetwork,
  systemClock,
  systemRandom,
  systemTimers,
} from "../../pkg/runtime/node/index.js";
import { openSqliteStorage, type SqliteStorage } from "../../pkg/storage/index.js";
import { type ClusterTransport, createTransport, MessageType } from "../../pkg/transport/index.js";
import { Entries } from "../contract/entries.js";

const NODES = 20_000;
const SECRET = new TextEncoder().encode("a secret of the whole cluster");
/** A tick is as long as a heartbeat here, however fast those are. */
const LIMITS = { ...SNAPSHOT_LIMITS, stallTicksMax: 1_000_000, idleTicksMax: 2_000_000 };
const logger = silentLogger;

let folder: string;
const closing: (() => Promise<unknown>)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "snapshot-transfer-"));
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  rmSync(folder, { recursive: true });
});

async function storage(name: string): Promise<SqliteStorage> {
  const opened = await openSqliteStorage({
    path: join(folder, name, "graph.db"),
    threads: "single",
    clusterId: "c1",
  });
  closing.push(() => Promise.resolve(opened.close()));
  return opened;
}

function transport(name: string): ClusterTransport {
  const made = createTransport({
    nodeId: name as NodeId,
    clusterId: "c1",
    listen: { host: "127.0.0.1", port: 0 },
    secret: SECRET,
    network: nodeNetwork(),
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    logger,
    metrics: noMetrics,
  });
  closing.push(() => made.close());
  return made;
}

it("SX-1 a storage on disk arrives over a real connection while writes and heartbeats go on (FC-027)", async () => {
  const source = await storage("source");
  const target = await storage("target");
  const entries = new Entries();
  const put = (from: number, count: number) =>
    entries.command(
      Array.from({ length: count }, (_, i) => ({
        op: "put_node" as const,
        id: `n${from + i}`,
        labels: ["City"],
        properties: { name: `name ${from + i}`, population: from * i },
      })),
    );
  for (let from = 0; from < NODES; from += 500) await source.applyBatch([put(from, 500)]);
  const digest = await source.digest();

  let restored: Promise<unknown> = Promise.resolve();
  const receiver = await SnapshotReceiver.open({
    directory: join(folder, "target", "incoming"),
    fileSystem: nodeFileSystem(),
    timers: systemTimers,
    logger,
    limits: LIMITS,
    term: toTerm(1),
    applied: () => 0 as never,
    onReceived: (snapshot) => {
      restored = target
        .restore(snapshot.chunks())
        .then(() => receiver.installed(snapshot.offer.id));
    },
  });
  closing.push(() => receiver.close());
  receiver.start();
  const answer: RequestHandler = async (from, message) =>
    message.type === MessageType.installSnapshot
      ? receiver.handle(from, message)
      : { type: MessageType.readIndexResponse, payload: null };
  const { port } = await transport("n2").listen(answer);
  const connection = transport("n1").connect({
    id: "n2" as NodeId,
    address: `127.0.0.1:${port}`,
  });
  const sender = SnapshotSender.start({
    nodeId: "n1" as NodeId,
    peer: "n2" as NodeId,
    connection,
    stateMachine: source,
    term: toTerm(1),
    force: false,
    configAt: () => null,
    random: systemRandom,
    timers: systemTimers,
    logger,
    limits: LIMITS,
  });
  let ended = false;
  const over = sender.ended.then((sent) => {
    ended = true;
    return sent;
  });
  let heartbeats = 0;
  while (!ended) {
    const urgent = { timeoutMs: 10_000, priority: "urgent" } as const;
    await connection.call({ type: MessageType.readIndex, payload: null }, urgent).catch(() => {});
    heartbeats += 1;
    if (heartbeats % 10 === 0) await source.applyBatch([put(NODES + heartbeats, 1)]);
    sender.tick();
    receiver.tick();
    await new Promise<void>((resolve) => void systemTimers.soon(resolve));
  }
  const position = digest.position;
  expect(await over).toEqual({ kind: "installed", position });
  await restored;
  expect(await target.digest()).toEqual(digest);
  expect(heartbeats).toBeGreaterThan(5);
  expect(readdirSync(join(folder, "target", "incoming"))).toEqual([]);
});
