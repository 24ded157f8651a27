import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TlsOptions } from "../../../pkg/runtime/index.js";
import { nodeHttpClient } from "../../../pkg/runtime/node/index.js";
import { freePorts } from "./raft-cluster.js";
import { realTime } from "./real-time.js";

interface Member {
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
  process: ChildProcess | undefined;
}

/** etcd with one member or more, on loopback, with data that outlives its processes. */
export class EtcdProcess {
  readonly #program: string;
  readonly #folder = mkdtempSync(path.join(tmpdir(), "etcd-"));
  readonly #members: readonly Member[];
  readonly #tls: TlsOptions | undefined;
  readonly #http = nodeHttpClient();

  private constructor(program: string, members: readonly Member[], tls: TlsOptions | undefined) {
    this.#program = program;
    this.#members = members;
    this.#tls = tls;
    if (tls === undefined) return;
    for (const name of ["certificate", "key", "authority"] as const) {
      writeFileSync(this.#file(name), tls[name]);
    }
  }

  /** With `tls` clients come over https and show a certificate of its authority. */
  static async start(program: string, members = 1, tls?: TlsOptions): Promise<EtcdProcess> {
    const ports = await freePorts(2 * members);
    const made = Array.from({ length: members }, (_, n) => ({
      name: `e${n + 1}`,
      clientPort: ports[2 * n] as number,
      peerPort: ports[2 * n + 1] as number,
      process: undefined,
    }));
    const etcd = new EtcdProcess(program, made, tls);
    await etcd.startAll();
    return etcd;
  }

  get addresses(): readonly string[] {
    return this.#members.map(({ clientPort }) => `127.0.0.1:${clientPort}`);
  }

  /** Those that do not run; returns when etcd answers. */
  async startAll(): Promise<void> {
    for (const at of this.#members.keys()) this.startMember(at);
    await this.#ready();
  }

  startMember(at: number): void {
    const member = this.#members[at] as Member;
    if (isRunning(member.process)) return;
    const client = `${this.#scheme}://127.0.0.1:${member.clientPort}`;
    const peer = `http://127.0.0.1:${member.peerPort}`;
    const cluster = this.#members.map((one) => `${one.name}=http://127.0.0.1:${one.peerPort}`);
    const flags: Readonly<Record<string, string>> = {
      name: member.name,
      "data-dir": path.join(this.#folder, member.name),
      "listen-client-urls": client,
      "advertise-client-urls": client,
      "listen-peer-urls": peer,
      "initial-advertise-peer-urls": peer,
      "initial-cluster": cluster.join(","),
      "heartbeat-interval": "50",
      "election-timeout": "500",
      logger: "zap",
      "log-level": "error",
      ...(this.#tls === undefined
        ? {}
        : {
            "cert-file": this.#file("certificate"),
            "key-file": this.#file("key"),
            "trusted-ca-file": this.#file("authority"),
          }),
    };
    const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
    if (this.#tls !== undefined) args.push("--client-cert-auth");
    member.process = spawn(this.#program, args, { stdio: "ignore" });
  }

  /** Some member answers a linearizable read. */
  async #ready(): Promise<void> {
    await realTime.until(async () => {
      for (const address of this.addresses) {
        const request = {
          method: "POST" as const,
          url: `${this.#scheme}://${address}/v3/kv/range`,
          body: '{"key":"AA=="}',
          tls: this.#tls,
          timeoutMs: 1_000,
          answerBytesMax: 100_000,
        };
        const answer = await this.#http.send(request).catch(() => undefined);
        // 400: etcd is there and asks for a login.
        if (answer?.status === 200 || answer?.status === 400) return true;
      }
      return false;
    });
  }

  get #scheme(): "http" | "https" {
    return this.#tls === undefined ? "http" : "https";
  }

  #file(name: "certificate" | "key" | "authority"): string {
    return path.join(this.#folder, `${name}.pem`);
  }

  async killMember(at: number): Promise<void> {
    const child = this.#members[at]?.process;
    if (!isRunning(child)) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }

  signalMember(at: number, signal: NodeJS.Signals): void {
    this.#members[at]?.process?.kill(signal);
  }

  async killAll(): Promise<void> {
    await Promise.all([...this.#members.keys()].map((at) => this.killMember(at)));
  }

  async close(): Promise<void> {
    this.#http.close();
    await this.killAll();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function isRunning(child: ChildProcess | undefined): child is ChildProcess {
  return child !== undefined && child.exitCode === null && child.signalCode === null;
}
