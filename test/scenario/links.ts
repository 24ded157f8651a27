import { connect, createServer, type Server, type Socket } from "node:net";
import { systemClock, systemRandom, systemTimers } from "../../pkg/runtime/node/index.js";
import { FrameParser } from "../../pkg/transport/index.js";

const HOST = "127.0.0.1";
const HELLO_BYTES_MAX = 64 * 1024;

export interface Delay {
  readonly latencyMs: number;
  /** The latency varies by up to this share of it, in percent. */
  readonly jitterPercent: number;
}

const NO_DELAY: Delay = { latencyMs: 0, jitterPercent: 0 };

/**
 * Every node's cluster address is a door of this process; behind it the bytes go on to where the
 * node listens. A door learns from the first frame who is calling, so that the link between two
 * nodes can be slow, or cut: then bytes wait, as on a network that drops and resends.
 */
export class Links {
  readonly #doors = new Map<string, Door>();
  readonly #delays = new Map<string, Delay>();
  readonly #cuts = new Set<string>();
  readonly #pipes = new Set<Pipe>();

  /** @param listenPort - where the node itself listens @returns the port that peers dial */
  async open(node: string, listenPort: number): Promise<number> {
    const door = new Door(node, listenPort, this);
    this.#doors.set(node, door);
    return door.listen();
  }

  setDelay(delay: Delay): void {
    for (const from of this.#doors.keys()) {
      for (const to of this.#doors.keys()) this.#delays.set(`${from} ${to}`, delay);
    }
  }

  /** Both ways. */
  setDelayBetween(some: readonly string[], others: readonly string[], delay: Delay): void {
    for (const from of some) {
      for (const to of others) {
        this.#delays.set(`${from} ${to}`, delay);
        this.#delays.set(`${to} ${from}`, delay);
      }
    }
  }

  delay(from: string, to: string): Delay {
    return this.#delays.get(`${from} ${to}`) ?? NO_DELAY;
  }

  /** Nothing gets from one to the other any more. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from} ${to}`);
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.has(`${from} ${to}`);
  }

  heal(): void {
    this.#cuts.clear();
    for (const pipe of this.#pipes) pipe.flush();
  }

  others(node: string): readonly string[] {
    return [...this.#doors.keys()].filter((name) => name !== node);
  }

  join(pipe: Pipe, socket: Socket): void {
    this.#pipes.add(pipe);
    socket.on("close", () => this.#pipes.delete(pipe));
  }

  close(): void {
    for (const door of this.#doors.values()) door.close();
  }
}

class Door {
  readonly #node: string;
  readonly #listenPort: number;
  readonly #links: Links;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(node: string, listenPort: number, links: Links) {
    this.#node = node;
    this.#listenPort = listenPort;
    this.#links = links;
    this.#server = createServer({ noDelay: true }, (near) => this.#welcome(near));
  }

  listen(): Promise<number> {
    return new Promise((resolve) =>
      this.#server.listen(0, HOST, () =>
        resolve((this.#server.address() as { readonly port: number }).port),
      ),
    );
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Holds a connection back until its first frame says whose it is. */
  #welcome(near: Socket): void {
    this.#keep(near);
    const held: Buffer[] = [];
    const parser = new FrameParser(HELLO_BYTES_MAX);
    const onData = (bytes: Buffer) => {
      held.push(bytes);
      let caller: string | undefined;
      parser.push(bytes, (body) => {
        caller ??= /"node":"([^"]+)"/.exec(Buffer.from(body).toString("latin1"))?.[1] ?? "?";
      });
      if (caller === undefined) return;
      near.off("data", onData);
      // Between regions a node bears its region's name before its own.
      this.#join(near, caller.replace(/^.*\./, ""), held);
    };
    near.on("data", onData);
  }

  #join(near: Socket, caller: string, held: readonly Buffer[]): void {
    const far = connect({ port: this.#listenPort, host: HOST, noDelay: true });
    this.#keep(far);
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
    const there = new Pipe(this.#links, caller, this.#node, far);
    const back = new Pipe(this.#links, this.#node, caller, near);
    this.#links.join(there, far);
    this.#links.join(back, near);
    for (const bytes of held) there.push(bytes);
    near.on("data", (bytes) => there.push(bytes));
    far.on("data", (bytes) => back.push(bytes));
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
  }
}

/** One direction of one connection; keeps the order of its bytes. */
class Pipe {
  readonly #links: Links;
  readonly #from: string;
  readonly #to: string;
  readonly #target: Socket;
  readonly #waiting: Buffer[] = [];
  #lastDueMs = 0;

  constructor(links: Links, from: string, to: string, target: Socket) {
    this.#links = links;
    this.#from = from;
    this.#to = to;
    this.#target = target;
  }

  push(bytes: Buffer): void {
    const { latencyMs, jitterPercent } = this.#links.delay(this.#from, this.#to);
    this.#waiting.push(bytes);
    if (latencyMs === 0) {
      this.flush();
      return;
    }
    const [draw] = systemRandom.bytes(1);
    const jitterMs = (latencyMs * jitterPercent * ((draw as number) - 128)) / (128 * 100);
    const nowMs = systemClock.monotonicMs();
    this.#lastDueMs = Math.max(this.#lastDueMs, nowMs + latencyMs + jitterMs);
    systemTimers.after(this.#lastDueMs - nowMs, () => this.#letOne());
  }

  /** All that waits goes on, unless the link is cut. */
  flush(): void {
    while (this.#letOne());
  }

  #letOne(): boolean {
    if (this.#links.isCut(this.#from, this.#to)) return false;
    const bytes = this.#waiting.shift();
    if (bytes !== undefined && !this.#target.destroyed) this.#target.write(bytes);
    return bytes !== undefined;
  }
}
