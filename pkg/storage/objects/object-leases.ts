import { ReplicationError } from "../../replication/errors.js";
import type { Clock } from "../../runtime/index.js";

/** Longest that a lease or a pin may last. */
const LEASE_MS_MAX = 60 * 60 * 1_000;
/** Keys that may be leased or pinned at once. */
const LEASES_MAX = 1_000_000;

interface Hold {
  leasedUntilMs: number;
  pinnedUntilMs: number;
}

export interface ObjectLeasesOptions {
  readonly clock: Clock;
  /** Longest lease that is given; the same on every node. */
  readonly leaseMsMax: number;
}

/**
 * Who is reading what, and what had better stay: known to one node, in memory, by its own clock.
 * None of it is replicated, in a digest or in a snapshot, so that a lease costs no write and two
 * replicas never differ by one. Whoever proposes `remove` and `evict` asks here first.
 */
export class ObjectLeases {
  readonly #clock: Clock;
  readonly #leaseMsMax: number;
  readonly #holds = new Map<string, Hold>();
  #graceUntilMs: number;

  constructor({ clock, leaseMsMax }: ObjectLeasesOptions) {
    if (!(leaseMsMax > 0 && leaseMsMax <= LEASE_MS_MAX)) {
      throw invalid("leaseMsMax", `must be above 0, up to ${LEASE_MS_MAX}`);
    }
    this.#clock = clock;
    this.#leaseMsMax = leaseMsMax;
    this.#graceUntilMs = clock.monotonicMs() + leaseMsMax;
  }

  /**
   * Call when this node begins to lead: leases that another node gave are not known here, so every
   * object counts as leased until the longest of them is over. A new instance begins like that.
   */
  beginLeading(): void {
    this.#graceUntilMs = this.#clock.monotonicMs() + this.#leaseMsMax;
  }

  /**
   * Promises that the object is neither removed nor evicted for so long. Never shortens.
   * @throws ReplicationError `INVALID` | `OVERLOADED`
   */
  lease(key: string, forMs: number): void {
    const hold = this.#hold(key, forMs);
    hold.leasedUntilMs = Math.max(hold.leasedUntilMs, this.#clock.monotonicMs() + forMs);
  }

  /**
   * Asks eviction to take others first for so long. Never shortens.
   * @throws ReplicationError `INVALID` | `OVERLOADED`
   */
  pin(key: string, forMs: number): void {
    const hold = this.#hold(key, forMs);
    hold.pinnedUntilMs = Math.max(hold.pinnedUntilMs, this.#clock.monotonicMs() + forMs);
  }

  isLeased(key: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    return nowMs < this.#graceUntilMs || nowMs < (this.#holds.get(key)?.leasedUntilMs ?? 0);
  }

  isPinned(key: string): boolean {
    return this.#clock.monotonicMs() < (this.#holds.get(key)?.pinnedUntilMs ?? 0);
  }

  /** Keys that are held in memory, those whose time is over included until there is need. */
  get size(): number {
    return this.#holds.size;
  }

  #hold(key: string, forMs: number): Hold {
    if (!(forMs > 0 && forMs <= this.#leaseMsMax)) {
      throw invalid("forMs", `must be above 0, up to ${this.#leaseMsMax}`);
    }
    const known = this.#holds.get(key);
    if (known !== undefined) return known;
    if (this.#holds.size >= LEASES_MAX) this.#sweep();
    const made = { leasedUntilMs: 0, pinnedUntilMs: 0 };
    this.#holds.set(key, made);
    return made;
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [key, { leasedUntilMs, pinnedUntilMs }] of this.#holds) {
      if (leasedUntilMs <= nowMs && pinnedUntilMs <= nowMs) this.#holds.delete(key);
    }
    if (this.#holds.size < LEASES_MAX) return;
    throw new ReplicationError("OVERLOADED", `${LEASES_MAX} objects are leased or pinned`, {
      hint: "let leases end, or lease for a shorter time",
    });
  }
}

function invalid(field: string, problem: string): ReplicationError {
  return new ReplicationError("INVALID", `${field} ${problem}`, { field });
}
