import { describe, test } from "vitest";
import { arbiterContract } from "./arbiter-contract.js";
import { WitnessWorld } from "./witness-world.js";

describe("arbiter contract: witness", () => {
  test.each(arbiterContract(() => WitnessWorld.open()).map((one) => [one.title, one] as const))(
    "%s",
    (_title, one) => one.run(),
  );
});
