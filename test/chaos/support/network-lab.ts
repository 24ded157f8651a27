import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const RELAY = fileURLToPath(new URL("socket-relay.mjs", import.meta.url));
const HTTP_ADDRESS = "127.0.0.1:7474";
const NAMES = "nornic-lab-";
const MAC_OF_NOBODY = "02:00:00:00:00:ff";

/** Where one node lives. */
export interface Place {
  readonly address: string;
  /** Reaches the node's HTTP port from outside, whatever is cut. */
  readonly socketPath: string;
  /** Goes before a program that is to run there. */
  readonly wrapper: readonly string[];
}

/**
 * A network namespace for each node, joined by a bridge in one more. A link is cut by giving the
 * sender a neighbour's address that nobody has: packets leave and arrive nowhere, without an error,
 * and only in that direction. Needs Linux and root.
 */
export class NetworkLab implements AsyncDisposable {
  readonly places: readonly Place[];
  readonly httpAddress = HTTP_ADDRESS;
  readonly #names: readonly string[];
  readonly #relays: readonly ChildProcess[];
  readonly #directory: string;

  private constructor(
    names: readonly string[],
    places: readonly Place[],
    relays: readonly ChildProcess[],
    directory: string,
  ) {
    this.#names = names;
    this.places = places;
    this.#relays = relays;
    this.#directory = directory;
  }

  static async create(nodes: number): Promise<NetworkLab> {
    sweep();
    const directory = mkdtempSync(path.join(tmpdir(), "nornic-lab-"));
    const name = (part: string | number) => `${NAMES}${process.pid}-${part}`;
    const hub = name("hub");
    const names = Array.from({ length: nodes }, (_, at) => name(at));
    ip("netns", "add", hub);
    ip("-n", hub, "link", "add", "bridge0", "type", "bridge");
    ip("-n", hub, "link", "set", "bridge0", "up");
    for (const [at, own] of names.entries()) addNode(hub, own, at);
    const places = names.map((own, at) => ({
      address: addressOf(at),
      socketPath: path.join(directory, `${at}.sock`),
      wrapper: ["ip", "netns", "exec", own],
    }));
    const relays = await Promise.all(places.map(startRelay));
    const lab = new NetworkLab([hub, ...names], places, relays, directory);
    lab.healAll();
    return lab;
  }

  /** From now on nothing that node `from` sends reaches node `to`. */
  cutOneWay(from: number, to: number): void {
    this.#neighbour(from, to, MAC_OF_NOBODY);
  }

  cut(a: number, b: number): void {
    this.cutOneWay(a, b);
    this.cutOneWay(b, a);
  }

  /** Nodes of different groups do not hear of each other. */
  split(...groups: readonly (readonly number[])[]): void {
    for (const group of groups) {
      for (const other of groups) {
        if (other === group) continue;
        for (const from of group) for (const to of other) this.cutOneWay(from, to);
      }
    }
  }

  healAll(): void {
    for (const from of this.places.keys()) {
      for (const to of this.places.keys()) {
        if (from !== to) this.#neighbour(from, to, macOf(to));
      }
    }
  }

  #neighbour(from: number, to: number, mac: string): void {
    const own = this.#names[from + 1] as string;
    const what = [addressOf(to), "lladdr", mac, "nud", "permanent", "dev", "eth0"];
    ip("-n", own, "neigh", "replace", ...what);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const relay of this.#relays) relay.kill("SIGKILL");
    for (const name of this.#names) ip("netns", "delete", name);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function addNode(hub: string, own: string, at: number): void {
  ip("netns", "add", own);
  ip("-n", own, "link", "set", "lo", "up");
  const peer = ["peer", "name", `port${at}`, "netns", hub];
  ip("-n", own, "link", "add", "eth0", "address", macOf(at), "type", "veth", ...peer);
  ip("-n", hub, "link", "set", `port${at}`, "master", "bridge0", "up");
  ip("-n", own, "address", "add", `${addressOf(at)}/24`, "dev", "eth0");
  ip("-n", own, "link", "set", "eth0", "up");
}

async function startRelay({ socketPath, wrapper }: Place): Promise<ChildProcess> {
  const [program, ...args] = [...wrapper, process.execPath, RELAY, socketPath, HTTP_ADDRESS];
  const child = spawn(program as string, args, { stdio: ["pipe", "pipe", "inherit"] });
  for await (const _ of createInterface({ input: child.stdout })) return child;
  throw new Error("the relay ended before it listened");
}

/** Labs of processes that are gone; their relays ended with them. */
function sweep(): void {
  for (const line of ip("netns", "list").split("\n")) {
    const [name = ""] = line.split(" ");
    const pid = /^nornic-lab-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) ip("netns", "delete", name);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function ip(...args: string[]): string {
  return execFileSync("ip", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

const addressOf = (at: number) => `10.86.74.${at + 1}`;
const macOf = (at: number) => `02:00:00:00:01:${String(at + 1).padStart(2, "0")}`;
