import { type HostParts, NodeHost, type OpenChannel } from "../replication/index.js";

type Kind = { readonly kind: string };

/** A node in this very thread: for simulations, tests and small machines. */
export function openDirectChannel<State, I extends Kind, E extends Kind>(
  parts: Omit<HostParts<State, I, E>, "deliver">,
): OpenChannel {
  return (deliver) => {
    const host = new NodeHost({ ...parts, deliver });
    void host.start();
    return { send: (message) => host.onMessage(message), close: async () => {} };
  };
}
