import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A server under measurement. */
export interface Server {
  readonly url: string;
  readonly child: ChildProcess;
}

/** Starts the built `nornicd`; resolves when it serves. */
export async function startNornicd(environment: NodeJS.ProcessEnv): Promise<Server> {
  const program = fileURLToPath(new URL("../../../cmd/nornicd/main.js", import.meta.url));
  const child = spawn(process.execPath, [program], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      ...process.env,
      NORNICDB_HTTP_ADDR: "127.0.0.1:0",
      NORNICDB_BOLT_ENABLED: "false",
      NORNICDB_LOG_LEVEL: "error",
      ...environment,
    },
  });
  for await (const line of createInterface({ input: child.stdout })) {
    return { url: (JSON.parse(line) as { http: string }).http, child };
  }
  throw new Error("nornicd did not start");
}

/** A port of 127.0.0.1 that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" ? (address?.port ?? 0) : 0));
    });
  });
}

/** CPU time that a process has used, in seconds (Linux). */
export function cpuSeconds(child: ChildProcess): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export async function waitFor<T>(
  what: string,
  look: () => Promise<T | undefined>,
  patienceMs = 30_000,
): Promise<T> {
  const untilMs = performance.now() + patienceMs;
  while (performance.now() < untilMs) {
    const found = await look().catch(() => undefined);
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what}: not within ${patienceMs} ms`);
}
