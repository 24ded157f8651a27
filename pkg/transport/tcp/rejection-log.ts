/** Lines of one reason in one window, whoever causes them. */
const LINES_MAX = 20;
const WINDOW_MS = 10_000;
/** Until one host's next line of one reason; doubled as long as it goes on. */
const PAUSE_MS_MIN = 10_000;
const PAUSE_MS_MAX = 600_000;
/** Hosts and reasons that are remembered; the oldest goes first. */
const HOSTS_MAX = 1_000;

interface Host {
  untilMs: number;
  pauseMs: number;
  silenced: number;
}

/**
 * TR-37: which refusals get a line. A peer that hangs is dialled again every few seconds: its first
 * refusal is told, and then rarely, with how many there were meanwhile.
 */
export class RejectionLog {
  readonly #windows = new Map<string, { readonly untilMs: number; lines: number }>();
  readonly #hosts = new Map<string, Host>();

  /** @returns how many were kept silent since the last line; undefined: this one is, too */
  next(reason: string, remote: string, nowMs: number): number | undefined {
    const key = `${reason} ${remote.replace(/:\d+$/, "")}`;
    const host = this.#hosts.get(key);
    if (host !== undefined && nowMs < host.untilMs) {
      host.silenced += 1;
      return undefined;
    }
    if (!this.#hasRoom(reason, nowMs)) return undefined;
    const goesOn = host !== undefined && nowMs < host.untilMs + host.pauseMs;
    const pauseMs = goesOn ? Math.min(2 * host.pauseMs, PAUSE_MS_MAX) : PAUSE_MS_MIN;
    this.#hosts.delete(key);
    this.#hosts.set(key, { untilMs: nowMs + pauseMs, pauseMs, silenced: 0 });
    const [oldest] = this.#hosts.keys();
    if (this.#hosts.size > HOSTS_MAX && oldest !== undefined) this.#hosts.delete(oldest);
    return host?.silenced ?? 0;
  }

  #hasRoom(reason: string, nowMs: number): boolean {
    const before = this.#windows.get(reason);
    const window =
      before !== undefined && nowMs < before.untilMs
        ? before
        : { untilMs: nowMs + WINDOW_MS, lines: 0 };
    this.#windows.set(reason, window);
    window.lines += 1;
    return window.lines <= LINES_MAX;
  }
}
