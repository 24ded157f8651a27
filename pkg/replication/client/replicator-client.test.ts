import { describe, expect, it } from "vitest";
import { VirtualTime } from "../../../test/support/index.js";
import { type NodeId, type RequestId, toLogIndex, toTerm } from "../../base/index.js";
import { DEFAULT_LIMITS } from "../limits.js";
import type { Health } from "../replicator.js";
import type { FromNode, ToNode } from "./channel.js";
import { ReplicatorClient } from "./replicator-client.js";

/** A client whose node answers reads at once, and what it was sent. */
async function follower(maxLagEntries: number | null) {
  const clock = new VirtualTime().clock();
  const sent: ToNode[] = [];
  const health = { nodeId: "n1", isLeader: false, appliedIndex: 7, term: 2 } as Health;
  const client = new ReplicatorClient({
    mode: "raft",
    nodeId: "n1" as NodeId,
    clock,
    timers: clock,
    createRequestId: () => "r" as RequestId,
    limits: DEFAULT_LIMITS,
    maxLagEntries,
    open: (deliver: (message: FromNode) => void) => {
      queueMicrotask(() => deliver({ kind: "started", health }));
      return {
        send: (message) => {
          sent.push(message);
          if (message.kind !== "read") return;
          const position = { index: toLogIndex(7), term: toTerm(2) };
          queueMicrotask(() => deliver({ kind: "position", ticket: message.ticket, position }));
        },
        close: async () => {},
      };
    },
  });
  await client.start();
  const asked = () => sent.flatMap((message) => (message.kind === "read" ? message.request : []));
  return { client, asked };
}

describe("replicator client in a cluster", () => {
  it("CL-4 a read that names no lag gets the node's own bound, one that does keeps it", async () => {
    const { client, asked } = await follower(50);
    await client.read("ONE");
    await client.read("ONE", { maxLagEntries: 3 });
    expect(asked().map(({ maxLagEntries }) => maxLagEntries)).toEqual([50, 3]);
    const open = await follower(null);
    await open.client.read("ONE");
    expect(open.asked()[0]?.maxLagEntries).toBeNull();
  });
});
