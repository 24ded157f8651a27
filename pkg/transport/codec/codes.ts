import { MessageType } from "../../replication/ports/index.js";

export { MessageType };

export const NORNICDB_TYPE_MAX = 18;
export const TYPE_MAX = 255;

const NAMES = new Map<number, string>(
  Object.entries(MessageType).map(([name, code]) => [code, name]),
);

/** For error texts: `appendEntries`, or `type 77` for a code without a name. */
export function messageName(type: number): string {
  return NAMES.get(type) ?? `type ${type}`;
}

/** Codes that the transport itself speaks; a handler never sees them. */
export function isTransportType(type: number): boolean {
  return type >= MessageType.hello && type <= MessageType.pong;
}
