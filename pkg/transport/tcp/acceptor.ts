import { type RequestHandler, TransportError } from "../../replication/ports/index.js";
import type { Cancel, Listener, Stream } from "../../runtime/index.js";
import { hostOf } from "./address.js";
import type { RejectReason, TransportContext } from "./context.js";
import { acceptHandshake } from "./handshake.js";
import { Inbound } from "./inbound.js";
import { Link } from "./link.js";
import { Places } from "./places.js";

/** Listens, checks who comes in, and keeps the newest connection of each peer and lane. */
export class Acceptor {
  readonly #context: TransportContext;
  readonly #handler: RequestHandler;
  #listener: Listener | undefined;
  readonly #links = new Set<Link>();
  readonly #linksOf = new Map<string, number>();
  readonly #places = new Places();
  readonly #failures = new Map<string, number>();
  #forgetFailures: Cancel | undefined;
  #closed = false;

  constructor(context: TransportContext, handler: RequestHandler) {
    this.#context = context;
    this.#handler = handler;
  }

  /** Again after the first time: at the same address, with the context's certificates. */
  async listen(): Promise<{ readonly host: string; readonly port: number }> {
    const { network, listen } = this.#context.options;
    const options = {
      tls: this.#context.tls,
      handshakeTimeoutMs:
        this.#context.limits.acceptTimeoutMs ?? this.#context.limits.handshakeTimeoutMs,
      onRefused: (reason: string, remote: string) => this.#context.rejected("tls", remote, reason),
    };
    const at = this.#listener?.address ?? listen;
    const listener = await network.listen(at, options, (stream) => this.#onStream(stream));
    this.#listener = listener;
    if (!this.#closed) return listener.address;
    await listener.close();
    throw new TransportError("DISCONNECTED", "closed before it listened");
  }

  /** Listens anew on the same port; open connections stay. */
  async renewTls(): Promise<void> {
    if (this.#listener === undefined || this.#closed) return;
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
    const { acceptPingIntervalMs } = this.#context.limits;
    const link = new Link(this.#context, stream, acceptPingIntervalMs);
    this.#links.add(link);
    link.whenClosed(() => this.#forget(link, host));
    this.#linksOf.set(host, (this.#linksOf.get(host) ?? 0) + 1);
    void this.#greet(link, host);
  }

  #refusalOf(host: string): RejectReason | undefined {
    const { connectionsMax, connectionsPerAddressMax, authFailuresMax } = this.#context.limits;
    if (this.#closed || this.#links.size >= connectionsMax) return "too_many_connections";
    if ((this.#linksOf.get(host) ?? 0) >= connectionsPerAddressMax) return "too_many_connections";
    if ((this.#failures.get(host) ?? 0) >= authFailuresMax) return "too_many_failures";
    return undefined;
  }

  async #greet(link: Link, host: string): Promise<void> {
    const { acceptTimeoutMs, handshakeTimeoutMs } = this.#context.limits;
    const cancel = this.#context.options.timers.after(acceptTimeoutMs ?? handshakeTimeoutMs, () =>
      link.reject("handshake_timeout", "the peer did not finish the handshake"),
    );
    try {
      const session = await acceptHandshake(this.#context, link, (claim) =>
        this.#places.claim(claim, link),
      );
      if (link.closed) return;
      if ("legacy" in session) {
        new Inbound(this.#context, link, this.#handler).serve(undefined, session.legacy);
      } else {
        new Inbound(this.#context, link, this.#handler, session).serve(session.seals);
      }
    } catch (error) {
      const { details } = error as TransportError;
      if (details?.reason === "wrong_secret") this.#failed(host);
    } finally {
      cancel();
    }
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
    this.#links.delete(link);
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
