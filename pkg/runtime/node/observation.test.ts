import { describe, expect, test } from "vitest";
import { eventLoopDelay } from "./event-loop-delay.js";
import { pinoLogger } from "./logger.js";
import { mergeMetrics, prometheusMetrics } from "./metrics.js";

function capture(format: "json" | "pretty") {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  return { lines, ...pinoLogger({ level: "info", format, fields: { node: "n1" }, destination }) };
}

describe("pinoLogger", () => {
  test("RT-15 a line is ts, level, event, msg, then fields", () => {
    const { lines, logger } = capture("json");
    logger.child({ mode: "raft" }).log("warn", "wal_tail_cut", "The tail was cut", { index: 7 });
    const line = JSON.parse(lines[0] ?? "");
    expect(Object.keys(line)).toEqual(["ts", "level", "event", "msg", "node", "mode", "index"]);
    expect(line).toMatchObject({ level: "warn", event: "wal_tail_cut", node: "n1", index: 7 });
    expect(Number.isNaN(Date.parse(line.ts))).toBe(false);
  });

  test("RT-15 the level changes at run time, for children too", () => {
    const { lines, logger, setLevel } = capture("json");
    const child = logger.child({});
    child.log("debug", "a", "a");
    setLevel("debug");
    child.log("debug", "b", "b");
    expect(lines).toHaveLength(1);
  });

  test("RT-16 values of telling names never reach a line (FC-172)", () => {
    const { lines, logger } = capture("json");
    logger
      .child({ clusterSecret: "s3cr3t" })
      .log("info", "e", "m", { auth_token: "s3cr3t", ts: 1 });
    expect(lines[0]).not.toContain("s3cr3t");
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ auth_token: "[redacted]", ts_: 1 });
  });

  test("RT-15 pretty lines carry message and fields for people", () => {
    const { lines, logger } = capture("pretty");
    logger.log("error", "e", "Disk is full", { index: 7 });
    expect(lines.join("")).toMatch(/ERROR.*Disk is full[\s\S]*index: 7/);
  });
});

describe("prometheusMetrics", () => {
  test("RT-17 a name is made once; registries do not meet; another kind is refused", async () => {
    const [one, two] = [prometheusMetrics(), prometheusMetrics()];
    one.counter("c_total", "help").add(2);
    one.counter("c_total", "help").add(3);
    two.counter("c_total", "help").add(1);
    expect(await one.text()).toContain("c_total 5");
    expect(await two.text()).toContain("c_total 1");
    expect(() => one.gauge("c_total", "help")).toThrow("c_total");
  });

  test("RT-18 threads merge: counters and histograms add up, an owned gauge keeps its value", async () => {
    const [one, two] = [prometheusMetrics(), prometheusMetrics()];
    for (const metrics of [one, two]) {
      metrics.counter("c_total", "help", ["kind"]).add(2, { kind: "a" });
      metrics.histogram("h_seconds", "help", [1, 2]).observe(1.5);
      metrics.gauge("g", "help");
    }
    two.gauge("g", "help").set(-4);
    const text = await mergeMetrics([await one.json(), await two.json()]);
    expect(text).toContain('c_total{kind="a"} 4');
    expect(text).toContain('h_seconds_bucket{le="2"} 2');
    expect(text).toContain("h_seconds_count 2");
    expect(text).toMatch(/^g -4$/m);
  });
});

describe("eventLoopDelay", () => {
  test("RT-19 a blocked loop shows, reset forgets it", async () => {
    const delay = eventLoopDelay({ resolutionMs: 1 });
    const turn = () => new Promise<void>((resolve) => void setTimeout(resolve, 5));
    await turn();
    const end = performance.now() + 30;
    while (performance.now() < end);
    await turn();
    expect(delay.read().maxMs).toBeGreaterThan(15);
    expect(delay.read().p50Ms).toBeLessThanOrEqual(delay.read().p99Ms);
    delay.reset();
    expect(delay.read().maxMs).toBe(0);
    delay.stop();
    delay.stop();
  });
});
