import type { JsonValue, RequestId } from "../../base/index.js";
import type { Clock } from "../../runtime/index.js";
import type { Answer } from "../driver/driver.js";
import type { Proposal } from "../driver/effects.js";
import { ReplicationError } from "../errors.js";
import { PayloadPacker, toTimestamp } from "../payload.js";
import type { EncodeRegionOperation, RegionOperation } from "./operations.js";

export interface RegionProposalsParts {
  readonly clock: Clock;
  readonly encode: EncodeRegionOperation;
  /** Into the core of this region's log. */
  propose(proposals: readonly Proposal[]): void;
}

export type OperationOutcome =
  | { readonly ok: true; readonly value: JsonValue }
  | { readonly ok: false; readonly error: ReplicationError };

/** No request id: each of these may come twice without harm, so nothing has to be remembered. */
const NO_ID = "" as RequestId;

/** What a region's leader writes into its own log, from the operation to what came of it. */
export class RegionProposals {
  readonly #parts: RegionProposalsParts;
  readonly #packer = new PayloadPacker();
  readonly #open = new Map<number, (outcome: OperationOutcome) => void>();
  #last = 0;

  constructor(parts: RegionProposalsParts) {
    this.#parts = parts;
  }

  /** `done` is called once, never before this returns unless the operation cannot be written. */
  propose(operation: RegionOperation, done: (outcome: OperationOutcome) => void): void {
    const { clock, encode, propose } = this.#parts;
    let payload: Uint8Array;
    try {
      const { type, data } = encode(operation);
      this.#packer.add(type, data, toTimestamp(clock.wallMs()), NO_ID);
      payload = this.#packer.take().bytes;
    } catch (error) {
      if (!(error instanceof ReplicationError)) throw error;
      done({ ok: false, error });
      return;
    }
    // Such a fraction has no other ticket: clients, markers, orders and reads have other ones.
    this.#last += 1;
    const ticket = this.#last + 0.75;
    this.#open.set(ticket, done);
    propose([{ ticket, payload }]);
  }

  /** @returns the answers that are of something else */
  answered(answers: readonly Answer[]): readonly Answer[] {
    if (this.#open.size === 0) return answers;
    return answers.filter((answer) => {
      const done = this.#open.get(answer.ticket);
      if (done === undefined) return true;
      this.#open.delete(answer.ticket);
      done(outcomeOf(answer));
      return false;
    });
  }
}

function outcomeOf(answer: Answer): OperationOutcome {
  if ("refused" in answer) return { ok: false, error: answer.refused };
  const { result } = answer;
  if (result.ok) return { ok: true, value: result.value };
  return { ok: false, error: new ReplicationError(result.code, result.message) };
}
