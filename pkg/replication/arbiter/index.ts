export type { EtcdLogin } from "./etcd/etcd-gateway.js";
export { ARBITER_LIMITS } from "./limits.js";
export { type ArbiterParts, type ArbiterSettings, openArbiter } from "./open-arbiter.js";
export { LeaseRegister, type LeaseRegisterParts } from "./witness/lease-register.js";
export { witnessHandler } from "./witness/serve-witness.js";
