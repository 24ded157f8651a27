import { type Config, formatHostPort } from "../config/index.js";
import type { ArbiterSettings } from "../replication/arbiter/index.js";
import { toPort } from "./node-setup.js";

/**
 * What a node of a standby pair is told about its arbiter; plain data.
 * @throws ReplicationError `INVALID` for files of the configuration that cannot be read
 */
export function arbiterSettings(config: Config, clusterId: string): ArbiterSettings {
  const { arbiter, arbiterAddresses, arbiterAuth, leaseTtlMs } = config.ha;
  const login =
    arbiterAuth.kind === "none"
      ? undefined
      : { user: arbiterAuth.user, password: arbiterAuth.password.reveal() };
  return {
    kind: arbiter,
    clusterId,
    addresses: arbiterAddresses.map(formatHostPort),
    leaseTtlMs,
    login,
    tls: toPort(config).tls,
  };
}
