import type { Position } from "../../../base/index.js";
import type { HardState } from "../../ports/index.js";

/** What only this mode is told. */
export interface StandaloneInput {
  readonly kind: "recovered";
  readonly hard: HardState;
  readonly last: Position;
  readonly applied: Position;
}
