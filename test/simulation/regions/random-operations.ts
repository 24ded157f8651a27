import type { JsonValue } from "../../../pkg/base/index.js";
import type { Operation } from "../../../pkg/storage/index.js";
import type { SeededRandom } from "../../support/index.js";

/** Few things, so that regions write to the same ones. */
export const NODE_IDS: readonly string[] = ["a", "b"];
export const EDGE_IDS: readonly string[] = ["e", "f"];

/** What one client asks for. */
export function randomOperations(random: SeededRandom): Operation[] {
  return Array.from({ length: random.pick([1, 1, 1, 2, 3]) }, () => randomOperation(random));
}

function randomOperation(random: SeededRandom): Operation {
  const id = random.pick(NODE_IDS);
  const kind = random.below(9);
  const value = random.pick<JsonValue>([1, 2, "x", null, [1], { k: 1 }]);
  const properties = Object.fromEntries([[random.pick(["p", "q", "n"]), value]]);
  if (kind < 3) {
    return { op: "put_node", id, labels: random.pick([[], ["A"], ["A", "B"]]), properties };
  }
  if (kind < 4) return { op: "patch_node", id, properties };
  if (kind < 5) return { op: "delete_node", id, detach: random.chance(2, 3) };
  const edge = random.pick(EDGE_IDS);
  if (kind < 6) return { op: "delete_edge", id: edge };
  const [from, to] = [random.pick(NODE_IDS), random.pick(NODE_IDS)];
  return { op: "put_edge", id: edge, from, to, type: random.pick(["T", "U"]), properties };
}
