import type { Answer } from "../driver/driver.js";
import type { Proposal } from "../driver/effects.js";
import { ReplicationError } from "../errors.js";
import type { ForwardedAnswer, ForwardedWrite } from "./forwarder.js";

/** Writes of other nodes' clients under way here; further ones are refused. */
const REMOTE_WRITES_MAX = 50_000;

interface Batch {
  readonly answers: (ForwardedAnswer | undefined)[];
  missing: number;
  readonly resolve: (answers: readonly ForwardedAnswer[]) => void;
}

/** Writes that followers have sent here, in ticket numbers that no client of this node has. */
export class RemoteWrites {
  readonly #propose: (proposals: readonly Proposal[]) => void;
  readonly #places = new Map<number, { readonly batch: Batch; readonly at: number }>();
  #lastTicket = 0;

  constructor(propose: (proposals: readonly Proposal[]) => void) {
    this.#propose = propose;
  }

  /** Resolves when every write has its answer; refusals are answers, too. */
  take(writes: readonly ForwardedWrite[]): Promise<readonly ForwardedAnswer[]> {
    if (this.#places.size + writes.length > REMOTE_WRITES_MAX) {
      const refused = new ReplicationError("OVERLOADED", "too many forwarded writes are waiting", {
        retryAfterMs: 100,
      });
      return Promise.resolve(writes.map(() => ({ refused })));
    }
    return new Promise((resolve) => {
      const answers: (ForwardedAnswer | undefined)[] = writes.map(() => undefined);
      const batch: Batch = { answers, missing: writes.length, resolve };
      const proposals = writes.map((write, at) => {
        this.#lastTicket -= 1;
        this.#places.set(this.#lastTicket, { batch, at });
        return { ...write, ticket: this.#lastTicket };
      });
      if (proposals.length === 0) resolve([]);
      else this.#propose(proposals);
    });
  }

  /** @returns the answers that are not for other nodes */
  answered(answers: readonly Answer[]): readonly Answer[] {
    if (this.#places.size === 0) return answers;
    return answers.filter((answer) => {
      const place = this.#places.get(answer.ticket);
      if (place === undefined) return true;
      this.#places.delete(answer.ticket);
      const { ticket: _, ...forwarded } = answer;
      place.batch.answers[place.at] = forwarded;
      place.batch.missing -= 1;
      if (place.batch.missing === 0) {
        place.batch.resolve(place.batch.answers as ForwardedAnswer[]);
      }
      return false;
    });
  }
}
