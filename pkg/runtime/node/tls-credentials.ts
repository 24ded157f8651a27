import type { SecureContextOptions } from "node:tls";
import type { TlsOptions } from "../network.js";

export function credentials(options: TlsOptions): SecureContextOptions {
  return {
    cert: options.certificate,
    key: options.key,
    minVersion: options.minVersion,
    ...(options.authority === "" ? {} : { ca: options.authority }),
    ...(options.cipherSuites === undefined ? {} : { ciphers: options.cipherSuites }),
  };
}
