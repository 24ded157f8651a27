const SHAPE =
  /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:[.,](\d+))?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/;
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

export const ZERO_TIME = "0001-01-01T00:00:00Z";

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

/**
 * Checks an RFC 3339 time and spells it as NornicDB does: at most 9 fractional digits, no trailing
 * zeros.
 * @returns undefined when it is no such time
 */
export function canonicalTime(text: string): string | undefined {
  const parts = SHAPE.exec(text);
  if (parts === null) return undefined;
  const [, year = "", month = "", day = "", hour = "", minute = "", second = "", rest, zone] =
    parts;
  const monthDays =
    (DAYS[Number(month) - 1] ?? 0) + (month === "02" && isLeap(Number(year)) ? 1 : 0);
  if (Number(day) < 1 || Number(day) > monthDays) return undefined;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  const digits = (rest ?? "").slice(0, 9).replace(/0+$/, "");
  return `${text.slice(0, 19)}${digits === "" ? "" : `.${digits}`}${zone}`;
}

/** True only for a valid time that is already spelled canonically; ASCII bytes, no allocation. */
export function isCanonicalTime(bytes: Uint8Array, from: number, to: number): boolean {
  const length = to - from;
  if (length < 20 || length > 35) return false;
  if (bytes[from + 4] !== 0x2d || bytes[from + 7] !== 0x2d || bytes[from + 10] !== 0x54)
    return false;
  if (bytes[from + 13] !== 0x3a || bytes[from + 16] !== 0x3a) return false;
  const year = two(bytes, from) * 100 + two(bytes, from + 2);
  const month = two(bytes, from + 5);
  const day = two(bytes, from + 8);
  const monthDays = (DAYS[month - 1] ?? 0) + (month === 2 && isLeap(year) ? 1 : 0);
  if (!(year >= 0 && day >= 1 && day <= monthDays)) return false;
  if (!(inRange(bytes, from + 11, 23) && inRange(bytes, from + 14, 59))) return false;
  if (!inRange(bytes, from + 17, 59)) return false;
  return isCanonicalTail(bytes, from + 19, to);
}

function isCanonicalTail(bytes: Uint8Array, from: number, to: number): boolean {
  let at = from;
  if (bytes[at] === 0x2e) {
    at += 1;
    const start = at;
    while (isDigit(bytes[at])) at += 1;
    if (at === start || at - start > 9 || bytes[at - 1] === 0x30) return false;
  }
  if (bytes[at] === 0x5a) return at + 1 === to;
  if ((bytes[at] !== 0x2b && bytes[at] !== 0x2d) || at + 6 !== to) return false;
  return inRange(bytes, at + 1, 23) && bytes[at + 3] === 0x3a && inRange(bytes, at + 4, 59);
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

/** Not a number when there are no two digits. */
function two(bytes: Uint8Array, at: number): number {
  const tens = bytes[at];
  const ones = bytes[at + 1];
  if (!isDigit(tens) || !isDigit(ones)) return Number.NaN;
  return ((tens as number) - 0x30) * 10 + (ones as number) - 0x30;
}

function inRange(bytes: Uint8Array, at: number, max: number): boolean {
  return two(bytes, at) <= max;
}
