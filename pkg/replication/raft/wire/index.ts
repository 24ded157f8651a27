export { WIRE_LIMITS } from "./limits.js";
export { isRaftType, toPeerMessage, toRaftMessage, type WireSender } from "./raft-wire.js";
