import { describe, test } from "vitest";
import { WitnessWorld } from "../simulation/support/witness-world.js";
import { arbiterContract } from "./arbiter-contract.js";

describe("arbiter contract: witness", () => {
  test.each(arbiterContract(() => WitnessWorld.open()).map((one) => [one.title, one] as const))(
    "%s",
    (_title, one) => one.run(),
  );
});
