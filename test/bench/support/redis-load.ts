import { connect, type Socket } from "node:net";

const command = (...words: readonly string[]) =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;
const WAIT_FOR_ONE = command("WAIT", "1", "1000");

/** A bare Redis client for load: one connection, one operation under way. */
export class RedisLoad {
  readonly #socket: Socket;
  #text = "";
  #missing = 0;
  #done: (() => void) | undefined;
  #failed: ((error: Error) => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => this.#onData(chunk));
    socket.on("error", (error) => this.#failed?.(error));
    socket.on("close", () => this.#failed?.(new Error("the server closed the connection")));
  }

  static open(port: number): Promise<RedisLoad> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () => resolve(new RedisLoad(socket)));
      socket.once("error", reject);
    });
  }

  /** A write that its replica has received: `SET` and `WAIT 1` leave together. */
  setAndWait(key: string, value: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#missing = 2;
      this.#done = resolve;
      this.#failed = reject;
      this.#socket.write(command("SET", key, value) + WAIT_FOR_ONE, "latin1");
    });
  }

  close(): void {
    this.#failed = undefined;
    this.#socket.destroy();
  }

  #onData(chunk: string): void {
    this.#text += chunk;
    let end = this.#text.indexOf("\r\n");
    while (end >= 0) {
      const line = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 2);
      if (line.startsWith("-") || line === ":0") this.#failed?.(new Error(`redis: ${line}`));
      this.#missing -= 1;
      if (this.#missing === 0) this.#done?.();
      end = this.#text.indexOf("\r\n");
    }
  }
}
