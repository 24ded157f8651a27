/** The world of a verb: what it is told by its surroundings, and where its words go. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The result, on standard output. */
  out(text: string): void;
  /** What went wrong, on standard error. */
  err(text: string): void;
  /** How far it is; each text replaces the one before. Nothing where nobody watches. */
  progress(text: string): void;
}

/** The streams and variables of this process. */
export function processIo(): Io {
  const { stderr } = process;
  // Whoever reads the result may stop early, as `head` does.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit();
    throw error;
  });
  let shown = 0;
  const wipe = () => {
    if (shown > 0) stderr.write(`\r${" ".repeat(shown)}\r`);
    shown = 0;
  };
  return {
    env: process.env,
    out: (text) => {
      wipe();
      process.stdout.write(text);
    },
    err: (text) => {
      wipe();
      stderr.write(text);
    },
    progress: (text) => {
      if (!stderr.isTTY) return;
      wipe();
      const line = text.slice(0, (stderr.columns ?? 80) - 1);
      stderr.write(line);
      shown = line.length;
    },
  };
}
