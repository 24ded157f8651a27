import { describe, expect, it } from "vitest";
import { VirtualTime } from "../../../test/support/virtual-time.js";
import { type NodeId, parseNodeId, toTerm } from "../../base/index.js";
import { type ArbiterParts, type ArbiterSettings, openArbiter } from "./open-arbiter.js";

const A = parseNodeId("a") as NodeId;
const nobody = () => Promise.reject(new Error("nobody is asked"));
const parts: ArbiterParts = {
  transport: { listen: nobody, connect: () => expect.unreachable(), close: nobody },
  http: { send: nobody, follow: nobody, close: () => {} },
  timers: new VirtualTime(),
};
const settings = { clusterId: "c", addresses: [], leaseTtlMs: 3_000 } as const;

describe("openArbiter", () => {
  it("AR-40 peer grants nothing, says so, and leaves nothing behind", async () => {
    const peer = openArbiter({ ...settings, kind: "peer" }, parts);
    const claim = { holder: A, epoch: toTerm(1) };
    for (const call of [
      () => peer.acquire({ candidate: A, epoch: toTerm(0), inSync: [A], ttlMs: 1, force: true }),
      () => peer.renew({ ...claim, ttlMs: 1 }),
      () => peer.recordInSync({ ...claim, inSync: [A] }),
      () => peer.release(claim),
      () => peer.read(),
    ]) {
      await expect(call()).rejects.toMatchObject({ name: "ArbiterError", code: "NONE" });
    }
    peer.watch(() => expect.unreachable())();
    await peer.close();
  });

  it.each([
    ["witness", []],
    ["witness", ["h:1", "i:1"]],
    ["etcd", []],
  ] as [ArbiterSettings["kind"], string[]][])(
    "AR-16 %s with the addresses %j is refused",
    (kind, addresses) => {
      expect(() => openArbiter({ ...settings, kind, addresses }, parts)).toThrow(/address/);
    },
  );
});
