import { MessageChannel } from "node:worker_threads";

const { port1, port2 } = new MessageChannel();
const waiting: (() => void)[] = [];
port2.on("message", () => {
  const resolve = waiting.shift();
  if (waiting.length === 0) port2.unref();
  resolve?.();
});
port2.unref();

/**
 * Resolves when every promise reaction that could run has run, however long the chains are: the
 * message is a task of its own, and the engine empties the microtask queue before it starts the
 * next task. No timer or clock takes part, so it ends at the same point in every run as long as
 * the code under test waits on nothing but promises and simulated ports.
 */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    port2.ref();
    port1.postMessage(0);
  });
}
