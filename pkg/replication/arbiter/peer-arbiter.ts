import { type Arbiter, ArbiterError } from "../ports/index.js";

/** Two nodes by themselves: nobody decides between them, and whoever asks is told so. */
export function peerArbiter(): Arbiter {
  const none = () =>
    Promise.reject(
      new ArbiterError(
        "NONE",
        "no arbiter: set NORNICDB_CLUSTER_HA_ARBITER to witness or etcd for one",
      ),
    );
  return {
    acquire: none,
    renew: none,
    recordInSync: none,
    release: none,
    read: none,
    watch: () => () => {},
    close: async () => {},
  };
}
