import type { NodeId } from "../../base/index.js";
import type { Entry } from "../ports/index.js";

/**
 * Payload of entries sent to one peer and not answered: a core's window, and once more for what
 * it has given up and sends again while the link still carries the first.
 */
export const UNANSWERED_BYTES_MAX = 16_777_216;

/** How much of the log is under way to each peer. */
export class Unanswered {
  readonly #bytes = new Map<NodeId, number>();

  /** False: as much as is allowed is under way to that peer; nothing more is read for it. */
  hasRoom(to: NodeId): boolean {
    return (this.#bytes.get(to) ?? 0) < UNANSWERED_BYTES_MAX;
  }

  /** @returns what to call when these entries were answered, or never will be */
  sent(to: NodeId, entries: readonly Entry[]): () => void {
    const bytes = payloadBytes(entries);
    this.#bytes.set(to, (this.#bytes.get(to) ?? 0) + bytes);
    return () => void this.#bytes.set(to, (this.#bytes.get(to) ?? 0) - bytes);
  }
}

export function payloadBytes(entries: readonly Entry[]): number {
  return entries.reduce((sum, { payload }) => sum + payload.length, 0);
}
