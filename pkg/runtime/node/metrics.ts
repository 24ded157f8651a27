import * as prom from "prom-client";
import { invariant } from "../../base/index.js";
import type { Counter, Gauge, Histogram, Labels, Metrics } from "../metrics.js";

/** The metrics of one thread as plain data, to be sent to the thread that answers scrapes. */
export type MetricsJson = prom.MetricObjectWithValues<prom.MetricValue<string>>[];

/** Metrics with a registry of their own: two in one process do not meet. */
export interface PrometheusMetrics extends Metrics {
  /** Prometheus text format 0.0.4. */
  text(): Promise<string>;
  json(): Promise<MetricsJson>;
}

export function prometheusMetrics(): PrometheusMetrics {
  const registry = new prom.Registry();
  const made = new Map<string, { readonly kind: string; readonly metric: unknown }>();
  const once = <M>(kind: string, name: string, make: () => M): M => {
    const known = made.get(name);
    invariant(!known || known.kind === kind, `metric ${name} is a ${known?.kind}, not a ${kind}`);
    if (known) return known.metric as M;
    const metric = make();
    made.set(name, { kind, metric });
    return metric;
  };
  const registers = [registry];
  return {
    counter: (name, help, labelNames = []) =>
      once<Counter>("counter", name, () => {
        const metric = new prom.Counter({ name, help, labelNames, registers });
        return {
          add: (amount: number, labels?: Labels) =>
            labels ? metric.inc(labels, amount) : metric.inc(amount),
        };
      }),
    gauge: (name, help, labelNames = []) =>
      once<Gauge>("gauge", name, () => {
        const metric = new prom.Gauge({ name, help, labelNames, registers, aggregator: "max" });
        // It starts at 0 otherwise, which would stand beside another thread's true value.
        if (labelNames.length === 0) metric.remove();
        return {
          set: (value: number, labels?: Labels) =>
            labels ? metric.set(labels, value) : metric.set(value),
          forget: (labels: Labels) => metric.remove(labels),
        };
      }),
    histogram: (name, help, buckets, labelNames = []) =>
      once<Histogram>("histogram", name, () => {
        const metric = new prom.Histogram({
          name,
          help,
          buckets: [...buckets],
          labelNames,
          registers,
        });
        return {
          observe: (value: number, labels?: Labels) =>
            labels ? metric.observe(labels, value) : metric.observe(value),
        };
      }),
    text: () => registry.metrics(),
    json: async () => (await registry.getMetricsAsJSON()) as MetricsJson,
  };
}

/**
 * One text for several threads. Counters and histograms add up; of a gauge the highest value
 * counts, so one that a single thread sets keeps its value.
 */
export function mergeMetrics(threads: readonly MetricsJson[]): Promise<string> {
  return prom.AggregatorRegistry.aggregate([...threads]).metrics();
}
