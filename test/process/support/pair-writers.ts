import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";

/**
 * Writers whose every write is one batch: nodes `N/a` and `N/b` and the edge `N/e` between them,
 * all with the same value. A reader can tell a whole write from half of one.
 */
export class PairWriters {
  readonly acknowledged: number[] = [];
  /** Sent, and the answer never came. */
  readonly unknown: number[] = [];
  refused = 0;
  #next: number;
  #stopping = false;

  constructor(firstNumber: number) {
    this.#next = firstNumber;
  }

  get nextNumber(): number {
    return this.#next;
  }

  /** Runs until `stop`, or until the server is gone. */
  async run(url: string, writers: number): Promise<void> {
    this.#stopping = false;
    const pool = new Pool(url, { connections: writers, pipelining: 1 });
    await Promise.all(Array.from({ length: writers }, () => this.#writer(pool)));
    await pool.destroy();
  }

  stop(): void {
    this.#stopping = true;
  }

  async #writer(pool: Pool): Promise<void> {
    while (!this.#stopping) {
      const number = this.#next++;
      try {
        const answer = await pool.request({
          method: "POST",
          path: "/commands",
          headers: { "content-type": "application/json", "idempotency-key": `pair-${number}` },
          body: JSON.stringify({ commands: pairCommands(number) }),
        });
        const body = await answer.body.text();
        if (answer.statusCode < 300) this.acknowledged.push(number);
        else if (/"outcome":"not_applied"/.test(body)) {
          this.refused += 1;
          await sleep(20);
        } else this.unknown.push(number);
      } catch {
        this.unknown.push(number);
        return;
      }
    }
  }
}

export function pairCommands(number: number) {
  const properties = { value: `v${number}`, pad: "x".repeat(200) };
  return [
    { op: "put_node", id: `${number}/a`, labels: ["Pair"], properties },
    { op: "put_node", id: `${number}/b`, labels: ["Pair"], properties },
    {
      op: "put_edge",
      id: `${number}/e`,
      from: `${number}/a`,
      to: `${number}/b`,
      type: "PAIR",
      properties,
    },
  ];
}

/** How much of a write is there: all three parts, none, or (never!) some. */
export async function readPair(pool: Pool, number: number): Promise<"whole" | "absent" | "half"> {
  const paths = [`/nodes/${number}%2Fa`, `/nodes/${number}%2Fb`, `/edges/${number}%2Fe`];
  const found = await Promise.all(
    paths.map(async (path) => {
      const answer = await pool.request({ method: "GET", path });
      const body = await answer.body.text();
      if (answer.statusCode === 404) return false;
      if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode} ${body}`);
      return (
        (JSON.parse(body) as { properties: { value: string } }).properties.value === `v${number}`
      );
    }),
  );
  const parts = found.filter(Boolean).length;
  return parts === 3 ? "whole" : parts === 0 ? "absent" : "half";
}

/** Looks every number up and counts what it finds. */
export async function checkPairs(url: string, numbers: readonly number[]) {
  const pool = new Pool(url, { connections: 16, pipelining: 1 });
  const counts = { whole: 0, absent: 0, half: 0 };
  const missing: number[] = [];
  const queue = [...numbers];
  const reader = async () => {
    for (let number = queue.pop(); number !== undefined; number = queue.pop()) {
      const state = await readPair(pool, number);
      counts[state] += 1;
      if (state !== "whole") missing.push(number);
    }
  };
  await Promise.all(Array.from({ length: 16 }, reader));
  await pool.close();
  return { ...counts, missing };
}

/** Asks the server to recompute its digest from the rows; throws when it differs. */
export async function verifyDigest(url: string): Promise<void> {
  const answer = await fetch(`${url}/admin/verify`, { method: "POST" });
  const body = (await answer.json()) as { equal?: boolean };
  if (answer.status !== 200 || body.equal !== true) {
    throw new Error(`verification said ${answer.status} ${JSON.stringify(body)}`);
  }
}
