/** One thing that was looked at. `warn`: it works, though not as it should. */
export interface Finding {
  readonly name: string;
  readonly status: "ok" | "warn" | "fail";
  readonly detail: string;
  /** What to do about it. */
  readonly next?: string | undefined;
}
