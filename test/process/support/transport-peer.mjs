// One node of a cluster that only talks, driven by its parent over the process channel.
import { setTimeout as sleep } from "node:timers/promises";
import {
  nodeNetwork,
  systemClock,
  systemRandom,
  systemTimers,
} from "../../../dist/pkg/runtime/node/index.js";
import { createTransport, MessageType } from "../../../dist/pkg/transport/index.js";

const rejected = {};
const logged = [];
const handled = new Map();
let malformed = 0;
let transport;
let peer;

const metrics = {
  counter: () => ({
    add: (amount, { reason }) => {
      rejected[reason] = (rejected[reason] ?? 0) + amount;
    },
  }),
};
const logger = {
  log: (...line) => logged.push(JSON.stringify(line)),
  child: () => logger,
};

/** What a request of that number must look like, so that half of one cannot pass for another. */
const textOf = (n, size) => `${n}:`.repeat(Math.ceil(size / `${n}:`.length));

async function handle(from, { type, payload }) {
  if (payload?.size !== undefined && payload.text !== textOf(payload.n, payload.size))
    malformed += 1;
  if (type === MessageType.verify) {
    throw Object.assign(new Error("not here"), { code: "NOT_HERE" });
  }
  handled.set(payload.n, (handled.get(payload.n) ?? 0) + 1);
  if (payload.waitMs > 0) await sleep(Math.random() * payload.waitMs);
  return { type: MessageType.forwardResponse, payload: { twice: payload.n * 2, from } };
}

async function callOnce(n, { size = 20, waitMs = 0, timeoutMs = 5000, priority }, result) {
  const payload = { n, size, waitMs, text: textOf(n, size) };
  const startMs = performance.now();
  try {
    const answer = await peer.call({ type: MessageType.forward, payload }, { timeoutMs, priority });
    if (answer.payload?.twice === n * 2) result.right += 1;
    else result.wrong += 1;
    result.slowestMs = Math.max(result.slowestMs, performance.now() - startMs);
  } catch (error) {
    const name = `${error.code} ${error.details?.reason ?? error.details?.remoteCode ?? ""}`.trim();
    result.failed[name] = (result.failed[name] ?? 0) + 1;
    result.message = error.message;
    await sleep(5);
  }
}

const commands = {
  start: async (options) => {
    transport = createTransport({
      listen: { host: "127.0.0.1", port: 0 },
      network: nodeNetwork(),
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
      logger,
      metrics,
      ...options,
    });
    return (await transport.listen(handle)).port;
  },
  connect: async (target) => {
    peer = transport.connect(target);
  },
  /** Numbers `first` to `first + count - 1`, `inFlight` at a time. */
  burst: async ({ first = 0, count, inFlight, ...call }) => {
    const result = { right: 0, wrong: 0, failed: {}, slowestMs: 0, message: "" };
    let next = first;
    const caller = async () => {
      while (next < first + count) await callOnce(next++, call, result);
    };
    await Promise.all(Array.from({ length: inFlight }, caller));
    return result;
  },
  untilConnected: async () => {
    while (!peer.isConnected()) await sleep(5);
  },
  updateTls: (tls) => transport.updateTls(tls),
  state: async () => ({
    rejected,
    logged: logged.join("\n"),
    handled: handled.size,
    handledTwice: [...handled.values()].filter((times) => times > 1).length,
    unknown: [...handled.keys()].filter((n) => !Number.isSafeInteger(n) || n < 0).length,
    malformed,
    pending: transport.pendingCalls(),
    inbound: transport.inboundConnections(),
    rssBytes: process.memoryUsage().rss,
  }),
  close: async () => {
    await transport?.close();
    setImmediate(() => process.disconnect());
  },
};

process.on("message", async ({ id, command, argument }) => {
  try {
    process.send({ id, value: await commands[command](argument) });
  } catch (error) {
    process.send({ id, error: `${error.code ?? ""} ${error.message}` });
  }
});
