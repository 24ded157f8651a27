import { ReplicationError } from "../../service/index.js";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Parses a body: bounded in depth before anything is built. Keys such as `__proto__` come out as
 * plain own properties; the service refuses them by name.
 * @throws ReplicationError `INVALID`, `field` body
 */
export function parseJsonBody(text: string, depthMax: number): unknown {
  if (deeperThan(text, depthMax)) throw bad(`nested deeper than ${depthMax} levels`);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw bad(`not JSON: ${(error as Error).message.slice(0, 120)}`);
  }
}

function deeperThan(text: string, depthMax: number): boolean {
  if (text.length <= depthMax * 2) return false;
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
    } else if (code === 0x7b || code === 0x5b) {
      depth += 1;
      if (depth > depthMax) return true;
    } else if (code === 0x7d || code === 0x5d) {
      depth -= 1;
    }
  }
  return false;
}

function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end > 0) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  return text.length;
}

function bad(what: string): ReplicationError {
  return new ReplicationError("INVALID", `body: ${what}`, { field: "body" });
}
