import { TransportError } from "../../replication/ports/index.js";
import type { Address } from "../../runtime/index.js";

/**
 * `host:port`, an IPv6 host in brackets.
 * @throws TransportError `INVALID`
 */
export function parseAddress(text: string): Address {
  const parts = /^(?:\[([0-9a-fA-F:.%a-z]+)\]|([^:[\]\s]+)):([0-9]{1,5})$/.exec(text);
  const port = Number(parts?.[3]);
  if (parts === null || port > 65_535) {
    throw new TransportError("INVALID", `"${text}" is no address; write host:port or [ipv6]:port`);
  }
  return { host: (parts[1] ?? parts[2]) as string, port };
}

/** The host of `host:port`, which limits are counted by. */
export function hostOf(remote: string): string {
  const colon = remote.lastIndexOf(":");
  return colon < 0 ? remote : remote.slice(0, colon);
}
