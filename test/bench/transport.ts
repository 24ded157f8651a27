import { fork } from "node:child_process";
import { type AddressInfo, createServer, connect as dial } from "node:net";
import { fileURLToPath } from "node:url";
import { type NodeId, parseNodeId } from "../../pkg/base/index.js";
import { noMetrics, silentLogger } from "../../pkg/runtime/index.js";
import {
  nodeNetwork,
  systemClock,
  systemRandom,
  systemTimers,
} from "../../pkg/runtime/node/index.js";
import {
  createTransport,
  encodeCommand,
  FrameParser,
  MessageType,
  sendWALBatch,
  type WALBatch,
  writeFrameHeader,
} from "../../pkg/transport/index.js";
import { cpuSampler, percentile, printTable, type Row, saveResults } from "./support/report.js";

const SECONDS = Number(process.env.BENCH_SECONDS ?? 3);
const ROLE = "NORNIC_TRANSPORT_BENCH_ROLE";
const SECRET = Buffer.from("only for this measurement");
const LOOPBACK = { host: "127.0.0.1", port: 0 };

function transport(name: string, mac: boolean) {
  return createTransport({
    nodeId: parseNodeId(name) as NodeId,
    clusterId: "bench",
    listen: LOOPBACK,
    ...(mac ? { secret: SECRET } : { insecure: true }),
    network: nodeNetwork(),
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    logger: silentLogger,
    metrics: noMetrics,
  });
}

function batch(entries: number): WALBatch {
  const data = new Uint8Array(256).fill(171);
  return Array.from({ length: entries }, (_, i) => ({
    Position: 1_000_000 + i,
    Timestamp: "1767197357123456789",
    Command: encodeCommand({
      type: 1,
      data,
      timestamp: "2025-12-31T16:09:17.123456789Z",
      requestId: `request-${i}`,
    }),
  }));
}

/** The same batch as plain objects, for the bare socket. */
function plain(entries: number): unknown {
  return (batch(entries) ?? []).map((e) => ({
    Position: e?.Position,
    Timestamp: e?.Timestamp,
    Command: JSON.parse(Buffer.from(e?.Command ?? []).toString()),
  }));
}

function framed(value: unknown): Buffer {
  const text = Buffer.from(`0000${JSON.stringify(value)}`);
  writeFrameHeader(text, text.length - 4);
  return text;
}

async function serve(role: string): Promise<void> {
  if (role !== "raw") {
    const { port } = await transport("b", role === "mac").listen(async (_, message) => {
      const last = (message.payload as WALBatch)?.at(-1)?.Position ?? 0;
      const payload = { AckedPosition: last, ReceivedPosition: last };
      return { type: MessageType.walBatchResponse, payload };
    });
    process.send?.(port);
    return;
  }
  const server = createServer((socket) => {
    const parser = new FrameParser();
    socket.setNoDelay(true);
    socket.on("data", (bytes) =>
      parser.push(bytes, (body) => {
        const { i, p } = JSON.parse(Buffer.from(body).toString());
        const last = p.at(-1).Position;
        socket.write(framed({ t: 6, i, p: { AckedPosition: last, ReceivedPosition: last } }));
      }),
    );
  });
  server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
}

async function rawCaller(
  port: number,
  entries: number,
): Promise<{ call(): Promise<unknown>; end(): void }> {
  const socket = dial(port, "127.0.0.1");
  await new Promise((resolve) => socket.once("connect", resolve));
  socket.setNoDelay(true);
  const waiting = new Map<number, (value: unknown) => void>();
  const parser = new FrameParser();
  socket.on("data", (bytes) =>
    parser.push(bytes, (body) => {
      const { i, p } = JSON.parse(Buffer.from(body).toString());
      waiting.get(i)?.(p);
      waiting.delete(i);
    }),
  );
  const payload = plain(entries);
  let next = 0;
  const call = () =>
    new Promise((resolve) => {
      next += 1;
      waiting.set(next, resolve);
      socket.write(framed({ t: 5, i: next, p: payload }));
    });
  return { call, end: () => socket.destroy() };
}

async function measure(role: string, entries: number, inFlight: number): Promise<Row> {
  const child = fork(fileURLToPath(import.meta.url), [], { env: { ...process.env, [ROLE]: role } });
  const port = await new Promise<number>((resolve) =>
    child.once("message", (m) => resolve(Number(m))),
  );
  const own = role === "raw" ? undefined : transport("a", role === "mac");
  const peer = own?.connect({ address: `127.0.0.1:${port}` });
  const payload = batch(entries);
  const caller =
    peer === undefined
      ? await rawCaller(port, entries)
      : { call: () => sendWALBatch(peer, payload, { timeoutMs: 10_000 }), end: () => {} };
  for (let i = 0; i < 200; i++) await caller.call();
  const cpu = cpuSampler();
  const times: number[] = [];
  const startMs = performance.now();
  const endMs = startMs + SECONDS * 1000;
  const loop = async () => {
    for (let at = performance.now(); at < endMs; ) {
      await caller.call();
      const now = performance.now();
      times.push(now - at);
      at = now;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  const seconds = (performance.now() - startMs) / 1000;
  const cpuCores = cpu();
  caller.end();
  await own?.close();
  child.kill();
  times.sort((a, b) => a - b);
  return {
    name: `${role}: ${entries} entries a frame, ${inFlight} in flight`,
    opsPerSecond: (times.length * entries) / seconds,
    p50Ms: percentile(times, 50),
    p99Ms: percentile(times, 99),
    cpuCores,
  };
}

/** Entries a second between two processes, beside length-prefixed JSON on a bare socket. */
export async function run(): Promise<void> {
  const rows: Row[] = [];
  for (const [entries, inFlight] of [
    [64, 1],
    [64, 4],
    [1, 64],
  ] as const) {
    const raw = await measure("raw", entries, inFlight);
    rows.push(raw);
    for (const role of ["open", "mac"]) {
      const row = await measure(role, entries, inFlight);
      rows.push({ ...row, ratio: row.opsPerSecond / raw.opsPerSecond, ratioOf: "raw" });
    }
  }
  printTable("transport: entries per second", rows);
  saveResults("transport", rows);
}

const role = process.env[ROLE];
if (role !== undefined) await serve(role);
