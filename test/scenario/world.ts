import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Agent, request } from "undici";
import type { ReplicatorClient } from "../../pkg/replication/index.js";
import { systemClock, systemTimers } from "../../pkg/runtime/node/index.js";
import { Links } from "./links.js";
import { Member } from "./member.js";

/** Longest that a condition is waited for, in milliseconds. */
const PATIENCE_MS = 15_000;
const LOOK_MS = 10;
const CONNECTIONS_MAX = 128;

export interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: what a server answers is looked at field by field
  readonly body: any;
}

/** Everything one script has set up: nodes, the links between them, and what was written. */
export class World {
  readonly links = new Links();
  /** Replicators that a script opened as a library. */
  readonly libraries = new Map<string, ReplicatorClient>();
  readonly home = mkdtempSync(path.join(tmpdir(), "nornic-scenario-"));
  readonly #members = new Map<string, Member>();
  readonly #agent = new Agent({ connections: CONNECTIONS_MAX });
  /** What `mark` remembered. */
  mark: { readonly term: number; readonly leader: string | null } = { term: 0, leader: null };
  #written = 0;

  /** A name for the next thing written; none is used twice. */
  nextId(): string {
    this.#written += 1;
    return `w${this.#written}`;
  }

  members(): readonly Member[] {
    return [...this.#members.values()];
  }

  member(id: string): Member {
    const member = this.#members.get(id);
    if (member === undefined) throw new Error(`there is no node ${id}`);
    return member;
  }

  library(name: string): ReplicatorClient {
    const library = this.libraries.get(name);
    if (library === undefined) throw new Error(`nobody opened ${name}`);
    return library;
  }

  async make(id: string): Promise<Member> {
    const known = this.#members.get(id);
    if (known !== undefined) return known;
    const made = await Member.make(id, this.home, this.links);
    this.#members.set(id, made);
    return made;
  }

  async ask(id: string, method: "GET" | "PUT" | "POST", route: string, body?: unknown) {
    const {
      statusCode,
      headers,
      body: stream,
    } = await request(`${this.member(id).url}${route}`, {
      method,
      dispatcher: this.#agent,
      ...(body === undefined
        ? {}
        : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    });
    const text = await stream.text();
    const isJson = /[/+]json/.test(String(headers["content-type"] ?? "")) && text !== "";
    const { location } = headers;
    const answer: Answer = {
      status: statusCode,
      location: typeof location === "string" ? location : undefined,
      body: isJson ? JSON.parse(text) : text,
    };
    return answer;
  }

  /** The `replication` part of a node's health. */
  async health(id: string) {
    return (await this.ask(id, "GET", "/health")).body.replication;
  }

  /** @throws Error saying what did not come true, and how it looked last */
  async until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
    const deadlineMs = systemClock.monotonicMs() + PATIENCE_MS;
    let last = "";
    while (systemClock.monotonicMs() < deadlineMs) {
      try {
        const found = await look();
        if (found !== undefined && found !== false) return found;
      } catch (error) {
        last = `; the last look failed: ${error instanceof Error ? error.message : String(error)}`;
      }
      await new Promise<void>((done) => void systemTimers.after(LOOK_MS, done));
    }
    throw new Error(`not within ${PATIENCE_MS} ms: ${what}${last}`);
  }

  async close(): Promise<void> {
    this.links.heal();
    this.links.setDelay({ latencyMs: 0, jitterPercent: 0 });
    await Promise.all([...this.libraries.values()].map((one) => one.shutdown()));
    await Promise.all(this.members().map((member) => member.stop()));
    this.links.close();
    await this.#agent.destroy();
    rmSync(this.home, { recursive: true, force: true });
  }
}
