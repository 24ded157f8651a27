export { VERIFY_LIMITS } from "./core/limits.js";
export type { ArrivedCopy, Members } from "./replica.js";
export type { NamedMismatch, NodeReport, RoundReport } from "./report.js";
export { Verification, type VerificationHost, type VerificationParts } from "./verification.js";
