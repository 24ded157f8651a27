import type { TLSSocket } from "node:tls";

/** One `KIND:value` of Node's text form; a value with special characters is a JSON string. */
const ALTERNATIVE = /([^:,"]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/y;

/** Common name, DNS and URI names of the peer's certificate; none unless it was verified. */
export function peerNames(socket: TLSSocket): string[] {
  if (!socket.authorized) return [];
  const certificate = socket.getPeerCertificate();
  const common: string | string[] | undefined = certificate.subject?.CN;
  const names = common === undefined ? [] : [common].flat();
  return [...new Set([...names, ...alternativeNames(certificate.subjectaltname ?? "")])];
}

/** Reads as far as the text is well-formed: a quoted value cannot pass for a name of its own. */
export function alternativeNames(text: string): string[] {
  const names: string[] = [];
  ALTERNATIVE.lastIndex = 0;
  for (;;) {
    const match = ALTERNATIVE.exec(text);
    if (!match) return names;
    const [, kind, value = ""] = match;
    if (kind !== "DNS" && kind !== "URI") continue;
    names.push(value.startsWith('"') ? String(JSON.parse(value)) : value);
  }
}
