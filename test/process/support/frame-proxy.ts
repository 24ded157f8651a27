import { connect, createServer, type Server, type Socket } from "node:net";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { FrameParser, writeFrameHeader } from "../../../pkg/transport/index.js";
import { type SeededRandom, seededRandom } from "../../support/index.js";

export const FAULTS = [
  "drop",
  "duplicate",
  "reorder",
  "delay",
  "corrupt",
  "replay",
  "reflect",
  "cut",
  "trickle",
] as const;
export type Fault = (typeof FAULTS)[number];

const DELAY_MS_MAX = 10;
const REMEMBERED_FRAMES_MAX = 32;
const TRICKLED_BYTES_MAX = 2_000;

/** How often a frame of 1,000 meets each fault. */
export type FaultRates = { readonly [K in Fault]?: number };

/**
 * Stands between two nodes on real sockets and spoils whole frames. It knows nothing of what is in
 * them; the first `graceFrames` of each direction pass untouched.
 */
export class FrameProxy {
  rates: FaultRates = {};
  /** Meets the next frame that is past the grace, and then none. */
  once: Fault | undefined;
  graceFrames = 2;
  /** Overwrites one byte of a frame that is to be corrupted. */
  corruptByte: (byte: number, random: SeededRandom) => number = (byte, random) =>
    byte ^ (1 << random.below(8));
  readonly hits = Object.fromEntries(FAULTS.map((name) => [name, 0])) as Record<Fault, number>;
  frames = 0;
  readonly random: SeededRandom;
  /** Frames of this and earlier connections, by direction. */
  readonly remembered: readonly [Buffer[], Buffer[]] = [[], []];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #targetPort: number;

  private constructor(targetPort: number, seed: number) {
    this.#targetPort = targetPort;
    this.random = seededRandom(seed);
    this.#server = createServer({ noDelay: true }, (near) => this.#join(near));
  }

  static async start(targetPort: number, seed: number): Promise<FrameProxy> {
    const proxy = new FrameProxy(targetPort, seed);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  #join(near: Socket): void {
    const far = connect({ port: this.#targetPort, host: "127.0.0.1", noDelay: true });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    const there = new Pipe(this, 0, far, near);
    const back = new Pipe(this, 1, near, far);
    near.on("data", (bytes) => there.push(bytes));
    far.on("data", (bytes) => back.push(bytes));
  }

  /** Ends every connection; new ones are served. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** One direction of one connection; what it lets through keeps its order unless told otherwise. */
class Pipe {
  readonly #proxy: FrameProxy;
  readonly #direction: 0 | 1;
  readonly #target: Socket;
  readonly #source: Socket;
  readonly #parser = new FrameParser(0xffff_ffff);
  #seen = 0;
  #held: Buffer | undefined;
  #sending: Promise<void> = Promise.resolve();

  constructor(proxy: FrameProxy, direction: 0 | 1, target: Socket, source: Socket) {
    this.#proxy = proxy;
    this.#direction = direction;
    this.#target = target;
    this.#source = source;
  }

  push(bytes: Uint8Array): void {
    this.#parser.push(bytes, (body) => {
      const frame = Buffer.alloc(4 + body.length);
      writeFrameHeader(frame, body.length);
      frame.set(body, 4);
      this.#onFrame(frame);
    });
  }

  #onFrame(frame: Buffer): void {
    const { remembered, random } = this.#proxy;
    this.#proxy.frames += 1;
    this.#seen += 1;
    const fault = this.#seen > this.#proxy.graceFrames ? this.#chooseFault() : undefined;
    const old = remembered[this.#direction];
    old.push(frame);
    if (old.length > REMEMBERED_FRAMES_MAX) old.shift();
    if (fault === "replay") this.#send(old[random.below(old.length)] as Buffer);
    if (fault === "reflect") this.#source.write(frame);
    if (fault === "cut") this.#cut(frame);
    else if (fault === "reorder") this.#held = frame;
    else if (fault !== "drop") this.#pass(frame, fault);
  }

  #chooseFault(): Fault | undefined {
    const { rates, random, hits, once } = this.#proxy;
    if (once !== undefined) {
      this.#proxy.once = undefined;
      hits[once] += 1;
      return once;
    }
    for (const fault of FAULTS) {
      if (!random.chance(rates[fault] ?? 0, 1000)) continue;
      if (fault === "reorder" && this.#held !== undefined) continue;
      hits[fault] += 1;
      return fault;
    }
    return undefined;
  }

  #pass(frame: Buffer, fault: Fault | undefined): void {
    const { random } = this.#proxy;
    if (fault === "delay") this.#after(() => sleep(1 + random.below(DELAY_MS_MAX)));
    if (fault === "corrupt") this.#corrupt(frame);
    if (fault === "trickle") this.#after(() => this.#trickle(frame));
    else this.#send(frame);
    if (fault === "duplicate") this.#send(frame);
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#send(held);
  }

  #corrupt(frame: Buffer): void {
    const at = 4 + this.#proxy.random.below(frame.length - 4);
    frame[at] = this.#proxy.corruptByte(frame[at] as number, this.#proxy.random);
  }

  #after(run: () => Promise<unknown>): void {
    this.#sending = this.#sending.then(async () => {
      await run();
    });
  }

  #send(frame: Buffer): void {
    this.#after(async () => this.#target.write(frame));
  }

  async #trickle(frame: Buffer): Promise<void> {
    const slow = Math.min(frame.length, TRICKLED_BYTES_MAX);
    for (let at = 0; at < slow; at++) {
      this.#target.write(frame.subarray(at, at + 1));
      await nextTurn();
    }
    this.#target.write(frame.subarray(slow));
  }

  #cut(frame: Buffer): void {
    this.#send(frame.subarray(0, 1 + this.#proxy.random.below(frame.length)));
    this.#after(async () => {
      this.#target.destroy();
      this.#source.destroy();
    });
  }
}
