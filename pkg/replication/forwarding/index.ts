export { answersOf, forwardedWrites, forwardMessage } from "./forward-wire.js";
export { type ForwardedAnswer, type ForwardedWrite, Forwarder } from "./forwarder.js";
export { RemoteWrites } from "./remote-writes.js";
export { Writes, type WritesParts } from "./writes.js";
