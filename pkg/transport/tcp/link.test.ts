import { describe, expect, it } from "vitest";
import { parseNodeId } from "../../base/index.js";
import {
  type Network,
  noMetrics,
  type Stream,
  type StreamHandlers,
  silentLogger,
} from "../../runtime/index.js";
import { decodeEnvelope } from "../codec/envelope.js";
import { FrameParser, writeFrameHeader } from "../frame/frame-parser.js";
import { TransportContext } from "./context.js";
import { bodyOf, encodeForLink, Link, type Seals } from "./link.js";
import { Seal, TAG_BYTES } from "./seal.js";

/** A stream that collects what is written, takes it or not, and gives what the test pushes. */
class Pipe implements Stream {
  readonly remote = "10.0.0.1:7688";
  readonly peerNames = [];
  readonly written: Buffer[] = [];
  takes = true;
  destroyed = false;
  handlers: StreamHandlers | undefined;
  pendingBytes = 0;
  start(handlers: StreamHandlers): void {
    this.handlers = handlers;
  }
  write(bytes: Uint8Array): boolean {
    this.written.push(Buffer.from(bytes));
    return this.takes;
  }
  pause(): void {}
  resume(): void {}
  destroy(): void {
    this.destroyed = true;
  }
  frames(): Buffer[] {
    const frames: Buffer[] = [];
    const parser = new FrameParser();
    parser.push(Buffer.concat(this.written), (body) => frames.push(Buffer.from(body)));
    return frames;
  }
}

const seals = (): Seals => ({
  sealing: new Seal(Buffer.alloc(32, 1)),
  opening: new Seal(Buffer.alloc(32, 2)),
});

function make(): { link: Link; pipe: Pipe; rejected: string[]; timers: (() => void)[] } {
  const rejected: string[] = [];
  const timers: (() => void)[] = [];
  const after = (_: number, run: () => void) => {
    timers.push(run);
    return () => void timers.splice(timers.indexOf(run), 1);
  };
  const context = new TransportContext({
    nodeId: parseNodeId("a") as never,
    clusterId: "c1",
    listen: { host: "a", port: 1 },
    network: {} as Network,
    clock: { monotonicMs: () => 0, wallMs: () => 0 },
    timers: { after, soon: (run) => after(0, run) },
    random: { below: () => 0, bytes: (length: number) => new Uint8Array(length) } as never,
    logger: silentLogger,
    metrics: {
      ...noMetrics,
      counter: () => ({ add: (_, labels) => void rejected.push(String(labels?.reason)) }),
    },
  });
  const pipe = new Pipe();
  return { link: new Link(context, pipe), pipe, rejected, timers };
}

const message = (id: number, payload: string) => encodeForLink({ type: 36, id, payload });
const idOf = (json: Uint8Array) => decodeEnvelope(json).id;
const turn = () => new Promise<void>((resolve) => queueMicrotask(resolve));

/** A sealed record of these bytes, as the peer would make it. */
function record(peer: Seal, content: Uint8Array): Buffer {
  const bytes = Buffer.alloc(4 + content.length + TAG_BYTES);
  writeFrameHeader(bytes, bytes.length - 4);
  bytes.set(content, 4);
  peer.close(bytes.subarray(4));
  return bytes;
}

