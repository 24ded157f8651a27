import { generate } from "selfsigned";
import type { TlsOptions } from "../../../pkg/runtime/index.js";

export interface Authority {
  readonly cert: string;
  readonly key: string;
}

export async function makeAuthority(name: string): Promise<Authority> {
  const { cert, private: key } = await generate([{ name: "commonName", value: name }], {
    keyType: "ec",
    algorithm: "sha256",
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  return { cert, key };
}

/** A certificate for 127.0.0.1 with these names, signed by the authority. */
export async function certify(
  authority: Authority,
  name: string,
  uri?: string,
): Promise<TlsOptions> {
  const { cert, private: key } = await generate([{ name: "commonName", value: name }], {
    keyType: "ec",
    algorithm: "sha256",
    ca: authority,
    extensions: [
      { name: "basicConstraints", cA: false, critical: true },
      { name: "keyUsage", digitalSignature: true, critical: true },
      { name: "extKeyUsage", serverAuth: true, clientAuth: true },
      {
        name: "subjectAltName",
        altNames: [
          { type: 2, value: name },
          { type: 7, ip: "127.0.0.1" },
          ...(uri === undefined ? [] : [{ type: 6 as const, value: uri }]),
        ],
      },
    ],
  });
  return {
    certificate: cert,
    key,
    authority: authority.cert,
    verifyPeer: true,
    minVersion: "TLSv1.3",
  };
}
