import { invariant, type RegionId } from "../../../base/index.js";

export interface RegionCoreOptions {
  readonly self: RegionId;
  /** All times are in ticks of the driver. */
  readonly batchTicks: number;
  /** Changes that leave without waiting for more. */
  readonly batchChanges: number;
  /** Changes that go in one message when there are many. */
  readonly messageChangesMax: number;
  readonly messageCharsMax: number;
  /** Messages to one region without an answer. */
  readonly windowMax: number;
  /** Commands of one region under way in the log of this one. */
  readonly proposalsMax: number;
  /** Before a region that cannot be reached is asked again: doubled each time, up to the second. */
  readonly backoffTicks: number;
  readonly backoffTicksMax: number;
  /** How long a change that another one waits for may take to come from where it was made. */
  readonly relayTicks: number;
  /** Between two messages that tell nothing but what is contained, and two entries about it. */
  readonly tellTicks: number;
  /** Clients that wait until another region has what they wrote. */
  readonly waitsMax: number;
  /** Changes that are kept for a region before it is given up; 0: it never is. */
  readonly keptChangesMax: number;
}

/** @throws InvariantViolation when the options contradict each other */
export function checkRegionOptions(options: RegionCoreOptions): void {
  const { batchChanges, messageChangesMax, backoffTicks, backoffTicksMax } = options;
  invariant(batchChanges >= 1, "a batch has at least one change");
  invariant(messageChangesMax >= batchChanges, "a message holds a batch");
  invariant(options.windowMax >= 1, "a message may be under way");
  invariant(options.proposalsMax >= 1, "a command may be under way");
  invariant(backoffTicks >= 1 && backoffTicksMax >= backoffTicks, "backing off takes time");
  invariant(options.tellTicks >= 1 && options.relayTicks >= 1, "waiting takes time");
}
