import { type RequestHandler, TransportError } from "../../replication/ports/index.js";
import type { Cancel, Listener, Stream } from "../../runtime/index.js";
import { hostOf } from "./address.js";
import type { TransportContext } from "./context.js";
import { acceptHandshake } from "./handshake.js";
import { Inbound } from "./inbound.js";
import { Link } from "./link.js";

/** Listens, checks who comes in, and keeps the newest connection of each peer and lane. */
export class Acceptor {
  readonly #context: TransportContext;
  readonly #handler: RequestHandler;
  #listener: Listener | undefined;
  readonly #links = new Set<Link>();
  readonly #linksOf = new Map<string, number>();
  readonly #newest = new Map<string, Inbound>();
  readonly #failures = new Map<string, number>();
  #forgetFailures: Cancel | undefined;
  #closed = false;

  constructor(context: TransportContext, handler: RequestHandler) {
    this.#context = context;
    this.#handler = handler;
  }

  async listen(): Promise<{ readonly host: string; readonly port: number }> {
    const { network, listen } = this.#context.options;
    this.#listener = await this.#listenAt(network, this.#listener?.address ?? listen);
    return this.#listener.address;
  }

  #listenAt(network: TransportContext["options"]["network"], at: { host: string; port: number }) {
    const options = {
      tls: this.#context.tls,
      handshakeTimeoutMs: this.#context.limits.handshakeTimeoutMs,
      onRefused: (reason: string, remote: string) => this.#context.rejected("tls", remote, reason),
    };
    return network.listen(at, options, (stream) => this.#onStream(stream));
  }

  /** Listens anew on the same port with the context's certificates; open connections stay. */
  async renewTls(): Promise<void> {
    if (this.#listener === undefined) return;
    await this.#listener.close();
    await this.listen();
  }

  #onStream(stream: Stream): void {
    const host = hostOf(stream.remote);
    const refusal = this.#refusalOf(host);
    if (refusal !== undefined) {
      this.#context.rejected(refusal, stream.remote, "connection refused");
      stream.start({ onData: () => {}, onDrain: () => {}, onClose: () => {} });
      stream.destroy();
      return;
    }
    const link = new Link(this.#context, stream);
    this.#links.add(link);
    this.#linksOf.set(host, (this.#linksOf.get(host) ?? 0) + 1);
    void this.#greet(link, host);
  }

  #refusalOf(host: string) {
    const { connectionsMax, connectionsPerAddressMax, authFailuresMax } = this.#context.limits;
    if (this.#closed || this.#links.size >= connectionsMax) return "too_many_connections";
    if ((this.#linksOf.get(host) ?? 0) >= connectionsPerAddressMax) return "too_many_connections";
    if ((this.#failures.get(host) ?? 0) >= authFailuresMax) return "too_many_failures";
    return undefined;
  }

  async #greet(link: Link, host: string): Promise<void> {
    const cancel = this.#context.options.timers.after(this.#context.limits.handshakeTimeoutMs, () =>
      link.reject("handshake_timeout", "the peer did not finish the handshake"),
    );
    const forget = () => this.#forget(link, host);
    try {
      const session = await acceptHandshake(this.#context, link);
      if (link.closed) {
        forget();
        return;
      }
      const known = "legacy" in session ? undefined : session;
      const inbound = new Inbound(this.#context, link, this.#handler, known);
      if (known !== undefined) this.#replace(`${known.peer}/${known.lane}`, inbound);
      inbound.serve(forget, "legacy" in session ? session.legacy : undefined);
    } catch (error) {
      if (error instanceof TransportError && error.details.reason === "wrong_secret")
        this.#failed(host);
      this.#forgetWhenClosed(link, host);
    } finally {
      cancel();
    }
  }

  #forgetWhenClosed(link: Link, host: string): void {
    const onClose = () => this.#forget(link, host);
    link.open({ onBody: () => {}, onClose }, undefined);
  }

  #replace(key: string, inbound: Inbound): void {
    const older = this.#newest.get(key);
    this.#newest.set(key, inbound);
    older?.close("replaced by a newer connection");
  }

  #failed(host: string): void {
    this.#failures.set(host, (this.#failures.get(host) ?? 0) + 1);
    const { authFailureWindowMs } = this.#context.limits;
    this.#forgetFailures ??= this.#context.options.timers.after(authFailureWindowMs, () => {
      this.#forgetFailures = undefined;
      this.#failures.clear();
    });
  }

  #forget(link: Link, host: string): void {
    if (!this.#links.delete(link)) return;
    const left = (this.#linksOf.get(host) ?? 1) - 1;
    if (left > 0) this.#linksOf.set(host, left);
    else this.#linksOf.delete(host);
  }

  get connections(): number {
    return this.#links.size;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#forgetFailures?.();
    for (const link of [...this.#links]) link.close("closed by the peer's shutdown");
    await this.#listener?.close();
  }
}
