/** Codes of the operating system; OpenSSL's alerts arrive as `EPROTO`. */
const SYSTEM_CODE = /^E(?!RR_|PROTO$)[A-Z]/;

/** True for an error that TLS ended a connection with: a certificate, a version, an alert. */
export function isTlsFailure(error: unknown): boolean {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" && !SYSTEM_CODE.test(code);
}
