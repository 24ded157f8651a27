import type { Command } from "./data.js";

interface Page<T> {
  readonly items: readonly T[];
  readonly cursor?: string;
}

export interface WorldNode {
  readonly id: string;
  readonly properties: Readonly<Record<string, string | number | boolean | null>>;
}

export interface WorldEdge {
  readonly id: string;
  readonly from: string;
  readonly to: string;
}

const TRIES_MAX = 5;

/** The few requests that the example makes. Nothing here is more than `fetch`. */
export class WorldClient {
  readonly #endpoint: string;
  #bookmark: string | null = null;

  constructor(endpoint: string) {
    this.#endpoint = endpoint.replace(/\/$/, "");
  }

  /** @returns how many of the commands changed something; the others found it as they would leave it */
  async write(commands: readonly Command[]): Promise<number> {
    const body = JSON.stringify({ commands });
    const answer = (await this.#ask("POST", "/commands", body)) as {
      readonly results: readonly { readonly outcome: string }[];
    };
    return answer.results.filter(({ outcome }) => outcome !== "unchanged").length;
  }

  async node(id: string): Promise<WorldNode> {
    return (await this.#ask("GET", `/nodes/${encodeURIComponent(id)}`)) as WorldNode;
  }

  async counts(): Promise<{ readonly nodes: number; readonly edges: number }> {
    return (await this.#ask("GET", "/counts")) as { nodes: number; edges: number };
  }

  /** All nodes with that label and those properties, over as many pages as it takes. */
  nodes(label: string, where: Readonly<Record<string, string>> = {}): Promise<WorldNode[]> {
    const query = new URLSearchParams({ label, limit: "1000" });
    for (const [key, value] of Object.entries(where)) {
      query.append(`where.${key}`, JSON.stringify(value));
    }
    return this.#all<WorldNode>("/nodes", query);
  }

  edges(nodeId: string, type: string, direction = "both"): Promise<WorldEdge[]> {
    const query = new URLSearchParams({ type, direction, limit: "1000" });
    return this.#all<WorldEdge>(`/nodes/${encodeURIComponent(nodeId)}/edges`, query);
  }

  async #all<T>(path: string, query: URLSearchParams): Promise<T[]> {
    const found: T[] = [];
    for (;;) {
      const page = (await this.#ask("GET", `${path}?${query}`)) as Page<T>;
      found.push(...page.items);
      if (page.cursor === undefined) return found;
      query.set("cursor", page.cursor);
    }
  }

  /** Tries again when the server says so; every write here may safely be repeated. */
  async #ask(method: string, path: string, body?: string): Promise<unknown> {
    const url = new URL(this.#endpoint + path);
    if (method === "GET" && this.#bookmark !== null) url.searchParams.set("after", this.#bookmark);
    const headers = body === undefined ? {} : { "content-type": "application/json" };
    for (let tries = 1; ; tries += 1) {
      const response = await fetch(url, {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
      });
      const answer: unknown = await response.json();
      if (response.ok) {
        this.#bookmark = response.headers.get("nornic-bookmark") ?? this.#bookmark;
        return answer;
      }
      const seconds = Number(response.headers.get("retry-after"));
      if (!(seconds > 0) || tries === TRIES_MAX) {
        const { code, detail } = answer as { code?: string; detail?: string };
        throw new Error(`${method} ${path.slice(0, 80)}: ${code}: ${detail}`);
      }
      await new Promise((resolve) => {
        setTimeout(resolve, seconds * 1000);
      });
    }
  }
}
