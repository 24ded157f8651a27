import { EXIT } from "../exit-codes.js";
import { type Answer, bytesText, rangeText, table, timeText } from "./answer.js";
import { type Client, type Json, SLOW_ANSWER_MS_MAX } from "./client.js";
import { list, object, show, unexpected } from "./shown.js";

const HEAD = ["id", "entries", "writes", "size", "set aside", "primary then", "offered again"];

/** Tails of the log that were cut off on the node that answers; exit 2 when one awaits a decision. */
export async function salvageList(client: Client): Promise<Answer> {
  const body = await client.json("/admin/salvage");
  if (!Array.isArray(body.files)) throw unexpected(client, "/admin/salvage");
  const files = list(body.files);
  const open = files.some(({ replayed_at }) => replayed_at === null);
  return {
    exit: open ? EXIT.problemFound : EXIT.ok,
    json: { endpoint: client.endpoint, files: body.files },
    text: files.length === 0 ? "nothing was cut off here\n" : table([HEAD, ...files.map(row)]),
  };
}

function row(file: Json): readonly string[] {
  return [
    show(file.id),
    rangeText(file.first, file.last),
    show(file.commands),
    typeof file.size_bytes === "number" ? bytesText(file.size_bytes) : "-",
    when(file.at),
    `${show(file.primary)}, epoch ${show(file.epoch)}`,
    when(file.replayed_at),
  ];
}

const when = (at: unknown) => (typeof at === "number" ? timeText(at) : "-");

export async function salvageShow(client: Client, id: string): Promise<Answer> {
  const body = await client.json(place(id));
  const rows = list(body.entries).map(({ index, term, request_id, at, operations }) => [
    show(index),
    show(term),
    show(request_id),
    show(at),
    operations === undefined ? "-" : JSON.stringify(operations),
  ]);
  const more = body.more === true ? "there are more; the file itself holds all\n" : "";
  return {
    exit: EXIT.ok,
    json: { endpoint: client.endpoint, ...body },
    text: table([["index", "term", "request", "at", "operations"], ...rows]) + more,
  };
}

/** Exit 2 when the state refused some of the writes. */
export async function salvageReplay(client: Client, id: string): Promise<Answer> {
  const ask = { method: "POST", body: {}, answerMsMax: SLOW_ANSWER_MS_MAX } as const;
  const body = await client.json(`${place(id)}/replay`, ask);
  const refused = list(body.refused);
  const counts = `${show(body.applied)} applied, ${show(body.known)} were there already, ${refused.length} refused`;
  const rows = refused.map(({ index, code, message }) => [index, code, message].map(show));
  return {
    exit: refused.length === 0 ? EXIT.ok : EXIT.problemFound,
    json: { endpoint: client.endpoint, ...body },
    text: `${counts}\n${table(rows)}`,
  };
}

export async function salvageDiscard(client: Client, id: string): Promise<Answer> {
  const body = await client.json(`${place(id)}/discard`, { method: "POST", body: {} });
  return {
    exit: EXIT.ok,
    json: { endpoint: client.endpoint, ...object(body) },
    text: `${id} is gone\n`,
  };
}

const place = (id: string) => `/admin/salvage/${encodeURIComponent(id)}`;
