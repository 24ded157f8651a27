import { type LoadedConfig, renderProblems } from "../../pkg/config/index.js";
import { ReplicationError } from "../../pkg/replication/index.js";
import type { Logger } from "../../pkg/runtime/index.js";
import { pinoLogger } from "../../pkg/runtime/node/index.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { startServer } from "./server.js";
import { startWitness } from "./witness.js";

/** Beyond this a stop is not clean any more; a supervisor would kill the process. */
const STOP_MS_MAX = 10_000;

/** Runs the server until a signal or a failure ends it. @returns the exit code */
export async function serve({ config, warnings }: LoadedConfig): Promise<ExitCode> {
  const { logger, setLevel } = pinoLogger({ level: config.log.level, format: config.log.format });
  dieOnSurprise(logger);
  for (const warning of warnings)
    logger.log("warn", "configuration_doubtful", renderProblems([warning]));
  const signalled = onceSignalled(logger);
  process.on("SIGHUP", () => {
    setLevel(config.log.level);
    logger.log("info", "reloaded", "Log level set again; there are no certificates to read");
  });
  const start = config.witness ? startWitness : startServer;
  const server = await start(config, logger).catch((error: unknown) => {
    logger.log("error", "start_failed", describe(error));
    return error instanceof ReplicationError && error.code === "INVALID"
      ? EXIT.configuration
      : EXIT.failed;
  });
  if (typeof server === "number") return exitWith(server);
  process.stdout.write(
    `${JSON.stringify({
      event: "listening",
      http: server.httpUrl,
      bolt: null,
      sql: null,
      cluster: server.clusterAddress,
      node: server.nodeId,
      mode: config.witness ? "witness" : config.mode,
    })}\n`,
  );
  logger.log("info", "serving", `HTTP at ${server.httpUrl ?? "(off)"}; Ctrl-C stops`);
  const failure = await Promise.race([signalled.then(() => undefined), server.failed]);
  const forced = setTimeout(() => {
    logger.log(
      "error",
      "stop_forced",
      `Not stopped within ${STOP_MS_MAX} ms; the log is recovered at the next start`,
    );
    process.exit(EXIT.internal);
  }, STOP_MS_MAX);
  try {
    await server.close();
  } catch (error) {
    logger.log("error", "stop_failed", describe(error));
    return exitWith(failure === undefined ? EXIT.failed : EXIT.internal);
  } finally {
    clearTimeout(forced);
  }
  logger.log("info", "stopped", "Everything is flushed and closed");
  return exitWith(failure === undefined ? EXIT.ok : EXIT.internal);
}

/** Nothing of ours keeps the process up any more; what others left must not either. */
function exitWith(code: ExitCode): never {
  process.exit(code);
}

/** A launcher passes a signal on that the terminal has sent to everybody: one wish, twice heard. */
const SAME_WISH_MS = 1_000;

function onceSignalled(logger: Logger): Promise<void> {
  return new Promise((resolve) => {
    let firstMs: number | undefined;
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.on(signal, () => {
        const nowMs = performance.now();
        if (firstMs === undefined) {
          firstMs = nowMs;
          logger.log("info", "stopping", `${signal}: finishing what is under way`);
          resolve();
        } else if (nowMs - firstMs > SAME_WISH_MS) {
          logger.log("warn", "stop_forced", `${signal} again: stopping at once`);
          process.exit(EXIT.failed);
        }
      });
    }
  });
}

/** FC-181: after an error that nobody expected the process does not go on in half a state. */
function dieOnSurprise(logger: Logger): void {
  const die = (error: unknown) => {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    logger.log("error", "internal_error", stack);
    process.exit(EXIT.internal);
  };
  process.on("uncaughtException", die);
  process.on("unhandledRejection", die);
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { field, hint } = error instanceof ReplicationError ? error.details : {};
  const about = field === undefined ? "" : `${field}: `;
  return `${about}${error.message}${hint === undefined ? "" : `; ${hint}`}`;
}
