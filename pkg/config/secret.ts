const inspect = Symbol.for("nodejs.util.inspect.custom");

/** A value that prints, serialises and inspects as `(set)`; only `reveal` gives it away. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return "(set)";
  }

  toJSON(): string {
    return "(set)";
  }

  [inspect](): string {
    return "(set)";
  }
}
