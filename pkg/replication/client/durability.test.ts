import { describe, expect, it } from "vitest";
import { DURABILITIES, MODES } from "../replicator.js";
import { durabilityRefusal } from "./durability.js";

describe("the durability that a write asks for", () => {
  it("CL-6 is refused by field where the mode can never give it", () => {
    const given = MODES.map((mode) => [
      mode,
      DURABILITIES.filter((durability) => durabilityRefusal(mode, durability) === undefined),
    ]);
    expect(Object.fromEntries(given)).toEqual({
      standalone: ["local"],
      ha_standby: ["local", "received", "persisted"],
      raft: ["local", "received", "persisted", "quorum"],
      multi_region: DURABILITIES,
    });
    const refusal = durabilityRefusal("ha_standby", "quorum");
    expect(refusal).toMatchObject({
      code: "INVALID",
      outcome: "not_applied",
      details: { field: "durability" },
      message: "durability: mode ha_standby gives local, received, persisted",
    });
  });

  it("CL-6 is one of those there are", () => {
    expect(durabilityRefusal("raft", "everywhere" as never)).toMatchObject({ code: "INVALID" });
  });
});
