import { EXIT } from "../exit-codes.js";
import type { Answer } from "./answer.js";
import type { Client, Json } from "./client.js";
import { show } from "./shown.js";

/** The node waits for a lease to run out and for what is under way; here is waited longer. */
const PAIR_ANSWER_MS_MAX = 15_000;

export interface PromoteOptions {
  /** Also when acknowledged writes may be lost. */
  readonly force?: boolean;
  /** The operator vouches that no other node of the pair runs. */
  readonly othersStopped?: boolean;
}

/** Makes the node that answers the primary. */
export async function promote(client: Client, options: PromoteOptions): Promise<Answer> {
  const body = {
    ...(options.force === true ? { force: true } : {}),
    ...(options.othersStopped === true ? { others_stopped: true } : {}),
  };
  const result = await post(client, "/admin/promote", body);
  return done(client, result, `this node is primary in epoch ${show(result.term)}`);
}

/** @param target - without one the primary chooses who is furthest */
export async function switchOver(client: Client, target: string | undefined): Promise<Answer> {
  const result = await post(client, "/admin/switchover", target === undefined ? {} : { target });
  return done(client, result, `primary now: ${show(result.primary)}`);
}

function post(client: Client, path: string, body: Json): Promise<Json> {
  return client.json(path, { method: "POST", body, answerMsMax: PAIR_ANSWER_MS_MAX });
}

function done(client: Client, result: Json, text: string): Answer {
  return { exit: EXIT.ok, json: { endpoint: client.endpoint, ...result }, text: `${text}\n` };
}
