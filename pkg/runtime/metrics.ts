export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  add(amount: number, labels?: Labels): void;
}
export interface Gauge {
  set(value: number, labels?: Labels): void;
  /** What the labels stand for is gone; it is not told of any more. */
  forget(labels: Labels): void;
}
export interface Histogram {
  /** One measurement in the unit that ends the metric's name (seconds, bytes, entries). */
  observe(value: number, labels?: Labels): void;
}

/** Makes each metric once; asking again for a name gives the same one. */
export interface Metrics {
  counter(name: string, help: string, labelNames?: readonly string[]): Counter;
  gauge(name: string, help: string, labelNames?: readonly string[]): Gauge;
  histogram(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames?: readonly string[],
  ): Histogram;
}

const nothing = { add: () => {}, set: () => {}, forget: () => {}, observe: () => {} };
export const noMetrics: Metrics = {
  counter: () => nothing,
  gauge: () => nothing,
  histogram: () => nothing,
};
