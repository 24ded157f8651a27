import { setTimeout as sleep } from "node:timers/promises";
import type { Clients } from "./clients.js";
import type { HttpAnswer, RaftCluster, RaftNode } from "./raft-cluster.js";

const TRIES_MAX = 20;
const TRY_MS = 250;

/** Everything a run has found out; empty `problems` is what a test asks for. */
export interface FinalCheck {
  readonly problems: readonly string[];
  readonly acknowledged: number;
  readonly text: string;
}

/**
 * Ends the load and looks at every running node: each holds the same, every acknowledged element
 * once, its digest is that of its rows, and no term had two leaders.
 */
export async function finalCheck(cluster: RaftCluster, clients: Clients): Promise<FinalCheck> {
  await clients.stop();
  const problems: string[] = [];
  const history = await clients.nextEpoch(0);
  if (history.verdict !== "linearizable") problems.push(history.text);
  const index = await cluster.converged();
  const contents = new Set<string>();
  let found = 0;
  for (const node of cluster.running()) {
    const { set, all } = await clients.look(node);
    contents.add(all);
    found = set.found;
    if (!set.ok) problems.push(`${node.id}: ${set.text}`);
    const verified = await verify(node);
    if (verified.status !== 200 || verified.body.equal !== true) {
      problems.push(`${node.id}: verification said ${JSON.stringify(verified)}`);
    }
  }
  if (contents.size > 1) problems.push("the nodes do not hold the same");
  const { terms, doubled } = cluster.leaderships();
  problems.push(...doubled.map((text) => `two leaders in ${text}`));
  const acknowledged = clients.acknowledged.size;
  const reasons = [...clients.reasons].map(([reason, times]) => `${reason} ${times}`).join(", ");
  const text =
    `${clients.acks} writes acknowledged, ${acknowledged} elements of which ${found} found ` +
    `(${clients.unknown.size} of unknown fate), ${terms} leaderships, index ${index}; ` +
    `not answered with success: ${reasons || "none"}`;
  return { problems, acknowledged, text };
}

/** A node that finds no leader for a moment has compared nothing yet. */
async function verify(node: RaftNode): Promise<HttpAnswer> {
  for (let tries = 1; ; tries += 1) {
    const verified = await node.post("/admin/verify", {});
    if (verified.body.replicas?.result !== "unknown" || tries === TRIES_MAX) return verified;
    await sleep(TRY_MS);
  }
}
