import { type HostParts, NodeHost, type OpenChannel } from "../replication/index.js";

/** A node in this very thread: for simulations, tests and small machines. */
export function openDirectChannel<State>(parts: Omit<HostParts<State>, "deliver">): OpenChannel {
  return (deliver) => {
    const host = new NodeHost({ ...parts, deliver });
    void host.start();
    return { send: (message) => host.onMessage(message), close: async () => {} };
  };
}
