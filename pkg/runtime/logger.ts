export type LogLevel = "debug" | "info" | "warn" | "error";

/** Values of one log line beside its event; never payloads, secrets or user data. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/**
 * Structured lines: a constant event name, a sentence, fields. `error`: a human must act; `warn`:
 * degraded but handled; `info`: role, term, membership, life-cycle; `debug`: per message.
 */
export interface Logger {
  /** @param event - stable snake_case name, such as `wal_tail_cut` */
  log(level: LogLevel, event: string, message: string, fields?: LogFields): void;
  /** @returns a logger whose lines also carry `fields` */
  child(fields: LogFields): Logger;
}

export const silentLogger: Logger = { log: () => {}, child: () => silentLogger };
