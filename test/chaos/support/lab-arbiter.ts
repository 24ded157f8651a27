import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Pool } from "undici";
import { etcdProgram } from "../../process/support/etcd-program.js";
import { type Nornicd, startNornicd } from "../../process/support/nornicd.js";
import { realTime } from "../../process/support/real-time.js";
import type { ArbiterProcess } from "./ha-pair.js";
import type { NetworkLab, Place } from "./network-lab.js";

const PORTS = { witness: 7688, etcd: 2379 };

/** A witness or etcd in the last network of a lab. */
export class LabArbiter implements ArbiterProcess {
  readonly addresses: readonly string[];
  readonly #kind: "witness" | "etcd";
  readonly #place: Place;
  readonly #httpAddress: string;
  readonly #secret: string;
  readonly #folder = mkdtempSync(path.join(tmpdir(), "nornic-arbiter-"));
  #process: ChildProcess | Nornicd | undefined;

  private constructor(kind: "witness" | "etcd", place: Place, http: string, secret: string) {
    this.#kind = kind;
    this.#place = place;
    this.#httpAddress = http;
    this.#secret = secret;
    this.addresses = [`${place.address}:${PORTS[kind]}`];
  }

  static async start(
    kind: "witness" | "etcd",
    { httpAddress, places }: NetworkLab,
    secret: string,
  ): Promise<LabArbiter> {
    const place = places.at(-1);
    if (place === undefined) throw new Error("the lab has no place");
    const arbiter = new LabArbiter(kind, place, httpAddress, secret);
    await arbiter.start();
    return arbiter;
  }

  async start(): Promise<void> {
    this.#process = this.#kind === "witness" ? await this.#startWitness() : await this.#startEtcd();
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined) return;
    const exited = "exited" in child ? child.exited : once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #startWitness(): Promise<Nornicd> {
    return startNornicd({
      dataDir: this.#folder,
      args: ["--witness"],
      wrapper: this.#place.wrapper,
      environment: {
        NORNICDB_CLUSTER_BIND_ADDR: this.addresses[0] as string,
        NORNICDB_CLUSTER_SECRET: this.#secret,
      },
    });
  }

  async #startEtcd(): Promise<ChildProcess> {
    const { address, wrapper, socketPath } = this.#place;
    const client = `http://${address}:${PORTS.etcd}`;
    const peer = `http://${address}:2380`;
    const flags: Readonly<Record<string, string>> = {
      name: "e1",
      "data-dir": path.join(this.#folder, "etcd"),
      "listen-client-urls": `${client},http://${this.#httpAddress}`,
      "advertise-client-urls": client,
      "listen-peer-urls": peer,
      "initial-advertise-peer-urls": peer,
      "initial-cluster": `e1=${peer}`,
      logger: "zap",
      "log-level": "error",
    };
    const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
    const [program, ...before] = [...wrapper, etcdProgram() ?? "etcd"];
    const child = spawn(program as string, [...before, ...args], { stdio: "ignore" });
    const pool = new Pool(`http://${this.#httpAddress}`, { connect: { socketPath } });
    await realTime.until(async () => {
      const request = { method: "POST", path: "/v3/kv/range", body: '{"key":"AA=="}' } as const;
      const answer = await pool.request(request).catch(() => undefined);
      await answer?.body.dump();
      return answer?.statusCode === 200;
    });
    await pool.destroy();
    return child;
  }
}
