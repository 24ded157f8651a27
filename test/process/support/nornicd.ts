import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
export const NORNICD = path.join(ROOT, "dist/cmd/nornicd/main.js");
export const NORNICCTL = path.join(ROOT, "dist/cmd/nornicctl/main.js");

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A running server of this project, as its own process on free ports. */
export interface Nornicd {
  readonly url: string;
  readonly process: ChildProcess;
  readonly exited: Promise<Exit>;
  /** Everything on standard error so far. */
  log(): string;
  kill(signal: NodeJS.Signals): Promise<Exit>;
}

export interface NornicdOptions {
  readonly dataDir: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** Goes before the program: a tracer, for instance. */
  readonly wrapper?: readonly string[];
}

/** @throws Error with the log when the process ends before it serves */
export async function startNornicd(options: NornicdOptions): Promise<Nornicd> {
  const [program, ...args] = [...(options.wrapper ?? []), process.execPath, NORNICD];
  const child = spawn(program as string, [...args, ...(options.args ?? [])], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      NORNICDB_DATA_DIR: options.dataDir,
      NORNICDB_HTTP_ADDR: "127.0.0.1:0",
      NORNICDB_BOLT_ENABLED: "false",
      ...options.environment,
    },
  });
  let text = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  const exited = once(child, "exit").then(([code, signal]) => ({ code, signal }) as Exit);
  const url = await Promise.race([
    firstListening(child),
    exited.then((exit) => {
      throw new Error(`nornicd ended with ${exit.code ?? exit.signal} before it served:\n${text}`);
    }),
  ]);
  return {
    url,
    process: child,
    exited,
    log: () => text,
    kill: (signal) => {
      child.kill(signal);
      return exited;
    },
  };
}

async function firstListening(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error("standard output is a pipe");
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line) as { event: string; http: string };
    if (event.event === "listening") return event.http;
  }
  return new Promise(() => {});
}
