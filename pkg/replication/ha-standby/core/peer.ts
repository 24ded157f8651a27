import type { LogIndex } from "../../../base/index.js";
import { createProgress } from "../../progress/index.js";
import type { Peer } from "./state.js";

export function freshPeer(now: number, disk: string | null): Peer {
  return {
    progress: { ...createProgress(1 as LogIndex), paused: true },
    disk,
    heardAt: now,
    promisedAt: Number.NEGATIVE_INFINITY,
    aligned: false,
    received: 0 as LogIndex,
    applied: 0 as LogIndex,
    evenAt: now,
  };
}
