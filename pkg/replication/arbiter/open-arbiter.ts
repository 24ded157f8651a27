import type { HttpClient, Timers, TlsOptions } from "../../runtime/index.js";
import type { Arbiter, Transport } from "../ports/index.js";
import { EtcdArbiter } from "./etcd/etcd-arbiter.js";
import type { EtcdLogin } from "./etcd/etcd-gateway.js";
import { peerArbiter } from "./peer-arbiter.js";
import { WitnessArbiter } from "./witness/witness-arbiter.js";

/** Plain data, so that it can cross to another thread. */
export interface ArbiterSettings {
  readonly kind: "peer" | "witness" | "etcd";
  readonly clusterId: string;
  /** `host:port`: the one witness, or the members of etcd. */
  readonly addresses: readonly string[];
  /** From which the time for one operation follows: a third of it. */
  readonly leaseTtlMs: number;
  /** For etcd with authentication. */
  readonly login?: EtcdLogin | undefined;
  /** For etcd over https. */
  readonly tls?: TlsOptions | undefined;
}

export interface ArbiterParts {
  /** The node's own transport; used for a witness, and closed by whoever made it. */
  readonly transport: Transport;
  /** Used for etcd, and closed with the arbiter. */
  readonly http: HttpClient;
  readonly timers: Timers;
}

/** An operation that has not ended after this share of a TTL would come too late to be of use. */
const OPERATIONS_A_TTL = 3;

/** Connects lazily; an arbiter that is not there shows in the calls. */
export function openArbiter(settings: ArbiterSettings, parts: ArbiterParts): Arbiter {
  const { kind, addresses, leaseTtlMs, clusterId, login, tls } = settings;
  const timeoutMs = Math.max(1, Math.floor(leaseTtlMs / OPERATIONS_A_TTL));
  const common = { timeoutMs, retryMs: timeoutMs, timers: parts.timers };
  if (kind === "witness") {
    const [address, ...others] = addresses;
    if (address === undefined || others.length > 0) {
      throw new RangeError("a witness has exactly one address");
    }
    return new WitnessArbiter({ ...common, transport: parts.transport, address });
  }
  if (kind === "etcd") {
    if (addresses.length === 0) throw new RangeError("etcd has at least one address");
    return new EtcdArbiter({ ...common, clusterId, addresses, login, tls, http: parts.http });
  }
  return peerArbiter();
}
