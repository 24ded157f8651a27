import { setTimeout as sleep } from "node:timers/promises";
import type { Clients } from "./clients.js";
import type { RaftCluster } from "./raft-cluster.js";

const SETTLE_MS = 700;

export interface LeaderLosses {
  /** From the signal to the first acknowledged write of a later term, in milliseconds. */
  readonly gapsMs: number[];
  /** The longest time without an acknowledgement around each. */
  readonly silencesMs: number[];
  readonly violations: string[];
  operations: number;
}

/** Ends the leader's process, round by round, and starts it again once another one leads. */
export async function loseLeaders(options: {
  readonly cluster: RaftCluster;
  readonly clients: Clients;
  readonly rounds: number;
  readonly signal: "SIGKILL" | "SIGTERM";
  readonly log?: (line: string) => void;
}): Promise<LeaderLosses> {
  const { cluster, clients, rounds, signal } = options;
  const losses: LeaderLosses = { gapsMs: [], silencesMs: [], violations: [], operations: 0 };
  for (let round = 1; round <= rounds; round += 1) {
    const leader = await cluster.leader();
    const term = await cluster.term([leader]);
    const next = clients.ackAfterTerm(term);
    clients.longestGapMs = 0;
    const startMs = performance.now();
    const ended = leader.kill(signal);
    losses.gapsMs.push((await next).atMs - startMs);
    await ended;
    await sleep(SETTLE_MS / 2);
    losses.silencesMs.push(clients.longestGapMs);
    await leader.start();
    await sleep(SETTLE_MS);
    const report = await clients.nextEpoch();
    losses.operations += report.operations;
    if (report.verdict !== "linearizable") losses.violations.push(`${round}: ${report.text}`);
    if (round % 10 === 0) {
      options.log?.(`${round} rounds, ${clients.acks} acknowledged, gaps ${spread(losses.gapsMs)}`);
    }
  }
  return losses;
}

/** The value that `share` of 100 do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((share / 100) * sorted.length) - 1)] ?? Number.NaN;
}

export function spread(valuesMs: readonly number[]): string {
  const at = (share: number) => percentile(valuesMs, share).toFixed(0);
  return `p50 ${at(50)} ms, p99 ${at(99)} ms, longest ${at(100)} ms`;
}
