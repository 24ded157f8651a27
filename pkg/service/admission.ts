import { ReplicationError } from "../replication/index.js";

/** Counts what is under way. At a bound new work is refused with `OVERLOADED`; nothing queues. */
export class Admission {
  readonly #requestsMax: number;
  readonly #bytesMax: number;
  #requests = 0;
  #bytes = 0;
  #closed = false;

  constructor(limits: { readonly requestsMax: number; readonly bytesMax: number }) {
    this.#requestsMax = limits.requestsMax;
    this.#bytesMax = limits.bytesMax;
  }

  get requests(): number {
    return this.#requests;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Takes one request in. Each `enter` is paired with one `leave` of the same bytes.
   * @throws ReplicationError `OVERLOADED` at a bound, `SHUTTING_DOWN` after `close`
   */
  enter(bytes: number): void {
    this.#admit(bytes);
    if (this.#requests >= this.#requestsMax) throw overloaded("requests", this.#requestsMax);
    this.#requests += 1;
    this.#bytes += bytes;
  }

  leave(bytes: number): void {
    this.#requests -= 1;
    this.#bytes -= bytes;
  }

  /** Sets memory aside for a body that is still being read. */
  reserve(bytes: number): void {
    this.#admit(bytes);
    this.#bytes += bytes;
  }

  unreserve(bytes: number): void {
    this.#bytes -= bytes;
  }

  /** From here on nothing new is taken in; what is under way goes on. */
  close(): void {
    this.#closed = true;
  }

  #admit(bytes: number): void {
    if (this.#closed) {
      throw new ReplicationError("SHUTTING_DOWN", "this node is shutting down", {
        retryAfterMs: 1000,
        hint: "ask another node, or this one once it is back",
      });
    }
    if (this.#bytes + bytes > this.#bytesMax) throw overloaded("bytes", this.#bytesMax);
  }
}

function overloaded(what: string, max: number): ReplicationError {
  return new ReplicationError("OVERLOADED", `${max} ${what} are under way already`, {
    retryAfterMs: 100,
    hint: "try again a little later, or send less at a time",
  });
}
