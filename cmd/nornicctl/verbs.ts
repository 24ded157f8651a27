import { EXIT } from "../exit-codes.js";
import { type Answer, bytesText, rangeText, table, timeText } from "./answer.js";
import { type Client, type Json, SLOW_ANSWER_MS_MAX } from "./client.js";
import { membersText } from "./member-verbs.js";
import { list, object, show, unexpected } from "./shown.js";

/** The node that answers: its role, its log, the members it knows. Exit 2 when it is not well. */
export async function status(client: Client): Promise<Answer> {
  const health = await client.json("/health", { alsoOk: [503] });
  if (typeof health.status !== "string") throw unexpected(client, "/health");
  const cluster = await client.json("/cluster/status");
  const log = await client.json("/admin/raft/state");
  const storage = await client.json("/admin/wal/position");
  const well = health.status === "ok";
  const own = object(health.replication);
  const facts = [
    ["node", show(own.node_id)],
    ["cluster", show(cluster.cluster_id)],
    ["mode", show(own.mode)],
    ["role", show(own.role)],
    ["state", own.reason ? `${show(own.state)}: ${show(own.reason)}` : show(own.state)],
    ["healthy", show(well)],
    ["leader", leaderText(object(cluster.leader))],
    ["term", show(own.term)],
    ["log", `${rangeText(log.first_index, log.last_index)}, ${sizeText(log.log_bytes)}`],
    ["durable", show(log.durable_index)],
    ["committed", show(log.commit_index)],
    ["applied", show(object(storage.applied).index)],
    ["stored", show(object(storage.storage_durable).index)],
    ["pending", show(log.pending_proposals)],
    ["lag", `${show(own.lag_entries)} entries, ${show(own.lag_ms)} ms`],
  ];
  const members = membersText(list(cluster.members), 2);
  return {
    exit: well ? EXIT.ok : EXIT.problemFound,
    json: { endpoint: client.endpoint, healthy: well, health: own, cluster, log, storage },
    text: `${table(facts)}${members && `\n${members}`}`,
  };
}

function leaderText({ id, address }: Json): string {
  if (id === undefined) return "none";
  return address ? `${show(id)} at ${show(address)}` : show(id);
}

function sizeText(bytes: unknown): string {
  return typeof bytes === "number" ? bytesText(bytes) : show(bytes);
}

/** How far this node and its peers are behind; exit 2 when one is further than `max`. */
export async function lag(client: Client, max: number | undefined): Promise<Answer> {
  const body = await client.json("/admin/replication/lag");
  if (typeof body.lag_entries !== "number") throw unexpected(client, "/admin/replication/lag");
  const peers = list(body.peers);
  const rows = [
    ["node", "entries", "ms", "bytes"],
    ["this node", show(body.lag_entries), show(body.lag_ms), show(body.lag_bytes)],
    ...peers.map(({ id, lag_entries, lag_ms, lag_bytes }) => [
      show(id),
      show(lag_entries),
      show(lag_ms),
      show(lag_bytes),
    ]),
  ];
  const worst = Math.max(
    body.lag_entries,
    ...peers.map(({ lag_entries }) => (typeof lag_entries === "number" ? lag_entries : Infinity)),
  );
  const behind = max !== undefined && worst > max;
  return {
    exit: behind ? EXIT.problemFound : EXIT.ok,
    json: { endpoint: client.endpoint, ...body },
    text: table(rows) + (behind ? `further behind than ${max} entries\n` : ""),
  };
}

/** What happened to the node since it started, and to the roles of a pair before; oldest first. */
export async function history(client: Client, limit: number | undefined): Promise<Answer> {
  const body = await client.json("/admin/history");
  if (!Array.isArray(body.events)) throw unexpected(client, "/admin/history");
  const last = (all: readonly Json[]) =>
    limit === undefined ? all : all.slice(Math.max(0, all.length - limit));
  const events = last(list(body.events));
  const failovers = last(list(body.failovers));
  const at = (event: Json) => (typeof event.at === "number" ? timeText(event.at) : "-");
  const rows = events.map((event) => [
    show(event.sequence),
    at(event),
    show(event.kind),
    eventText(event),
  ]);
  const kept = failovers.map((event) => [at(event), show(event.event), eventText(event)]);
  const since = rows.length === 0 ? "nothing has happened yet\n" : table(rows);
  return {
    exit: EXIT.ok,
    json: { endpoint: client.endpoint, failovers, events },
    text: kept.length === 0 ? since : `${table(kept)}\nsince the start\n${since}`,
  };
}

function eventText(event: Json): string {
  const { sequence: _sequence, at: _at, kind: _kind, event: _event, ...facts } = event;
  return Object.entries(facts)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}=${show(value)}`)
    .join(" ");
}

/** Whether what is stored is what was applied, on all members alike; exit 2 when it is not. */
export async function verify(client: Client): Promise<Answer> {
  const ask = { method: "POST", answerMsMax: SLOW_ANSWER_MS_MAX } as const;
  const body = await client.json("/admin/verify", ask);
  if (typeof body.equal !== "boolean") throw unexpected(client, "/admin/verify");
  const at = `at index ${show(object(body.position).index)}`;
  const differing = Array.isArray(body.differing) ? body.differing.length : 0;
  const replicas = body.replicas === undefined ? "" : replicasText(object(body.replicas));
  const text =
    differing === 0
      ? `equal ${at}: every stored row is what was applied\n`
      : `different ${at}: ${differing} of ${show(body.shards)} shards are not what was applied\n` +
        "next: stop this node, keep a copy of its data directory, and restore a snapshot\n";
  return {
    exit: body.equal ? EXIT.ok : EXIT.problemFound,
    json: { endpoint: client.endpoint, ...body },
    text: text + replicas,
  };
}

/** The first comparison tells what was found, the last what it came to. */
function replicasText({ equal, rounds, reason: cause }: Json): string {
  if (cause !== undefined) return `replicas: not compared: ${show(cause)}\n`;
  const [first, ...more] = list(rounds);
  const nodes = list(first?.nodes).map(({ id, status, reason, action }) => [
    show(id),
    show(status),
    action === "none" ? "" : show(action),
    reason ? show(reason) : "",
  ]);
  const end = equal ? (more.length > 0 ? "equal after repairs" : "equal") : "not known to be equal";
  return `replicas: ${end} at index ${show((more.at(-1) ?? first)?.index)}\n${table(nodes)}`;
}
