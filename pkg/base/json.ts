/** What JSON can hold once parsed. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

export type JsonObject = { readonly [key: string]: JsonValue };

/** A value now or later; for ports that some adapters answer at once and others over a thread. */
export type Awaitable<T> = T | PromiseLike<T>;
