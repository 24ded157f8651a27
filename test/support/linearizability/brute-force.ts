import type { Operation, Value } from "./operation.js";

/**
 * The definition, word for word: tries every order of every selection of operations. For histories
 * of one key with up to about eight operations. Shares nothing with the checker, so that they can
 * prove each other.
 */
export function hasOrder(history: readonly Operation[]): boolean {
  const relevant = history.filter(
    ({ outcome }) => outcome.kind !== "refused" && outcome.kind !== "failed",
  );
  return extend([], relevant);
}

function extend(order: readonly Operation[], left: readonly Operation[]): boolean {
  if (left.every(({ outcome }) => outcome.kind === "unknown") && hasVersions(order)) return true;
  return left.some((next) => {
    const others = left.filter((operation) => operation !== next);
    if (others.some((operation) => isBefore(operation, next))) return false;
    const longer = [...order, next];
    return isExplained(longer) && extend(longer, others);
  });
}

function isBefore(one: Operation, other: Operation): boolean {
  return one.outcome.kind !== "unknown" && one.returnedAt < other.invokedAt;
}

/** The last operation fits the values that the others leave behind; versions come later. */
function isExplained(order: readonly Operation[]): boolean {
  const value = valueAfter(order.slice(0, -1));
  const last = order.at(-1) as Operation;
  const { outcome } = last;
  switch (last.call) {
    case "read":
      return value === (last.outcome.kind === "value" ? last.outcome.value : null);
    case "write":
      return true;
    case "delete":
      return !("existed" in outcome) || outcome.existed === (value !== null);
    case "cas": {
      if ("version" in last.expect) return outcome.kind === "mismatch" || value !== null;
      const isMet =
        "value" in last.expect
          ? value === last.expect.value
          : last.expect.exists === (value !== null);
      return isMet === (outcome.kind !== "mismatch");
    }
  }
}

function valueAfter(order: readonly Operation[]): Value | null {
  const last = order.findLast(changes);
  return last === undefined || last.call === "delete" || last.call === "read" ? null : last.value;
}

function changes({ call, outcome }: Operation): boolean {
  return call !== "read" && outcome.kind !== "mismatch";
}

/** What the answers say about the version that one change got. */
interface Version {
  readonly isRepeat: boolean;
  readonly is: Set<number>;
  readonly isNot: Set<number>;
}

/** Whether whole numbers can be given to the changes, growing, that agree with every answer. */
function hasVersions(order: readonly Operation[]): boolean {
  const versions: Version[] = [];
  let value: Value | null = null;
  for (const operation of order) {
    const { outcome } = operation;
    const current = value === null ? undefined : versions.at(-1);
    if (operation.call === "cas" && "version" in operation.expect) {
      const set = outcome.kind === "mismatch" ? current?.isNot : current?.is;
      set?.add(operation.expect.version);
    }
    const told = "version" in outcome ? outcome.version : undefined;
    if (operation.call === "read" && told !== undefined) current?.is.add(told);
    if (!changes(operation)) continue;
    const after: Value | null = valueAfter([operation]);
    const isRepeat = after === value && told === undefined;
    versions.push({ isRepeat, is: new Set(told === undefined ? [] : [told]), isNot: new Set() });
    value = after;
  }
  return canBeAssigned(versions);
}

/** The least possible number each time leaves the most room for the next. */
function canBeAssigned(versions: readonly Version[]): boolean {
  let before = 0;
  for (const { isRepeat, is, isNot } of versions) {
    const [fixed] = is;
    let version = isRepeat ? before : before + 1;
    while (fixed === undefined && isNot.has(version)) version += 1;
    if (fixed !== undefined) {
      if (is.size > 1 || isNot.has(fixed) || fixed < version) return false;
      version = fixed;
    }
    before = version;
  }
  return true;
}
