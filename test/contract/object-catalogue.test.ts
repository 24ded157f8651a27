import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "vitest";
import { systemTimers } from "../../pkg/runtime/node/index.js";
import {
  encodeObjectOperation,
  type ObjectOperation,
  openObjectCatalogue,
} from "../../pkg/storage/index.js";
import { type CommandSamples, stateMachineContract } from "./state-machine-contract.js";

async function openCatalogue() {
  const folder = mkdtempSync(join(tmpdir(), "catalogue-"));
  const open = () =>
    openObjectCatalogue({ path: join(folder, "objects.db"), timers: systemTimers });
  let machine = await open();
  return {
    machine,
    reopen: async () => {
      await machine.close();
      machine = await open();
      return machine;
    },
    destroy: async () => {
      await machine.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** Segments, and one object after the other on the first of them. */
function effective(n: number): ObjectOperation {
  if (n < 2) return { op: "mount_segment", segment: `s${n}`, bytes: 1_000_000, address: `h${n}:1` };
  return {
    op: "put_start",
    key: `k${n}`,
    replicas: [{ segment: "s0", offset: n * 10, bytes: 10 }],
  };
}

const SAMPLES: CommandSamples = {
  effective: (n) => encodeObjectOperation(effective(n)),
  refused: encodeObjectOperation({ op: "remove", key: "zz" }),
  refusal: "NOT_FOUND",
  senseless: [
    { type: 128, data: Buffer.from("[]") },
    { type: 131, data: Buffer.from('{"key":""}') },
    { type: 131, data: Buffer.from('{"key":"a","extra":1}') },
    { type: 134, data: Buffer.from('{"objects":[null]}') },
    { type: 7, data: Buffer.from('{"ops":[{"op":"put_node","id":"a"}]}') },
  ],
};

describe("state machine contract: object catalogue", () => {
  const cases = stateMachineContract(openCatalogue, SAMPLES);
  test.each(cases.map((one) => [one.title, one] as const))("%s", (_title, one) => one.run());
});
