/** What the clients of a set know about its elements, and what it holds in the end. */
export interface PresenceInput {
  /** Additions that were answered with success. */
  readonly acknowledged: Iterable<string>;
  /** Additions that may have happened. */
  readonly unknown?: Iterable<string>;
  /** Every element found at the end, one for each time it was found. */
  readonly found: Iterable<string>;
}

export interface PresenceReport {
  readonly ok: boolean;
  readonly acknowledged: number;
  readonly found: number;
  /** Acknowledged and not found. */
  readonly lost: readonly string[];
  /** Found more than once. */
  readonly doubled: readonly string[];
  /** Found, though nobody added it or its addition was refused. */
  readonly invented: readonly string[];
  /** Unknown additions that turned out to have happened. */
  readonly unknownFound: number;
  readonly text: string;
}

const NAMED_MAX = 20;

/** Every acknowledged element is there once, an unknown one at most once, and no other at all. */
export function checkPresence(input: PresenceInput): PresenceReport {
  const acknowledged = new Set(input.acknowledged);
  const unknown = new Set(input.unknown ?? []);
  const times = new Map<string, number>();
  for (const element of input.found) times.set(element, (times.get(element) ?? 0) + 1);
  const elements = [...times.keys()];
  const lost = [...acknowledged].filter((element) => !times.has(element));
  const doubled = elements.filter((element) => times.get(element) !== 1);
  const invented = elements.filter((e) => !acknowledged.has(e) && !unknown.has(e));
  const unknownFound = elements.filter((e) => unknown.has(e) && !acknowledged.has(e)).length;
  const ok = lost.length + doubled.length + invented.length === 0;
  const counts = { acknowledged: acknowledged.size, found: times.size };
  const text = [
    `${ok ? "present" : "violation"}: ${counts.acknowledged} acknowledged, ${counts.found} found, ` +
      `${unknownFound} of them with unknown outcome`,
    ...listed("lost", lost),
    ...listed("found more than once", doubled),
    ...listed("found, but never added", invented),
  ].join("\n");
  return { ok, ...counts, lost, doubled, invented, unknownFound, text };
}

function listed(what: string, elements: readonly string[]): string[] {
  if (elements.length === 0) return [];
  const more = elements.length > NAMED_MAX ? ` and ${elements.length - NAMED_MAX} more` : "";
  return [`${what} (${elements.length}): ${elements.slice(0, NAMED_MAX).join(", ")}${more}`];
}
