import { setTimeout as sleep } from "node:timers/promises";
import { Acknowledgements } from "./acknowledgements.js";
import type { AcknowledgedWrite, Clients } from "./clients.js";
import type { HaPair, SyncMode } from "./ha-pair.js";
import { spread } from "./leader-kills.js";
import type { RaftNode } from "./raft-cluster.js";

const SETTLE_MS = 300;

export interface PrimaryLosses {
  /** From the kill to the standby's word that it is primary, in milliseconds. */
  readonly promotionsMs: number[];
  /** From the kill to the first acknowledged write of a later epoch. */
  readonly gapsMs: number[];
  /** From the start of the old primary's new process to its place in the set of those in sync. */
  readonly rejoinsMs: number[];
  /** Age, at the kill, of the oldest acknowledged write that was lost; 0 where none was. */
  readonly rposMs: number[];
  lost: number;
  operations: number;
  readonly problems: string[];
}

/**
 * Kills the primary at the moment of an acknowledgement, round by round; once the standby took its
 * place the old one is started again and has to come back by itself.
 */
export async function losePrimaries(options: {
  readonly pair: HaPair;
  readonly clients: Clients;
  readonly rounds: number;
  readonly syncMode: SyncMode;
  /** For so long before each kill the standby takes nothing in. */
  readonly frozenMs?: number;
}): Promise<PrimaryLosses> {
  const { pair, clients, rounds } = options;
  const acknowledgements = new Acknowledgements();
  clients.onWrite = (write) => acknowledgements.add(write);
  const losses: PrimaryLosses = {
    promotionsMs: [],
    gapsMs: [],
    rejoinsMs: [],
    rposMs: [],
    lost: 0,
    operations: 0,
    problems: [],
  };
  for (let round = 1; round <= rounds; round += 1) {
    const old = await pair.leader();
    const successor = pair.other(old);
    const term = await pair.term();
    await sleep(SETTLE_MS);
    if (options.frozenMs !== undefined) {
      successor.pause();
      await sleep(options.frozenMs);
    }
    const { startMs, check } = await killAtAck(clients, old);
    successor.resume();
    const next = clients.ackAfterTerm(term);
    await pair.leader([successor]);
    losses.promotionsMs.push(performance.now() - startMs);
    await old.start();
    losses.gapsMs.push((await next).atMs - startMs);
    losses.rejoinsMs.push(await pair.streams(old));

    const epoch = await pair.term();
    const lost = acknowledgements.lostTo(epoch, firstEntryOf(successor, epoch));
    losses.rposMs.push(Math.max(0, ...lost.map(({ atMs }) => startMs - atMs)));
    losses.lost += lost.length;
    clients.forget(lost.map(({ requestId }) => requestId));
    for (const id of await notSetAside(old, lost)) {
      losses.problems.push(`${round}: ${id} was acknowledged, is lost and was not set aside`);
    }
    acknowledgements.settle(epoch);
    // Whoever follows an asynchronous primary may read older values after it is gone.
    const report = options.syncMode === "async" ? check() : await clients.nextEpoch();
    losses.operations += report.operations;
    if (report.verdict !== "linearizable") losses.problems.push(`${round}: ${report.text}`);
  }
  losses.problems.push(...acknowledgements.problems());
  return losses;
}

/** @returns when, and the check of the history up to then */
export function killAtAck(clients: Clients, ...nodes: readonly RaftNode[]) {
  return new Promise<{ startMs: number; check: ReturnType<Clients["cutEpoch"]> }>(
    (resolve, reject) => {
      clients.onAck = () => {
        clients.onAck = undefined;
        const startMs = performance.now();
        const ended = nodes.map((node) => node.kill());
        const check = clients.cutEpoch();
        Promise.all(ended).then(() => resolve({ startMs, check }), reject);
      };
    },
  );
}

/** Index of the first entry of that epoch, as its primary said in its log. */
export function firstEntryOf(primary: RaftNode, epoch: number): number {
  const said = new RegExp(`entry (\\d+) of epoch ${epoch} is committed`).exec(primary.log());
  if (said === null) throw new Error(`${primary.id} did not say that epoch ${epoch} began`);
  return Number(said[1]);
}

/** Request ids of these writes that are in no salvage file of that node. */
export async function notSetAside(
  node: RaftNode,
  writes: readonly AcknowledgedWrite[],
): Promise<readonly string[]> {
  if (writes.length === 0) return [];
  const kept = await setAside(node);
  return writes.map(({ requestId }) => requestId).filter((id) => !kept.has(id));
}

export async function setAside(node: RaftNode): Promise<ReadonlySet<string>> {
  const { files } = (await node.get("/admin/salvage")) as { files: readonly { id: string }[] };
  const kept = new Set<string>();
  for (const { id } of files) {
    const shown = (await node.get(`/admin/salvage/${encodeURIComponent(id)}`)) as {
      entries: readonly { request_id: string }[];
    };
    for (const { request_id } of shown.entries) kept.add(request_id);
  }
  return kept;
}

export function lossesText(losses: PrimaryLosses): string {
  return (
    `promoted after ${spread(losses.promotionsMs)}; next write after ${spread(losses.gapsMs)}; ` +
    `rejoined within ${spread(losses.rejoinsMs)}; ${losses.lost} acknowledged writes lost, ` +
    `the oldest ${spread(losses.rposMs)} before the kill; ${losses.operations} checked operations`
  );
}

const PROMOTE_MS_MAX = 30_000;

/** Asks until the node is primary: a lease of one that is gone has to run out first. */
export async function promoted(node: RaftNode, flags: Readonly<Record<string, boolean>>) {
  const untilMs = performance.now() + PROMOTE_MS_MAX;
  for (;;) {
    const answer = await node.post("/admin/promote", flags);
    if (answer.status === 200) return;
    if (performance.now() > untilMs) throw new Error(`not promoted: ${JSON.stringify(answer)}`);
    await sleep(SETTLE_MS);
  }
}
