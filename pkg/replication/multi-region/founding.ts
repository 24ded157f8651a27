import type { LogIndex } from "../../base/index.js";
import type { Answer } from "../driver/driver.js";
import type { Proposal } from "../driver/effects.js";
import { ReplicationError } from "../errors.js";
import type { RegionFacts } from "../ports/index.js";
import type { RaftInput } from "../raft/index.js";
import type { RegionOperation, RegionSettings } from "./operations.js";
import type { OperationOutcome } from "./region-proposals.js";

export interface FoundingParts {
  readonly settings: RegionSettings;
  /** Why the region may not be founded yet; undefined: it may. */
  objection(): Promise<string | undefined>;
  /** Into the core. */
  input(input: RaftInput | ProposeInput): void;
  /** Ends writes that the core never sees. */
  answer(answers: readonly Answer[]): void;
  propose(operation: RegionOperation, done: (outcome: OperationOutcome) => void): void;
  applied(): LogIndex;
  /** The state must be looked at again. */
  lookAgain(): void;
  note(
    event: "region_settled" | "region_foreign" | "region_unsettled" | "region_waits",
    reason: string,
  ): void;
}

type ProposeInput = { readonly kind: "propose"; readonly proposals: readonly Proposal[] };

/**
 * `following`: this node does not lead. `looking`: what the state says is not known since it does.
 * `asking`: the other members are asked whether they run this mode, too. `settling`: the settings
 * are on their way into the log. `open`: the state says what the
 * configuration says. `closed`: it never will without an operator.
 */
type Phase = "following" | "looking" | "asking" | "settling" | "open" | "closed";

/**
 * MR-43: a leader founds its region, and settles it anew when its configuration says something
 * else. Writes wait for that: one that came before the founding would be told to nobody.
 */
export class Founding {
  readonly #parts: FoundingParts;
  #phase: Phase = "following";
  #since: LogIndex = 0 as LogIndex;
  #early: Proposal[] = [];
  #obstacle: ReplicationError | undefined;
  #waitsFor: string | undefined;

  constructor(parts: FoundingParts) {
    this.#parts = parts;
  }

  /** The region may send, take and write. */
  get isOpen(): boolean {
    return this.#phase === "open";
  }

  /** Why it is not open, if that is known. */
  get obstacle(): ReplicationError | undefined {
    if (this.#phase === "closed") return this.#obstacle;
    if (this.#phase === "following" || this.#waitsFor === undefined) return undefined;
    return new ReplicationError("NO_LEADER", this.#waitsFor, { retryAfterMs: 1_000 });
  }

  /** What goes to the core; writes of a leader wait until the region is open. */
  pass(input: RaftInput | ProposeInput, leads: boolean): void {
    if (input.kind !== "propose" || !leads || this.#phase === "open") {
      this.#parts.input(input);
      return;
    }
    const markers = input.proposals.filter(({ kind }) => kind === "marker");
    if (markers.length > 0) this.#parts.input({ kind: "propose", proposals: markers });
    const writes = input.proposals.filter(({ kind }) => kind !== "marker");
    if (this.#phase === "closed") this.#refuse(writes);
    else for (const write of writes) this.#early.push(write);
  }

  /** Called after every step. */
  follow({ leads, serves }: { readonly leads: boolean; readonly serves: boolean }): void {
    if (!leads) {
      this.#phase = "following";
      this.#flush();
    } else if (serves && this.#phase === "following") {
      this.#phase = "looking";
      this.#since = this.#parts.applied();
      this.#parts.lookAgain();
    }
  }

  /** What the state says, at least as of that entry. */
  seen(facts: RegionFacts | undefined, index: LogIndex): void {
    const isBusy = this.#phase === "asking" || this.#phase === "settling";
    if (this.#phase === "following" || isBusy || index < this.#since) return;
    const { settings } = this.#parts;
    if (facts !== undefined && facts.self !== settings.self) this.#close(foreign(facts, settings));
    else if (facts === undefined) void this.#found();
    else if (!isSame(facts, settings)) this.#settle();
    else {
      this.#phase = "open";
      this.#flush();
    }
  }

  /** MR-53: a member in another mode could not apply what the log holds from then on. */
  async #found(): Promise<void> {
    this.#phase = "asking";
    const objection = await this.#parts.objection();
    if (this.#phase !== "asking") return;
    const isNews = objection !== this.#waitsFor;
    this.#waitsFor = objection;
    if (objection === undefined) this.#settle();
    else {
      this.#phase = "looking";
      if (isNews) this.#parts.note("region_waits", objection);
    }
  }

  #settle(): void {
    const { settings, propose } = this.#parts;
    this.#phase = "settling";
    propose({ op: "settle", settings }, (outcome) => {
      if (this.#phase !== "settling") return;
      if (outcome.ok) {
        this.#parts.note("region_settled", JSON.stringify(settings));
        this.#phase = "looking";
        this.#parts.lookAgain();
      } else if (isFinal(outcome.error)) this.#close(outcome.error);
      // Refused at once, it would be refused again at once: the next look comes by itself.
      else this.#phase = "looking";
    });
  }

  #close(error: ReplicationError): void {
    if (this.#phase !== "closed") {
      const event = error.details.field === undefined ? "region_unsettled" : "region_foreign";
      this.#parts.note(event, error.message);
    }
    this.#phase = "closed";
    this.#obstacle = error;
    this.#refuse(this.#early.splice(0));
  }

  #refuse(writes: readonly Proposal[]): void {
    const refused = this.#obstacle;
    if (refused === undefined || writes.length === 0) return;
    this.#parts.answer(writes.map(({ ticket }) => ({ ticket, refused })));
  }

  #flush(): void {
    if (this.#early.length === 0) return;
    this.#parts.input({ kind: "propose", proposals: this.#early.splice(0) });
  }
}

function isSame(facts: RegionFacts, { others, strategy, driftMsMax }: RegionSettings): boolean {
  const isSameList = facts.others.join() === others.join();
  return isSameList && facts.strategy === strategy && facts.driftMsMax === driftMsMax;
}

/** Another attempt would end the same way. */
function isFinal({ code }: ReplicationError): boolean {
  return code === "CONFLICT" || code === "INVALID";
}

function foreign(facts: RegionFacts, { self }: RegionSettings): ReplicationError {
  return new ReplicationError(
    "CONFLICT",
    `the data of this node is that of region "${facts.self}"; the configuration says "${self}"`,
    {
      field: "NORNICDB_CLUSTER_REGION_ID",
      hint: `if it is a copy that shall become region "${self}": nornicctl region adopt; else set it to ${facts.self}`,
    },
  );
}
