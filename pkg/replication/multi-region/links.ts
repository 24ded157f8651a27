import type { RegionId } from "../../base/index.js";
import type { Clock, Timers } from "../../runtime/index.js";
import type { PeerConnection, Transport } from "../ports/index.js";
import type { ChangesAnswer, ChangesMessage, Vector } from "./core/index.js";
import { type RegionRemarks, readAnswerFrame, toChangesFrame } from "./wire/index.js";

export interface RegionLinksParts {
  readonly transport: Pick<Transport, "connect">;
  /** Nodes of each other region, in the order in which they are tried. */
  readonly remotes: ReadonlyMap<RegionId, readonly string[]>;
  /** Longest wait for the answer to one message, in milliseconds. */
  readonly callTimeoutMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  /** What every message says beside changes. */
  remarks(): RegionRemarks;
}

/** How long somebody is looked for who answers, in milliseconds. */
const ASK_MS_MAX = 3_000;
const ASK_PAUSE_MS = 100;

interface Link {
  /** Which of the region's nodes is tried when nobody names one. */
  at: number;
  address: string;
  /** Something was sent there: only then is it a reason to try another one that nothing came back. */
  isTried: boolean;
  connection: PeerConnection | undefined;
}

/**
 * MR-44: the way to each other region: a connection to one of its nodes, made when something is to
 * be sent. Whoever answers that another node leads is followed; who does not answer is passed over.
 */
export class RegionLinks {
  readonly #parts: RegionLinksParts;
  readonly #links = new Map<RegionId, Link>();

  constructor(parts: RegionLinksParts) {
    this.#parts = parts;
    for (const [region, [address]] of parts.remotes) {
      if (address === undefined) continue;
      this.#links.set(region, { at: 0, address, isTried: false, connection: undefined });
    }
  }

  /** Rejects when no answer came, whatever became of the message. */
  async send(region: RegionId, message: ChangesMessage): Promise<ChangesAnswer> {
    const link = this.#links.get(region);
    if (link === undefined) throw new Error(`no address of region ${region} is known`);
    const { transport, callTimeoutMs, remarks } = this.#parts;
    link.isTried = true;
    link.connection ??= transport.connect({ address: link.address });
    const frame = toChangesFrame(message, remarks());
    const options = { timeoutMs: callTimeoutMs, priority: "normal" } as const;
    return readAnswerFrame((await link.connection.call(frame, options)).payload);
  }

  /** @param leader - where the region's leader is said to be; null: the next of its nodes is tried */
  retarget(region: RegionId, leader: string | null): void {
    const link = this.#links.get(region);
    const addresses = this.#parts.remotes.get(region) ?? [];
    if (link === undefined) return;
    const isNew = leader !== null && leader !== link.address;
    if (!isNew && !link.isTried) return;
    if (!isNew) link.at = (link.at + 1) % addresses.length;
    const address = isNew ? leader : (addresses[link.at] as string);
    link.isTried = false;
    if (address === link.address) return;
    void link.connection?.close();
    link.connection = undefined;
    link.address = address;
  }

  /**
   * What the region's state contains, by its leader's word.
   * @throws Error saying why nobody answered
   */
  async ask(region: RegionId, message: ChangesMessage): Promise<Vector> {
    const { clock, timers } = this.#parts;
    const untilMs = clock.monotonicMs() + ASK_MS_MAX;
    let reason = "nobody answered";
    while (clock.monotonicMs() < untilMs) {
      const answer = await this.send(region, message).catch((error: unknown) => {
        reason = error instanceof Error ? error.message : String(error);
      });
      if (answer !== undefined && "have" in answer) return answer.have;
      if (answer?.kind === "refused") throw new Error(`it refuses this region: ${answer.reason}`);
      if (answer !== undefined) reason = `it answered ${answer.kind}`;
      this.retarget(region, answer?.kind === "not_leader" ? answer.leader : null);
      await new Promise<void>((next) => void timers.after(ASK_PAUSE_MS, next));
    }
    throw new Error(reason);
  }

  addressOf(region: RegionId): string | null {
    return this.#links.get(region)?.address ?? null;
  }

  isConnected(region: RegionId): boolean {
    return this.#links.get(region)?.connection?.isConnected() ?? false;
  }

  /** This node has nothing to send any more; a later message connects anew. */
  disconnect(): void {
    for (const link of this.#links.values()) {
      void link.connection?.close();
      link.connection = undefined;
    }
  }
}
