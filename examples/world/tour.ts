import type { WorldClient, WorldNode } from "./client.js";
import { countryId } from "./data.js";

const name = (node: WorldNode): string => String(node.properties.name);
const sorted = (names: readonly string[]): string => [...names].sort().join(", ");

/** Answers a few questions from the graph, each with the requests a program would make. */
export async function tour(client: WorldClient, withCities: boolean): Promise<void> {
  const countries = new Map((await client.nodes("Country")).map((node) => [node.id, node]));
  const named = (ids: Iterable<string>) => [...ids].map((id) => name(countries.get(id)!));

  const swiss = await neighbours(client, countryId("CHE"));
  tell("Neighbours of Switzerland", sorted(named(swiss)));

  const reached = await reachable(client, countryId("PRT"));
  tell("Countries one can reach from Portugal by land", `${reached.size}`);
  tell("  the farthest", sorted(named(farthest(reached))));

  const oceania = await client.nodes("Country", { region: "Oceania" });
  tell("Countries of Oceania", `${oceania.length}`);

  const area = (node: WorldNode) => Number(node.properties.areaKm2);
  const largest = [...countries.values()].sort((a, b) => area(b) - area(a)).slice(0, 5);
  tell("Largest by area", largest.map(name).join(", "));

  if (!withCities) return;
  const springfields = await client.nodes("City", { name: "Springfield" });
  const where = new Set(springfields.map((city) => String(city.properties.country)));
  tell("Cities named Springfield", `${springfields.length}, in ${sorted([...where])}`);
  const inLiechtenstein = await client.edges(countryId("LIE"), "IN", "in");
  tell("Cities in Liechtenstein", `${inLiechtenstein.length}`);
}

async function neighbours(client: WorldClient, id: string): Promise<readonly string[]> {
  const borders = await client.edges(id, "BORDERS");
  return borders.map(({ from, to }) => (from === id ? to : from));
}

/** Breadth first: each country with the number of borders on the way, without the start. */
async function reachable(client: WorldClient, start: string): Promise<Map<string, number>> {
  const found = new Map([[start, 0]]);
  for (const [id, borders] of found) {
    for (const next of await neighbours(client, id)) {
      if (!found.has(next)) found.set(next, borders + 1);
    }
  }
  found.delete(start);
  return found;
}

function farthest(found: ReadonlyMap<string, number>): string[] {
  const most = Math.max(...found.values());
  return [...found].filter(([, borders]) => borders === most).map(([id]) => id);
}

function tell(question: string, answer: string): void {
  process.stdout.write(`${question}: ${answer}\n`);
}
