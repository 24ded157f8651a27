import { connect, createServer, type Server, type Socket } from "node:net";

/** One entry as it arrived; `term` is missing where the sender says none. */
export interface TakenEntry {
  readonly position: number;
  readonly requestId: string | null;
}

const HEADER_BYTES = 4;
const FRAME_BYTES_MAX = 64 * 1024 * 1024;
const ANSWERS: Readonly<Record<number, number>> = { 5: 6, 7: 8, 9: 10, 11: 12 };

type Fields = Readonly<Record<string, unknown>>;

/**
 * A NornicDB node as its documents and captured frames describe it, and no more: codes 5 to 12, no
 * greeting, no correlation ids, requests handled one after the other and answered in order. What a
 * frame of the other side lacks or has of another type is kept as a complaint.
 */
export class NornicdbPeer {
  readonly complaints: string[] = [];
  readonly entries: TakenEntry[] = [];
  readonly seen: number[] = [];
  fenced = false;
  readonly #id: string;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #asked: Promise<unknown> = Promise.resolve();
  #socket: Socket | undefined;
  #onAnswer: ((body: string) => void) | undefined;

  constructor(id: string) {
    this.#id = id;
  }

  get position(): number {
    return this.entries.at(-1)?.position ?? 0;
  }

  /** Serves as a standby. */
  listen(port: number): Promise<void> {
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      onFrames(socket, (body) => {
        const answer = this.#answer(body);
        if (answer !== undefined) socket.write(frame(answer));
      });
    });
    this.#server = server;
    return new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  }

  /** Dials as a primary. */
  dial(port: number): Promise<void> {
    const socket = connect(port, "127.0.0.1");
    this.#sockets.add(socket);
    this.#socket = socket;
    onFrames(socket, (body) => this.#onAnswer?.(body));
    return new Promise((resolve, reject) => {
      socket.once("connect", resolve);
      socket.on("error", reject);
    });
  }

  /** Sends one request and resolves with the payload of its answer; one is under way at a time. */
  ask(type: number, payload: unknown, text = JSON.stringify(payload)): Promise<Fields> {
    const asked = this.#asked.then(
      () =>
        new Promise<Fields>((resolve, reject) => {
          const cancel = setTimeout(() => reject(new Error(`no answer to ${type}`)), 10_000);
          this.#onAnswer = (body) => {
            clearTimeout(cancel);
            const answer = JSON.parse(body) as { t: number; p: Fields };
            if (answer.t !== ANSWERS[type]) {
              reject(new Error(`${type} was answered by ${body.slice(0, 200)}`));
            } else resolve(answer.p);
          };
          this.#socket?.write(frame(`{"t":${type},"p":${text}}`));
        }),
    );
    this.#asked = asked.catch(() => {});
    return asked;
  }

  heartbeat(position: number): Promise<Fields> {
    const now = `${Date.now()}000000`;
    const text = `{"NodeID":"${this.#id}","Role":"primary","WALPosition":${position},"Timestamp":${now}}`;
    return this.ask(7, undefined, text);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((done) => {
      if (this.#server === undefined) done();
      else this.#server.close(() => done());
    });
  }

  #answer(body: string): string | undefined {
    const { t, p } = JSON.parse(body) as { readonly t: number; readonly p: unknown };
    if (ANSWERS[t] === undefined) return undefined;
    this.seen.push(t);
    if (t === 5) return this.#takeBatch(p, body);
    const fields = (p ?? {}) as Fields;
    if (t === 7) {
      this.#expect(t, fields, { NodeID: "string", Role: "string", WALPosition: "number" });
      if (!/"Timestamp":-?[0-9]+[,}]/.test(body)) this.complaints.push(`7.Timestamp: ${body}`);
      const lag = Math.max(0, Number(fields.WALPosition) - this.position);
      return `{"t":8,"p":{"NodeID":"${this.#id}","Role":"${this.fenced ? "fenced" : "standby"}","WALPosition":${this.position},"Lag":${lag}}}`;
    }
    if (t === 9) {
      this.#expect(t, fields, { Reason: "string", RequestID: "string" });
      this.fenced = true;
      return '{"t":10,"p":{"Fenced":true}}';
    }
    this.#expect(t, fields, { Reason: "string" });
    return '{"t":12,"p":{"Ready":true}}';
  }

  /** Takes what is beyond its position, gaps and all; answers with the last it took, or 0. */
  #takeBatch(payload: unknown, body: string): string {
    const batch = payload === null ? [] : payload;
    if (!Array.isArray(batch)) this.complaints.push(`5: ${body.slice(0, 200)}`);
    let acked = 0;
    for (const entry of batch as readonly Fields[]) {
      this.#expect(5, entry, { Position: "number", Timestamp: "number" });
      const command = entry.Command as Fields | null;
      if (command === undefined) this.complaints.push("5.Command is missing");
      if (command !== null && command !== undefined) {
        this.#expect(5, command, { Type: "number", Timestamp: "string", RequestID: "string" });
      }
      const position = Number(entry.Position);
      if (position <= this.position) continue;
      acked = position;
      const requestId = command === null ? null : String(command?.RequestID);
      this.entries.push({ position, requestId });
    }
    return `{"t":6,"p":{"AckedPosition":${acked},"ReceivedPosition":${acked}}}`;
  }

  #expect(type: number, fields: Fields, shape: Readonly<Record<string, string>>): void {
    for (const [name, kind] of Object.entries(shape)) {
      const value = fields[name];
      const whole = typeof value !== "number" || Number.isInteger(value);
      const isRight = typeof value === kind && whole;
      if (!isRight) this.complaints.push(`${type}.${name} is ${JSON.stringify(value)}`);
    }
  }
}

function frame(body: string): Buffer {
  const bytes = Buffer.from(body, "utf8");
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(bytes.length);
  return Buffer.concat([header, bytes]);
}

function onFrames(socket: Socket, onBody: (body: string) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (data: Buffer) => {
    rest = Buffer.concat([rest, data]);
    while (rest.length >= HEADER_BYTES) {
      const size = rest.readUInt32BE(0);
      if (size === 0 || size > FRAME_BYTES_MAX) {
        socket.destroy();
        return;
      }
      if (rest.length < HEADER_BYTES + size) return;
      onBody(rest.toString("utf8", HEADER_BYTES, HEADER_BYTES + size));
      rest = rest.subarray(HEADER_BYTES + size);
    }
  });
}
