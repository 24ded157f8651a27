/** A promise was broken. */
export class Violation extends Error {
  override readonly name = "Violation";
}

/**
 * Keeps the first violation until the world looks: thrown where it is found it would be caught by
 * the node under test.
 */
export class Violations {
  #first: Violation | undefined;

  add(text: string): void {
    this.#first ??= new Violation(text);
  }

  /** @throws Violation when there was one */
  check(): void {
    if (this.#first !== undefined) throw this.#first;
  }
}
