import { closest, distance } from "fastest-levenshtein";

/** The known name that looks most like the given one. */
export function nearestName(given: string, known: readonly string[]): string | null {
  return known.length === 0 ? null : closest(given, known);
}

/** Whether the given name is so near to the known one that it was likely meant. */
export function isMisspelling(given: string, known: string): boolean {
  return distance(given, known) <= Math.max(2, Math.floor(given.length / 8));
}
