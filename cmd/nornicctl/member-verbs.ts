import { setTimeout as pause } from "node:timers/promises";
import { EXIT } from "../exit-codes.js";
import { type Answer, table } from "./answer.js";
import type { Client, Json } from "./client.js";
import { Failure } from "./failure.js";
import { list, object, show, unexpected } from "./shown.js";

const MEMBERS_HEAD = ["member", "address", "role", "healthy", "has", "lag"];

/** The members as a table; nothing for fewer than `min`. */
export function membersText(members: readonly Json[], min = 1): string {
  if (members.length < min) return "";
  const rows = members
    .toSorted((a, b) => (show(a.id) < show(b.id) ? -1 : 1))
    .map((one) => [one.id, one.address, one.role, one.healthy, one.match_index, one.lag].map(show));
  return table([MEMBERS_HEAD, ...rows]);
}

/** Who is in the cluster, as the leader sees them. */
export async function memberList(client: Client): Promise<Answer> {
  const cluster = await client.json("/cluster/status");
  if (!Array.isArray(cluster.members)) throw unexpected(client, "/cluster/status");
  const members = list(cluster.members);
  const outage = cluster.leader === null ? "no leader: writes wait\n" : "";
  return {
    exit: EXIT.ok,
    json: { endpoint: client.endpoint, ...cluster },
    text: `${membersText(members)}${outage}`,
  };
}

/** @param learner - it never votes; else it votes once it has caught up */
export function memberAdd(
  client: Client,
  id: string,
  address: string,
  learner: boolean,
): Promise<Answer> {
  const body = { node_id: id, address, ...(learner ? { learner } : {}) };
  const then = learner ? "a learner" : "a learner until it has caught up, then a voter";
  return order(client, "/admin/cluster/add", body, `${id} is a member: ${then}`);
}

export function memberRemove(client: Client, id: string): Promise<Answer> {
  const text = `${id} is no member any more; its process can be stopped`;
  return order(client, "/admin/cluster/remove", { node_id: id }, text);
}

export function memberPromote(client: Client, id: string): Promise<Answer> {
  const text = `${id} becomes a voter once it has caught up`;
  return order(client, "/admin/cluster/promote", { node_id: id }, text);
}

/** @param target - without one the leader chooses who is furthest */
export async function transferLeader(client: Client, target: string | undefined): Promise<Answer> {
  const body = target === undefined ? {} : { target };
  return withLeader(client, await post(client, "/admin/cluster/transfer-leadership", body));
}

export async function stepDown(client: Client): Promise<Answer> {
  return withLeader(client, await post(client, "/admin/raft/step-down", {}));
}

async function order(client: Client, path: string, body: Json, done: string): Promise<Answer> {
  const result = await post(client, path, body);
  return {
    exit: EXIT.ok,
    json: { endpoint: client.endpoint, ...result },
    text: `${done} (index ${show(result.index)}, term ${show(result.term)})\n`,
  };
}

/** A successor is elected within a second or so; who asks wants to know which. */
const LOOKS_MAX = 25;
const LOOK_MS = 200;

async function withLeader(client: Client, result: Json): Promise<Answer> {
  let { leader } = await client.json("/cluster/status");
  for (let looks = 1; leader === null && looks < LOOKS_MAX; looks += 1) {
    await pause(LOOK_MS);
    ({ leader } = await client.json("/cluster/status"));
  }
  const { id } = object(leader);
  return {
    exit: EXIT.ok,
    json: { endpoint: client.endpoint, ...result, leader },
    text: `leadership was handed over; leader now: ${id === undefined ? "being elected" : show(id)}\n`,
  };
}

/** Any node takes an order and has its leader carry it out; here is waited longer than there. */
const ORDER_ANSWER_MS_MAX = 15_000;

async function post(client: Client, path: string, body: Json): Promise<Json> {
  try {
    return await client.json(path, { method: "POST", body, answerMsMax: ORDER_ANSWER_MS_MAX });
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== "COMMIT_UNKNOWN") throw error;
    const next = "look first whether it took effect: nornicctl member list";
    throw new Failure(error.exit, error.code, error.message, next, { cause: error });
  }
}
