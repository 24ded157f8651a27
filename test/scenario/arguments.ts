/** What stands behind a command's name: words, and `name=value`. */
export class Arguments {
  readonly words: readonly string[];
  readonly #named: ReadonlyMap<string, string>;
  readonly #unread: Set<string>;

  constructor(text: string) {
    const parts = text.split(/\s+/).filter((part) => part !== "");
    const named = parts.flatMap((part): [string, string][] => {
      const [, name, value] = /^([A-Za-z_]+)=(.*)$/.exec(part) ?? [];
      return name === undefined || value === undefined ? [] : [[name, value]];
    });
    this.words = parts.filter((part) => !/^[A-Za-z_]+=/.test(part));
    this.#named = new Map(named);
    this.#unread = new Set(this.#named.keys());
  }

  word(at: number, what: string): string {
    const word = this.words[at];
    if (word === undefined) throw new Error(`${what} is missing`);
    return word;
  }

  /** Names separated by commas. */
  list(at: number, what: string): readonly string[] {
    return this.word(at, what).split(",");
  }

  text(name: string): string | undefined {
    this.#unread.delete(name);
    return this.#named.get(name);
  }

  number(name: string, otherwise: number): number {
    const text = this.text(name);
    if (text === undefined) return otherwise;
    if (!/^\d+$/.test(text)) throw new Error(`${name} must be a whole number`);
    return Number(text);
  }

  /** What nobody has asked for so far. */
  rest(): readonly [string, string][] {
    const rest = [...this.#named].filter(([name]) => this.#unread.has(name));
    this.#unread.clear();
    return rest;
  }

  /** @throws Error when something was given that the command does not know */
  finish(): void {
    const unknown = [...this.#unread];
    if (unknown.length > 0) throw new Error(`unknown: ${unknown.join(", ")}`);
  }
}
