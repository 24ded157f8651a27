import type { LogFields, Logger } from "../runtime/index.js";
import type { FromWorker } from "./worker-messages.js";

/** Hands lines to the thread that owns the logger. */
export function forwardingLogger(
  send: (message: FromWorker) => void,
  always: LogFields = {},
): Logger {
  return {
    log: (level, event, message, fields = {}) =>
      send({ kind: "log", level, event, message, fields: { ...always, ...fields } }),
    child: (fields) => forwardingLogger(send, { ...always, ...fields }),
  };
}
