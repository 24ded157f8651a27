import { parseArgs } from "node:util";
import { WorldClient } from "./client.js";
import {
  borderCommands,
  type Command,
  cityCommands,
  countryCommands,
  INDEXES,
  readCities,
  readCountries,
} from "./data.js";
import { tour } from "./tour.js";

const HELP = `Loads countries, borders and cities into a node, then asks a few questions.
  --endpoint URL  where the node serves HTTP (http://127.0.0.1:7474)
  --small         countries and borders only`;
const BATCH_COMMANDS = 2000;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      endpoint: { type: "string", default: "http://127.0.0.1:7474" },
      small: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    return;
  }
  const client = new WorldClient(values.endpoint);
  const countries = readCountries();
  const nodes = [...countryCommands(countries)];
  const borders = [...borderCommands(countries)];
  const cities = values.small ? [] : [...cityCommands(readCities(), countries)];
  const before = await client.counts();

  let changed = await load(client, "indexes", INDEXES);
  changed += await load(client, "countries", nodes);
  changed += await load(client, "borders", borders);
  if (!values.small) changed += await load(client, "cities", cities);
  process.stdout.write(changed === 0 ? "nothing was new\n" : `${changed} things were new\n`);

  const all = [...nodes, ...borders, ...cities];
  await checkCounts(client, all, { wasEmpty: before.nodes === 0 && before.edges === 0 });
  await tour(client, !values.small);
}

/** @returns how many commands changed something */
async function load(
  client: WorldClient,
  what: string,
  commands: readonly Command[],
): Promise<number> {
  let [done, changed] = [0, 0];
  while (done < commands.length) {
    const batch = commands.slice(done, done + BATCH_COMMANDS);
    changed += await client.write(batch);
    done += batch.length;
    if (process.stderr.isTTY) process.stderr.write(`\r${what}: ${done} of ${commands.length}  `);
  }
  if (process.stderr.isTTY) process.stderr.write("\r");
  process.stdout.write(`${what}: ${done} written, ${changed} new or changed\n`);
  return changed;
}

async function checkCounts(
  client: WorldClient,
  commands: readonly Command[],
  { wasEmpty }: { readonly wasEmpty: boolean },
): Promise<void> {
  const { nodes, edges } = await client.counts();
  const wanted = {
    nodes: commands.filter(({ op }) => op === "put_node").length,
    edges: commands.filter(({ op }) => op === "put_edge").length,
  };
  const right = wasEmpty
    ? nodes === wanted.nodes && edges === wanted.edges
    : nodes >= wanted.nodes && edges >= wanted.edges;
  if (!right) {
    const there = `${nodes} nodes and ${edges} edges are there`;
    throw new Error(`${there}, ${wanted.nodes} and ${wanted.edges} should be`);
  }
  process.stdout.write(`counts are right: ${nodes} nodes, ${edges} edges\n`);
}

main().catch((error: unknown) => {
  const reason = error instanceof Error ? error : new Error(String(error));
  const cause = reason.cause instanceof Error ? ` (${reason.cause.message})` : "";
  process.stderr.write(`${reason.message}${cause}\n`);
  process.exitCode = 1;
});