describe("link", () => {
  it("TR-35 small frames of one turn share a write and a tag, in order", async () => {
    const { link, pipe } = make();
    link.open({ onBody: () => {} }, seals());
    for (let id = 1; id <= 100; id++) link.send(message(id, "small"));
    expect(pipe.written).toHaveLength(0);
    await turn();
    expect(pipe.written).toHaveLength(1);
    const [only] = pipe.frames();
    const ids: unknown[] = [];
    const text = new Seal(Buffer.alloc(32, 1)).open(only as Buffer) as Uint8Array;
    new FrameParser().push(text, (json) => ids.push(idOf(json)));
    expect(ids).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  });

  it("TR-24 a large frame does not wait for the end of the turn, and is written in pieces", () => {
    const { link, pipe } = make();
    link.open({ onBody: () => {} }, undefined);
    link.send(message(1, "x".repeat(300_000)));
    expect(pipe.written.length).toBe(3);
    expect(pipe.frames().map(idOf)).toEqual([1]);
  });

  it.each([seals, () => undefined])(
    "TR-44 what the system does not take waits, counted, and goes out in order (FC-136)",
    async (keys) => {
      const { link, pipe } = make();
      link.open({ onBody: () => {} }, keys());
      pipe.takes = false;
      link.send(message(1, "x".repeat(300_000)));
      for (let id = 2; id <= 50; id++) link.send(message(id, "y".repeat(5000)));
      await turn();
      expect(pipe.written).toHaveLength(1);
      expect(link.unsentBytes).toBeGreaterThan(49 * 5000);
      pipe.takes = true;
      pipe.handlers?.onDrain();
      expect(link.unsentBytes).toBe(0);
      const opening = keys() && new Seal(Buffer.alloc(32, 1));
      const ids: unknown[] = [];
      for (const body of pipe.frames()) {
        if (opening === undefined) ids.push(idOf(body));
        else {
          const text = opening.open(body) as Uint8Array;
          new FrameParser().push(text, (json) => ids.push(idOf(json)));
        }
      }
      expect(ids).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
    },
  );

  it("TR-35 what was sent before the keys is not sealed, even when it could not leave", async () => {
    const { link, pipe } = make();
    pipe.takes = false;
    link.send(message(1, "first"));
    await turn();
    link.send(message(2, "still open"));
    link.open({ onBody: () => {} }, seals());
    link.send(message(3, "sealed"));
    pipe.takes = true;
    pipe.handlers?.onDrain();
    const [first, second, third] = pipe.frames() as [Buffer, Buffer, Buffer];
    expect([idOf(first), idOf(second)]).toEqual([1, 2]);
    const text = new Seal(Buffer.alloc(32, 1)).open(third) as Uint8Array;
    expect(idOf(text.subarray(4))).toBe(3);
  });

  it.each([
    ["cut by its record", "bad_frame", (f: Buffer) => f.subarray(0, -1)],
    ["with bytes after it", "bad_frame", (f: Buffer) => Buffer.concat([f, Buffer.alloc(2)])],
    ["of length 0", "bad_frame", () => Buffer.alloc(4)],
  ])("TR-35 a sealed frame %s closes the link", (_, reason, spoil) => {
    const { link, pipe, rejected } = make();
    let delivered = 0;
    link.open({ onBody: () => delivered++ }, seals());
    const whole = message(1, "x");
    const frame = whole.subarray(4, whole.length - TAG_BYTES);
    const peer = new Seal(Buffer.alloc(32, 2));
    pipe.handlers?.onData(record(peer, frame));
    expect(delivered).toBe(1);
    pipe.handlers?.onData(record(peer, spoil(frame)));
    expect(rejected).toEqual([reason]);
    expect(pipe.destroyed).toBe(true);
  });

  it("TR-3 frames behind one that closes the link are not delivered, whatever carries them", () => {
    for (const keys of [seals(), undefined]) {
      const { link, pipe } = make();
      const ids: unknown[] = [];
      const onBody = (json: Uint8Array) => {
        ids.push(idOf(json));
        link.close("enough");
      };
      link.open({ onBody }, keys);
      const frames = Buffer.concat(
        [1, 2].map((id) => {
          const whole = message(id, "x");
          return whole.subarray(4, whole.length - TAG_BYTES);
        }),
      );
      pipe.handlers?.onData(keys ? record(new Seal(Buffer.alloc(32, 2)), frames) : frames);
      expect(ids).toEqual([1]);
    }
  });

  it("TR-32 many or large frames before the proof close the link", () => {
    const frame = bodyOf(message(1, "x".repeat(20_000)));
    const header = Buffer.alloc(4);
    writeFrameHeader(header, frame.length);
    const large = make();
    large.pipe.handlers?.onData(header);
    expect(large.rejected).toEqual(["bad_frame"]);
    const many = make();
    const small = message(1, "x");
    const one = small.subarray(4, small.length - TAG_BYTES);
    many.pipe.handlers?.onData(Buffer.concat(Array.from({ length: 9 }, () => one)));
    expect(many.rejected).toEqual(["protocol"]);
  });

  it("TR-41 a link whose full socket goes on emptying is alive, and is given up once it does not", () => {
    const { link, pipe, timers } = make();
    link.open({ onBody: () => {} }, undefined);
    pipe.pendingBytes = 10_000;
    for (let n = 0; n < 10; n++) {
      link.send(message(n, "x".repeat(20_000)));
      timers.shift()?.();
    }
    expect(link.closed).toBe(false);
    for (let n = 0; n < 3; n++) timers.shift()?.();
    expect(link.closedBy).toBe("no sign of life");
    expect(pipe.destroyed).toBe(true);
    expect(timers).toEqual([]);
  });

  it("TR-41 a link that hears nothing is given up, however much its socket has room for", () => {
    const { link, timers } = make();
    link.open({ onBody: () => {} }, undefined);
    for (let n = 0; n < 3; n++) {
      expect(link.closed).toBe(false);
      link.send(message(n, "x"));
      timers.shift()?.();
    }
    expect(link.closedBy).toBe("no sign of life");
  });

  it("TR-41 an interval in which both sides sent something needs no further sign of life", () => {
    const { link, pipe, timers } = make();
    const quiet: boolean[] = [];
    const sealable = message(2, "x");
    const heard = sealable.subarray(4, sealable.length - TAG_BYTES);
    link.open({ onBody: () => {}, onInterval: (is) => void quiet.push(is) }, undefined);
    for (const [sends, hears] of [
      [true, true],
      [true, false],
      [false, true],
      [false, false],
    ]) {
      if (sends) link.send(message(1, "x".repeat(20_000)));
      if (hears) pipe.handlers?.onData(heard);
      timers.shift()?.();
    }
    expect(link.closedBy).toBe("");
    expect(quiet).toEqual([false, true, true, true]);
  });

  it("TR-22 whoever asks after the end is told at once, and opening does nothing", () => {
    const { link, pipe } = make();
    pipe.handlers?.onClose(new Error("ECONNRESET"));
    const reasons: string[] = [];
    link.whenClosed((reason) => reasons.push(reason));
    link.open({ onBody: () => expect.unreachable() }, undefined);
    link.send(message(1, "x"));
    link.closeAfter(10, "later");
    expect(reasons).toEqual(["ECONNRESET"]);
    expect(pipe.written).toEqual([]);
  });
});
