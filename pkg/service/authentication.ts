import { createHash, timingSafeEqual } from "node:crypto";
import { invariant } from "../base/index.js";
import { ReplicationError } from "../replication/index.js";
import type { Clock } from "../runtime/index.js";

const ROLES = ["read", "write", "admin"] as const;
/** Each may do what the ones before it may. */
export type Role = (typeof ROLES)[number];

/** Who asks. `name` may be logged, the secret is not kept. */
export interface Principal {
  readonly name: string;
  readonly role: Role;
}

/** What a client showed, whatever the protocol. With a tokens file a password is a token too. */
export type Credentials =
  | { readonly kind: "none" }
  | { readonly kind: "basic"; readonly user: string; readonly password: string }
  | { readonly kind: "bearer"; readonly token: string };

/** Remembers a secret's SHA-256 only, and shows neither in logs, JSON or `inspect`. */
export class SecretDigest {
  readonly #sha256: Buffer;

  private constructor(sha256: Buffer) {
    this.#sha256 = sha256;
  }

  static of(secret: string): SecretDigest {
    return new SecretDigest(sha256(secret));
  }

  static ofHex(hex: string): SecretDigest {
    const bytes = Buffer.from(hex, "hex");
    invariant(bytes.length === 32, "a SHA-256 has 32 bytes");
    return new SecretDigest(bytes);
  }

  /** Takes the same time for every secret of one length. */
  matches(secretSha256: Buffer): boolean {
    return timingSafeEqual(this.#sha256, secretSha256);
  }

  toJSON(): string {
    return "[redacted]";
  }

  toString(): string {
    return "[redacted]";
  }
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text, "utf8").digest();
}

export type AuthenticationPolicy =
  | { readonly kind: "none" }
  | { readonly kind: "password"; readonly user: string; readonly password: SecretDigest }
  | { readonly kind: "tokens"; readonly tokens: readonly TokenEntry[] };

export interface TokenEntry {
  readonly name: string;
  readonly role: Role;
  readonly token: SecretDigest;
}

const TOKENS_MAX = 1000;
const TOKEN_CHARS_MIN = 16;

/**
 * Reads `none` or `user:password`.
 * @throws ReplicationError `INVALID`; the text is never repeated in the message
 */
export function parsePasswordPolicy(text: string): AuthenticationPolicy {
  if (text === "none") return { kind: "none" };
  const colon = text.indexOf(":");
  if (colon < 1 || colon === text.length - 1) {
    throw new ReplicationError("INVALID", "authentication: neither `none` nor `user:password`", {
      field: "authentication",
    });
  }
  return {
    kind: "password",
    user: text.slice(0, colon),
    password: SecretDigest.of(text.slice(colon + 1)),
  };
}

/**
 * Reads a tokens file: one `ROLE NAME TOKEN` a line, `#` opens a comment, and `sha256:HEX` stands
 * for a token whose text is not in the file.
 * @throws ReplicationError `INVALID`, naming the line and never the token
 */
export function parseTokens(text: string): AuthenticationPolicy {
  const tokens: TokenEntry[] = [];
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    const words = line.replace(/(^|\s)#.*$/, "").trim();
    if (words === "") continue;
    tokens.push(parseTokenLine(words.split(/\s+/), at + 1));
  }
  if (tokens.length === 0 || tokens.length > TOKENS_MAX) {
    throw new ReplicationError("INVALID", `tokens file: 1 to ${TOKENS_MAX} tokens are needed`, {
      field: "tokens",
    });
  }
  return { kind: "tokens", tokens };
}

function parseTokenLine(words: readonly string[], line: number): TokenEntry {
  const [role, name, token, ...rest] = words;
  const bad = (what: string) =>
    new ReplicationError("INVALID", `tokens file, line ${line}: ${what}`, {
      field: "tokens",
      hint: "write: ROLE NAME TOKEN, with ROLE one of read, write, admin",
    });
  if (!ROLES.includes(role as Role)) throw bad("the role is not read, write or admin");
  if (name === undefined || token === undefined || rest.length > 0) throw bad("not three words");
  if (token.startsWith("sha256:")) {
    if (!/^sha256:[0-9a-fA-F]{64}$/.test(token)) throw bad("sha256: takes 64 hex digits");
    return { name, role: role as Role, token: SecretDigest.ofHex(token.slice(7)) };
  }
  if (token.length < TOKEN_CHARS_MIN)
    throw bad(`a token has ${TOKEN_CHARS_MIN} characters or more`);
  return { name, role: role as Role, token: SecretDigest.of(token) };
}

