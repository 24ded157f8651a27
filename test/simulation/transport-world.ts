import { expect } from "vitest";
import { type NodeId, parseNodeId } from "../../pkg/base/index.js";
import type { PeerMessage, TransportError } from "../../pkg/replication/ports/index.js";
import type { LogFields, Metrics, Stream } from "../../pkg/runtime/index.js";
import {
  type ClusterTransport,
  createTransport,
  decodeEnvelope,
  type Envelope,
  encodeFrame,
  FrameParser,
  MessageType,
  type TransportOptions,
} from "../../pkg/transport/index.js";
import { seededRandom, VirtualTime } from "../support/index.js";
import { SimNetwork } from "../support/sim-network.js";

const LIMIT = { ticksMax: 400_000 };
export const SECRET = new TextEncoder().encode("a secret of the whole cluster");
export const id = (name: string) => parseNodeId(name) as NodeId;

/** A dial under way when its transport is closed comes to its own end. */
const DIAL_MS_MAX = 6_000;

/** Transports, peers that speak bytes only, and what was refused, under simulated time. */
export class World {
  readonly time = new VirtualTime();
  readonly random = seededRandom(7);
  readonly network = new SimNetwork({ time: this.time, random: this.random });
  readonly rejected: string[] = [];
  readonly logged: string[] = [];
  readonly dials: number[] = [];
  readonly transports: ClusterTransport[] = [];

  node(name: string, more: Partial<TransportOptions> = {}): ClusterTransport {
    const host = this.network.host(name);
    const metrics: Metrics = {
      counter: (metric) => ({
        add: (_, labels) => {
          expect(metric).toBe("nornicdb_transport_frames_rejected_total");
          this.rejected.push(`${name} ${labels?.reason}`);
        },
      }),
      gauge: () => ({ set: () => {}, forget: () => {} }),
      histogram: () => ({ observe: () => {} }),
    };
    const log = (_: string, event: string, message: string, fields?: LogFields) => {
      expect(event).toBe("transport_rejected");
      this.logged.push(message + JSON.stringify(fields));
      expect(message + JSON.stringify(fields)).not.toContain("a secret of");
    };
    const transport = createTransport({
      nodeId: id(name),
      clusterId: "c1",
      listen: { host: name, port: 7688 },
      secret: SECRET,
      network: {
        listen: (...args) => host.listen(...args),
        connect: (...args) => {
          this.dials.push(this.time.monotonicMs());
          return host.connect(...args);
        },
      },
      clock: this.time,
      timers: this.time,
      random: this.random,
      logger: { log, child: () => ({ log, child: () => expect.unreachable() }) },
      metrics,
      ...more,
    });
    this.transports.push(transport);
    return transport;
  }

  run<T>(promise: Promise<T>): Promise<T> {
    return this.time.run(promise, LIMIT);
  }

  /** A peer that speaks bytes only; what it is sent is collected as whole bodies. */
  async raw(to: string): Promise<{ stream: Stream; bodies: string[]; closed: () => boolean }> {
    const dial = this.network.host("evil").connect({ host: to, port: 7688 }, { timeoutMs: 1000 });
    const stream = await this.run(dial);
    const bodies: string[] = [];
    let closed = false;
    const parser = new FrameParser();
    stream.start({
      onData: (bytes) => parser.push(bytes, (body) => bodies.push(Buffer.from(body).toString())),
      onDrain: () => {},
      onClose: () => {
        closed = true;
      },
    });
    return { stream, bodies, closed: () => closed };
  }

  /** Listens with bytes only; `write` answers on the connection that the message came on. */
  async rawListener(
    name: string,
    onFrame: (message: Envelope, write: (bytes: Uint8Array) => void) => void,
  ): Promise<{ connections: () => number }> {
    let connections = 0;
    const options = { handshakeTimeoutMs: 1000 };
    await this.network.host(name).listen({ host: name, port: 7688 }, options, (stream) => {
      connections += 1;
      const parser = new FrameParser();
      const write = (bytes: Uint8Array) => void stream.write(bytes);
      const onBody = (body: Uint8Array) => onFrame(decodeEnvelope(body), write);
      const onData = (bytes: Uint8Array) => parser.push(bytes, onBody);
      stream.start({ onData, onDrain: () => {}, onClose: () => {} });
    });
    return { connections: () => connections };
  }

  /** Closes everything; no call and no timer may be left. */
  async end(): Promise<void> {
    await this.run(Promise.all(this.transports.map((t) => t.close())));
    for (const transport of this.transports) expect(transport.pendingCalls()).toBe(0);
    await this.time.advance(DIAL_MS_MAX);
    expect(this.time.pending()).toBe(0);
  }
}

export const echo = async (_: NodeId, message: PeerMessage) => ({
  type: MessageType.forwardResponse,
  payload: message.payload,
});
export const ask = (payload: PeerMessage["payload"]) => ({ type: MessageType.forward, payload });

export function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "answered",
    (error: TransportError) =>
      `${error.code} ${error.details.reason ?? error.details.remoteCode ?? ""}`.trim(),
  );
}

export function frame(type: number, payload: PeerMessage["payload"], id?: number): Uint8Array {
  return encodeFrame(id === undefined ? { type, payload } : { type, id, payload });
}
