import { deferred, type JsonValue } from "../../pkg/base/index.js";
import type { ReplicatorClient } from "../../pkg/replication/index.js";
import type { Cancel, Timers } from "../../pkg/runtime/index.js";

/** Members come and go and restart on other ports; what is known is asked for again after this. */
const REFRESH_MS = 5_000;
const ASK_MS_MAX = 2_000;
/** A write that asks for the leader's place waits so long for it, and is forwarded then. */
const FIND_MS_MAX = 500;
/** A member that has not said it this often is forgotten: half a minute of refreshes (FC-151). */
const MISSED_MAX = 6;

interface Told {
  /** null: it serves no HTTP. */
  readonly http: string | null;
  /** Questions in a row that it did not answer. */
  readonly missed: number;
}

/** Where the members of the cluster serve HTTP, as far as they have said. */
export class HttpAddresses {
  readonly #replicator: Pick<ReplicatorClient, "onEvent" | "order">;
  readonly #timers: Timers;
  #own: string | null = null;
  #known: ReadonlyMap<string, Told> = new Map();
  /** The question under way. */
  #asked: Promise<void> | undefined;
  #closed = false;
  #cancel: Cancel = () => {};
  #stopListening = () => {};

  constructor(replicator: Pick<ReplicatorClient, "onEvent" | "order">, timers: Timers) {
    this.#replicator = replicator;
    this.#timers = timers;
  }

  of(nodeId: string): string | undefined {
    return this.#known.get(nodeId)?.http ?? undefined;
  }

  /** As {@link of}; a member that has not said it yet is asked, and its answer waited for a little. */
  async find(nodeId: string): Promise<string | undefined> {
    if (!this.#known.has(nodeId)) {
      const late = deferred();
      const cancel = this.#timers.after(FIND_MS_MAX, () => late.resolve());
      await Promise.race([this.#renew(), late.promise]);
      cancel();
    }
    return this.of(nodeId);
  }

  /** @param own - where this node serves; null: nowhere */
  start(own: string | null): void {
    this.#own = own;
    this.#stopListening = this.#replicator.onEvent((event) => {
      if (event.kind === "leader" && event.leaderId !== null) void this.#renew();
    });
    void this.#refresh();
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
    this.#stopListening();
  }

  /** Asks once more if a question is under way: it may have come before what is asked for. */
  async #renew(): Promise<void> {
    await this.#asked;
    await this.#refresh();
  }

  #refresh(): Promise<void> {
    this.#asked ??= this.#ask().finally(() => {
      this.#asked = undefined;
      if (!this.#closed) this.#cancel = this.#timers.after(REFRESH_MS, () => void this.#refresh());
    });
    return this.#asked;
  }

  async #ask(): Promise<void> {
    if (this.#closed) return;
    this.#cancel();
    try {
      const own = { http: this.#own };
      const told = await this.#replicator.order("front ends", own, { timeoutMs: ASK_MS_MAX });
      this.#known = toAddresses(told, this.#known);
    } catch {
      // The node starts, stops or has failed; what was known still is the best guess.
    }
  }
}

/** A member that did not answer now keeps the address it had, for a while. */
function toAddresses(told: JsonValue, before: ReadonlyMap<string, Told>): Map<string, Told> {
  const answers = new Map(Object.entries(Object(told) as Record<string, unknown>));
  const addresses = new Map<string, Told>();
  for (const [id, { http, missed }] of before) {
    if (!answers.has(id) && missed + 1 < MISSED_MAX)
      addresses.set(id, { http, missed: missed + 1 });
  }
  for (const [id, frontEnds] of answers) {
    const { http } = Object(frontEnds) as { readonly http?: unknown };
    const isKnown = http === null || (typeof http === "string" && URL.canParse(http));
    if (isKnown) addresses.set(id, { http, missed: 0 });
  }
  return addresses;
}
