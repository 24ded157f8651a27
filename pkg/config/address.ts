/** A host and a port; `host` of an IPv6 address carries no brackets. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** One entry of a peer list, `id:host:port`. */
export interface PeerAddress extends HostPort {
  readonly id: string;
}

const HOST =
  /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?$/;
const HOST_PORT = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/;

function isIpv6(text: string): boolean {
  return /^[0-9A-Fa-f:.]+$/.test(text) && URL.canParse(`http://[${text}]`);
}

/** @returns undefined when the text is not `host:port`; `:port` means all interfaces */
export function parseHostPort(text: string, portMin: 0 | 1): HostPort | undefined {
  const match = HOST_PORT.exec(text);
  if (!match) return undefined;
  const [, bracketed, plain, digits] = match;
  const port = Number(digits);
  if (port < portMin || port > 65_535) return undefined;
  if (bracketed !== undefined) return isIpv6(bracketed) ? { host: bracketed, port } : undefined;
  if (plain === "") return { host: "0.0.0.0", port };
  if (!HOST.test(plain!)) return undefined;
  if (/^[\d.]+$/.test(plain!) && !isIpv4(plain!)) return undefined;
  return { host: plain!, port };
}

function isIpv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256);
}

/** `host:port` with brackets where IPv6 needs them. */
export function formatHostPort(address: HostPort): string {
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

export function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || /^[0:]*$/.test(host);
}

export function isLoopback(host: string): boolean {
  if (host.toLowerCase() === "localhost" || /^127\.\d+\.\d+\.\d+$/.test(host)) return true;
  return host.includes(":") && URL.canParse(`http://[${host}]`)
    ? new URL(`http://[${host}]`).hostname === "[::1]"
    : false;
}
