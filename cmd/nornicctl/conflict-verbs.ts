import { EXIT } from "../exit-codes.js";
import { type Answer, table } from "./answer.js";
import type { Client, Json } from "./client.js";
import { Failure } from "./failure.js";
import { list, object, show, unexpected } from "./shown.js";

const HEAD = ["id", "thing", "place", "kind", "counts", "instead of"];

export interface ListOptions {
  readonly ended?: boolean | undefined;
  readonly after?: string | undefined;
  readonly limit?: number | undefined;
}

/** What regions wrote without knowing of each other, as the node that answers has it. */
export async function conflictList(client: Client, options: ListOptions): Promise<Answer> {
  const { ended, after, limit } = options;
  const query = new URLSearchParams({
    state: ended ? "ended" : "open",
    ...(after === undefined ? {} : { after }),
    ...(limit === undefined ? {} : { limit: String(limit) }),
  });
  const body = await client.json(`/admin/conflicts?${query}`);
  if (!Array.isArray(body.conflicts)) throw unexpected(client, "/admin/conflicts");
  const conflicts = list(body.conflicts);
  const more = body.after === undefined ? "" : `there are more: --after ${quoted(body.after)}\n`;
  const nothing = ended ? "none has ended lately\n" : "no conflicts\n";
  return {
    exit: EXIT.ok,
    json: { endpoint: client.endpoint, ...body },
    text: (conflicts.length === 0 ? nothing : table([HEAD, ...conflicts.map(row)])) + more,
  };
}

function row(conflict: Json): readonly string[] {
  const { id, key, field, kind, winner, losers } = conflict;
  const others = list(losers).map((loser) => side(loser));
  return [show(id), show(key), show(field), show(kind), side(object(winner)), others.join(", ")];
}

/** Which region wrote what; a change of a whole thing is too long for a row. */
function side({ origin, value }: Json): string {
  if (value === undefined) return `${show(origin)} (gone)`;
  const text = JSON.stringify(value);
  return `${show(origin)} ${text.length > 40 ? "(see show)" : text}`;
}

export async function conflictShow(client: Client, id: string): Promise<Answer> {
  const body = await client.json(place(id));
  const { how, endedBy } = body;
  const facts = [
    ["id", show(body.id)],
    ["thing", show(body.key)],
    ["place", show(body.field)],
    ["kind", show(body.kind)],
    ["state", how === undefined ? "open" : `${show(how)} by ${dot(object(endedBy))}`],
  ];
  const sides = [
    ["", "by", "clock", "value"],
    ["winner", ...version(object(body.winner))],
    ...list(body.losers).map((loser) => ["loser", ...version(loser)]),
  ];
  return {
    exit: EXIT.ok,
    json: { endpoint: client.endpoint, ...body },
    text: `${table(facts)}\n${table(sides)}`,
  };
}

function version(one: Json): readonly string[] {
  const value = one.value === undefined ? "gone" : JSON.stringify(one.value);
  return [dot(one), show(one.clock), value];
}

/** As `--loser` takes it. */
function dot({ origin, seq }: Json): string {
  return `${show(origin)}:${show(seq)}`;
}

export interface ResolveOptions {
  readonly keep?: string | undefined;
  readonly loser?: string | undefined;
  readonly value?: string | undefined;
}

/** Writes in knowledge of all sides; what is chosen counts in every region. */
export async function conflictResolve(
  client: Client,
  id: string,
  options: ResolveOptions,
): Promise<Answer> {
  const body = await client.json(`${place(id)}/resolve`, {
    method: "POST",
    body: choiceOf(options),
  });
  return {
    exit: EXIT.ok,
    json: { endpoint: client.endpoint, ...body },
    text: `resolved at index ${show(object(body.receipt).index)}\n`,
  };
}

function choiceOf({ keep, loser, value }: ResolveOptions): Json {
  const given = [keep, loser, value].filter((one) => one !== undefined).length;
  if (given !== 1) throw misused("one of --keep winner, --loser and --value is needed");
  if (loser !== undefined) {
    const [, origin, seq] = /^(.+):(\d{1,15})$/.exec(loser) ?? [];
    if (origin === undefined) throw misused(`--loser ${loser}: REGION:NUMBER is needed`);
    return { keep: "loser", origin, seq: Number(seq) };
  }
  if (keep !== undefined) {
    if (keep !== "winner") throw misused(`--keep ${keep}: only the winner is kept by that name`);
    return { keep };
  }
  try {
    return { value: JSON.parse(value as string) as unknown };
  } catch (cause) {
    throw misused(`--value ${value}: JSON is needed, such as 12 or '"text"'`, cause);
  }
}

function misused(message: string, cause?: unknown): Failure {
  const next = "nornicctl conflicts show ID tells what there is to choose from";
  return new Failure(EXIT.usage, "USAGE", message, next, { cause });
}

const place = (id: string) => `/admin/conflicts/${encodeURIComponent(id)}`;
const quoted = (value: unknown) => `'${show(value)}'`;
