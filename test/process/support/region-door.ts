import { connect, createServer, type Server, type Socket } from "node:net";

const HOST = "127.0.0.1";

/**
 * Where other regions reach a node: bytes go on to its cluster port after a delay, each way, and
 * while the door is shut they wait, as on a network that drops and resends.
 */
export class RegionDoor {
  delayMs = 0;
  /** Passed since the start, each way. */
  bytes = 0;
  #isShut = false;
  readonly #server: Server;
  readonly #targetPort: number;
  readonly #sockets = new Set<Socket>();
  readonly #pipes = new Set<Pipe>();

  private constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#server = createServer({ noDelay: true }, (near) => this.#join(near));
  }

  static async start(targetPort: number): Promise<RegionDoor> {
    const door = new RegionDoor(targetPort);
    await new Promise<void>((resolve) => door.#server.listen(0, HOST, resolve));
    return door;
  }

  get address(): string {
    return `${HOST}:${(this.#server.address() as { readonly port: number }).port}`;
  }

  get isShut(): boolean {
    return this.#isShut;
  }

  shut(): void {
    this.#isShut = true;
  }

  open(): void {
    this.#isShut = false;
    for (const pipe of this.#pipes) pipe.flush();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(near: Socket): void {
    const far = connect({ port: this.#targetPort, host: HOST, noDelay: true });
    const there = new Pipe(this, near, far);
    const back = new Pipe(this, far, near);
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
    near.on("close", () => {
      this.#pipes.delete(there);
      this.#pipes.delete(back);
    });
    this.#pipes.add(there);
    this.#pipes.add(back);
  }
}

/** One direction of one connection; keeps the order of its bytes. */
class Pipe {
  readonly #door: RegionDoor;
  readonly #target: Socket;
  #held: Buffer[] = [];

  constructor(door: RegionDoor, source: Socket, target: Socket) {
    this.#door = door;
    this.#target = target;
    source.on("data", (bytes: Buffer) => this.#push(bytes));
  }

  #push(bytes: Buffer): void {
    if (this.#door.delayMs === 0) this.#pass(bytes);
    else setTimeout(() => this.#pass(bytes), this.#door.delayMs);
  }

  #pass(bytes: Buffer): void {
    this.#held.push(bytes);
    if (!this.#door.isShut) this.flush();
  }

  flush(): void {
    for (const bytes of this.#held) {
      this.#door.bytes += bytes.length;
      if (!this.#target.destroyed) this.#target.write(bytes);
    }
    this.#held = [];
  }
}