interface AuthenticationLimits {
  /** Failures one source may make at once. */
  readonly failuresMax: number;
  /** Time until one of them is forgiven. */
  readonly forgiveAfterMs: number;
  /** Sources remembered; the oldest is forgotten first. */
  readonly sourcesMax: number;
}

const AUTHENTICATION_LIMITS: AuthenticationLimits = {
  failuresMax: 10,
  forgiveAfterMs: 6000,
  sourcesMax: 10_000,
};

const EVERYBODY: Principal = { name: "everybody", role: "admin" };

/** One policy for every front end: who a client is, and what it may do. */
export class Authenticator {
  readonly #policy: AuthenticationPolicy;
  readonly #clock: Clock;
  readonly #limits: AuthenticationLimits;
  readonly #failures = new Map<string, { count: number; sinceMs: number }>();

  constructor(policy: AuthenticationPolicy, clock: Clock, limits = AUTHENTICATION_LIMITS) {
    this.#policy = policy;
    this.#clock = clock;
    this.#limits = limits;
  }

  get required(): boolean {
    return this.#policy.kind !== "none";
  }

  /**
   * @param source - where the guess comes from (the remote address), for the limit on failures
   * @throws ReplicationError `UNAUTHENTICATED`; `OVERLOADED` after too many failures of `source`
   */
  authenticate(credentials: Credentials, source: string): Principal {
    if (this.#policy.kind === "none") return EVERYBODY;
    this.#refuseGuessing(source);
    if (credentials.kind === "none") {
      throw new ReplicationError("UNAUTHENTICATED", "credentials are needed");
    }
    const principal = this.#find(credentials);
    if (principal) return principal;
    this.#countFailure(source);
    throw new ReplicationError("UNAUTHENTICATED", "the credentials are not right");
  }

  /** @throws ReplicationError `FORBIDDEN` */
  authorize(principal: Principal, need: Role): void {
    if (ROLES.indexOf(principal.role) >= ROLES.indexOf(need)) return;
    throw new ReplicationError("FORBIDDEN", `${principal.name} may ${principal.role}, not ${need}`);
  }

  #find(credentials: Exclude<Credentials, { kind: "none" }>): Principal | undefined {
    const policy = this.#policy;
    const secret = credentials.kind === "basic" ? credentials.password : credentials.token;
    const digest = sha256(secret);
    if (policy.kind === "password") {
      const right = policy.password.matches(digest);
      const user = credentials.kind === "basic" ? credentials.user : "";
      const known = SecretDigest.of(policy.user).matches(sha256(user));
      return right && known ? { name: policy.user, role: "admin" } : undefined;
    }
    if (policy.kind === "tokens") {
      let found: Principal | undefined;
      for (const entry of policy.tokens) if (entry.token.matches(digest)) found = entry;
      return found && { name: found.name, role: found.role };
    }
    return EVERYBODY;
  }

  #refuseGuessing(source: string): void {
    const count = this.#failuresOf(source);
    if (count < this.#limits.failuresMax) return;
    throw new ReplicationError("OVERLOADED", "too many failed attempts to sign in", {
      retryAfterMs: this.#limits.forgiveAfterMs,
    });
  }

  #failuresOf(source: string): number {
    const kept = this.#failures.get(source);
    if (!kept) return 0;
    const forgiven = Math.floor(
      (this.#clock.monotonicMs() - kept.sinceMs) / this.#limits.forgiveAfterMs,
    );
    if (forgiven >= kept.count) {
      this.#failures.delete(source);
      return 0;
    }
    kept.count -= forgiven;
    kept.sinceMs += forgiven * this.#limits.forgiveAfterMs;
    return kept.count;
  }

  #countFailure(source: string): void {
    const kept = this.#failures.get(source);
    if (kept) {
      kept.count += 1;
      return;
    }
    if (this.#failures.size >= this.#limits.sourcesMax) {
      const oldest = this.#failures.keys().next();
      if (!oldest.done) this.#failures.delete(oldest.value);
    }
    this.#failures.set(source, { count: 1, sinceMs: this.#clock.monotonicMs() });
  }
}
