export {
  type HaSender,
  helloMessage,
  isHaType,
  isHello,
  isOwnMessage,
  senderOf,
  toHaMessage,
  toPeerMessage,
} from "./ha-wire.js";
export { HA_WIRE_LIMITS } from "./limits.js";
