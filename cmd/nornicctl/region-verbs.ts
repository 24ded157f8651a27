import { EXIT } from "../exit-codes.js";
import { type Answer, bytesText, table } from "./answer.js";
import type { Client, Json } from "./client.js";
import { list, show, unexpected } from "./shown.js";

/** Another region may have to be asked before there is an answer. */
const REGION_ANSWER_MS_MAX = 15_000;

/** States in which a region gets what is written here, or was given up on purpose. */
const WELL: ReadonlySet<unknown> = new Set(["streaming", "waiting", "given_up"]);

/** How the others stand towards this region; exit 2 when one does not get what is written here. */
export async function regionStatus(client: Client): Promise<Answer> {
  const body = await client.json("/admin/region");
  if (!Array.isArray(body.regions)) throw unexpected(client, "/admin/region");
  const regions = list(body.regions);
  const facts = [
    ["region", show(body.region)],
    ["promoted", show(body.promoted)],
    ["strategy", show(body.strategy)],
    ...(body.obstacle === null ? [] : [["obstacle", show(body.obstacle)]]),
  ];
  const rows = [
    ["region", "state", "behind", "bytes", "ms", "from it", "missing", "clock", "address"],
    ...regions.map((region) => [
      show(region.region),
      show(region.state),
      show(region.lag_entries),
      typeof region.lag_bytes === "number" ? bytesText(region.lag_bytes) : "-",
      show(region.lag_ms),
      show(region.received),
      show(region.missing),
      region.clock_ahead_ms === 0 ? "ok" : `${show(region.clock_ahead_ms)} ms ahead`,
      show(region.address),
    ]),
  ];
  const reasons = regions
    .filter(({ reason }) => typeof reason === "string")
    .map(({ region, reason }) => `${show(region)}: ${show(reason)}\n`);
  const well = body.obstacle === null && regions.every(({ state }) => WELL.has(state));
  return {
    exit: well ? EXIT.ok : EXIT.problemFound,
    json: { endpoint: client.endpoint, ...body },
    text: `${table(facts)}\n${table(rows)}${reasons.join("")}`,
  };
}

/** Makes the region of the node that answers the promoted one. */
export async function regionPromote(client: Client): Promise<Answer> {
  const result = await post(client, "promote", {});
  const missing = list(result.missing).map(
    ({ region, missing: count }) => `${show(region)}: ${show(count)} changes are not here\n`,
  );
  const text = `region ${show(result.promoted)} is promoted, as number ${show(result.epoch)}\n`;
  return done(client, result, `${text}${missing.join("")}`);
}

/** Nothing waits for that region any more; what it sends itself is refused. */
export async function regionGiveUp(client: Client, region: string): Promise<Answer> {
  const result = await post(client, "give-up", { region });
  return done(client, result, `region ${region} was given up\n`);
}

/** A region that was given up goes on from where it is, if what it lacks is still kept. */
export async function regionReadmit(client: Client, region: string): Promise<Answer> {
  const result = await post(client, "readmit", { region });
  return done(client, result, `region ${region} goes on from where it is\n`);
}

/** Makes the copy of another region that the node has into its own region. */
export async function regionAdopt(client: Client): Promise<Answer> {
  const result = await post(client, "adopt", {});
  const text = `this copy of region ${show(result.was)} is region ${show(result.region)} now\n`;
  return done(client, result, text);
}

function post(client: Client, action: string, body: Json): Promise<Json> {
  const answerMsMax = REGION_ANSWER_MS_MAX;
  return client.json(`/admin/region/${action}`, { method: "POST", body, answerMsMax });
}

function done(client: Client, result: Json, text: string): Answer {
  return { exit: EXIT.ok, json: { endpoint: client.endpoint, ...result }, text };
}
