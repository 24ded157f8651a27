import { describe, expect, it } from "vitest";
import type { NodeId } from "../../../pkg/base/index.js";
import { RaftPeers } from "../../../pkg/replication/raft/peers.js";
import { noMetrics, silentLogger } from "../../../pkg/runtime/index.js";
import { createTransport } from "../../../pkg/transport/index.js";
import { SimNetwork, seededRandom, VirtualTime } from "../../support/index.js";
import { addressOf } from "./machine.js";

const CALL_TIMEOUT_MS = 1_000;

/** Two nodes of which only the links are there. */
async function linked() {
  const time = new VirtualTime();
  const random = seededRandom("member-returns");
  const network = new SimNetwork({ time, random });
  const node = async (id: NodeId) => {
    const transport = createTransport({
      nodeId: id,
      clusterId: "c1",
      listen: { host: id, port: 7688 },
      insecure: true,
      network: network.host(id),
      clock: time,
      timers: time,
      random,
      logger: silentLogger,
      metrics: noMetrics,
    });
    const peers = new RaftPeers({
      transport,
      own: { id, address: addressOf(id) },
      clock: time,
      callTimeoutMs: CALL_TIMEOUT_MS,
      onMessage: () => {},
      onUnreachable: () => {},
      onRequest: () => expect.unreachable(),
    });
    await peers.listen();
    return peers;
  };
  await node("n2" as NodeId);
  return { time, peers: await node("n1" as NodeId) };
}

describe("a member that leaves and comes back", () => {
  it("RB-1 keeps its link, also after the time in which the link of a former member is closed", async () => {
    const { time, peers } = await linked();
    const n2 = { id: "n2" as NodeId, address: addressOf("n2" as NodeId) };
    peers.setMembers([n2]);
    await time.advance(100);
    expect(peers.isConnected(n2.id)).toBe(true);
    peers.setMembers([]);
    await time.advance(CALL_TIMEOUT_MS / 2);
    peers.setMembers([n2]);
    await time.advance(2 * CALL_TIMEOUT_MS);
    peers.sweep();
    await time.advance(100);
    expect(peers.isConnected(n2.id)).toBe(true);
  });

  it("RB-2 the link of a member that stays away is closed", async () => {
    const { time, peers } = await linked();
    const n2 = { id: "n2" as NodeId, address: addressOf("n2" as NodeId) };
    peers.setMembers([n2]);
    const link = peers.connection(n2.id);
    await time.advance(100);
    peers.setMembers([]);
    await time.advance(2 * CALL_TIMEOUT_MS);
    peers.sweep();
    expect(link?.isConnected()).toBe(false);
  });
});
