import { pino } from "pino";
import pretty from "pino-pretty";
import type { LogFields, Logger, LogLevel } from "../logger.js";

/** Where lines go: whole lines, one a call. */
export interface LogDestination {
  write(line: string): void;
}

export interface PinoLoggerOptions {
  readonly level: LogLevel;
  /** `json`: one object a line; `pretty`: for people. */
  readonly format: "json" | "pretty";
  /** On every line, such as `node` and `mode`. */
  readonly fields?: LogFields | undefined;
  /** Standard error, written synchronously, when missing. */
  readonly destination?: LogDestination | undefined;
}

const SECRET = /secret|token|passw|credential|authorization|cookie|private_?key/i;

/** A logger of pino's; `setLevel` changes the level of it and all its children at run time. */
export function pinoLogger(options: PinoLoggerOptions): {
  readonly logger: Logger;
  readonly setLevel: (level: LogLevel) => void;
} {
  const sink = pino(
    {
      level: options.level,
      base: null,
      // Level and time would come in pino's order; the line is to begin with `ts`.
      formatters: { level: () => ({}) },
      timestamp: () => `"ts":"${new Date().toISOString()}"`,
    },
    destinationOf(options),
  );
  return {
    logger: new PinoLogger(sink, redacted(options.fields ?? {})),
    setLevel: (level) => {
      sink.level = level;
    },
  };
}

class PinoLogger implements Logger {
  readonly #sink: pino.Logger;
  readonly #fields: LogFields;

  constructor(sink: pino.Logger, fields: LogFields) {
    this.#sink = sink;
    this.#fields = fields;
  }

  log(level: LogLevel, event: string, message: string, fields?: LogFields): void {
    if (!this.#sink.isLevelEnabled(level)) return;
    const own = fields ? redacted(fields) : undefined;
    this.#sink[level]({ level, event, msg: message, ...this.#fields, ...own });
  }

  child(fields: LogFields): Logger {
    return new PinoLogger(this.#sink, { ...this.#fields, ...redacted(fields) });
  }
}

/** Keeps values of telling names out, and the line's own names from being written over. */
function redacted(fields: LogFields): LogFields {
  const out: Record<string, LogFields[string]> = {};
  for (const [name, value] of Object.entries(fields)) {
    const key = RESERVED.has(name) ? `${name}_` : name;
    out[key] = SECRET.test(name) && value !== undefined ? "[redacted]" : value;
  }
  return out;
}

const RESERVED = new Set(["ts", "level", "event", "msg"]);

function destinationOf(options: PinoLoggerOptions): LogDestination {
  const sink = options.destination ?? standardError();
  if (options.format === "json") return sink;
  const format = pretty.prettyFactory({
    colorize: options.destination === undefined && process.stderr.isTTY === true,
    timestampKey: "ts",
    translateTime: "SYS:HH:MM:ss.l",
  });
  return { write: (line) => sink.write(format(line)) };
}

function standardError(): LogDestination {
  const sink = pino.destination({ dest: 2, sync: true });
  // Whoever read our lines is gone; that ends the lines, not the process.
  sink.on("error", () => {});
  return sink;
}
