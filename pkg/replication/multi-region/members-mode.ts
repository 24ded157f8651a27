import { ReplicationError } from "../errors.js";
import type { RaftMode } from "../raft/index.js";

/**
 * Why a region may not be founded on these members: one of them does not answer, or runs another
 * mode. @returns undefined when all others run this one
 */
export async function objectionOf(raft: Pick<RaftMode, "askMembers">): Promise<string | undefined> {
  const answers = await raft.askMembers({ action: "describe", args: {} });
  const objections = answers.flatMap(({ node, answer }) => {
    if (answer instanceof ReplicationError) return [`${node} does not say so (${answer.message})`];
    const mode = (answer as { readonly mode?: unknown } | null)?.mode;
    return mode === "multi_region" ? [] : [`${node} runs mode ${String(mode)}`];
  });
  if (objections.length === 0) return undefined;
  return `a region is founded once all members of its cluster run multi_region: ${objections.join(", ")}`;
}
