export { type HaSender, isHaType, isOwnMessage, senderOf, toHaMessage, toPeerMessage } from "./ha-wire.js";
export { HA_WIRE_LIMITS } from "./limits.js";
