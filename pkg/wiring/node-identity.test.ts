import { describe, expect, it } from "vitest";
import { SimDisk, seededRandom, VirtualTime } from "../../test/support/index.js";
import { settleIdentity } from "./node-identity.js";

function open() {
  const random = seededRandom(7);
  const disk = new SimDisk({ time: new VirtualTime(), random });
  const settle = (nodeId: string | null, clusterId = "c1") =>
    settleIdentity({ nodeId, clusterId }, "/data", { fileSystem: disk, random });
  return { disk, settle };
}

describe("node identity", () => {
  it("WI-1 an id is made once and kept, also when the power goes right after", async () => {
    const { disk, settle } = open();
    const first = await settle(null);
    expect(first.nodeId).toMatch(/^node-[0-9a-f]{8}$/);
    disk.crash({ keepPercent: 0 });
    expect(await settle(null)).toEqual(first);
    expect(await settle(first.nodeId)).toEqual(first);
  });

  it("WI-2 a directory of another node or cluster is refused, naming both (FC-050)", async () => {
    const { settle } = open();
    await settle("n1");
    await expect(settle("n2")).rejects.toMatchObject({
      code: "INVALID",
      message: expect.stringMatching(/n1.*n2/),
    });
    await expect(settle("n1", "c2")).rejects.toMatchObject({
      code: "INVALID",
      message: expect.stringMatching(/c1.*c2/),
    });
  });

  it("WI-2 a name that is none, and a file that is no identity, are refused", async () => {
    const { disk, settle } = open();
    await expect(settle("not a name")).rejects.toMatchObject({ code: "INVALID" });
    const file = disk.open("/data/node.json", "create");
    file.write(Buffer.from('{"format":9}'), 0);
    await expect(settle(null)).rejects.toMatchObject({
      code: "INVALID",
      details: { hint: expect.stringContaining("snapshot restore") },
    });
  });
});
