import { connect, type Socket } from "node:net";

/**
 * A bare HTTP/1.1 client for load: one connection, one request under way, no parsing beyond the
 * status line and the length. It costs a few microseconds a request, so that what is measured is
 * the server.
 */
export class HttpLoad {
  readonly #socket: Socket;
  readonly #host: string;
  #text = "";
  #done: ((status: number) => void) | undefined;
  #failed: ((error: Error) => void) | undefined;

  private constructor(socket: Socket, host: string) {
    this.#socket = socket;
    this.#host = host;
    socket.setNoDelay(true);
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => this.#onData(chunk));
    socket.on("error", (error) => this.#failed?.(error));
    socket.on("close", () => this.#failed?.(new Error("the server closed the connection")));
  }

  static open(url: string): Promise<HttpLoad> {
    const { hostname, port, host } = new URL(url);
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => resolve(new HttpLoad(socket, host)));
      socket.once("error", reject);
    });
  }

  /** @returns the status; throws when it is not a success */
  async send(method: string, path: string, body: string): Promise<void> {
    const status = await new Promise<number>((resolve, reject) => {
      this.#done = resolve;
      this.#failed = reject;
      this.#socket.write(
        `${method} ${path} HTTP/1.1\r\nhost: ${this.#host}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
        "latin1",
      );
    });
    if (status >= 300) throw new Error(`${method} ${path} answered ${status}`);
  }

  close(): void {
    this.#failed = undefined;
    this.#socket.destroy();
  }

  #onData(chunk: string): void {
    this.#text += chunk;
    const head = this.#text.indexOf("\r\n\r\n");
    if (head < 0) return;
    const length = /\r\ncontent-length: (\d+)/i.exec(this.#text.slice(0, head))?.[1];
    if (length === undefined) throw new Error("the answer has no content-length");
    if (this.#text.length < head + 4 + Number(length)) return;
    const status = Number(this.#text.slice(9, 12));
    this.#text = "";
    this.#done?.(status);
  }
}
