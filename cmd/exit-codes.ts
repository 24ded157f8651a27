/** How both programs end; the numbers above 63 are those of BSD's sysexits. */
export const EXIT = {
  ok: 0,
  failed: 1,
  problemFound: 2,
  unreachable: 3,
  usage: 64,
  internal: 70,
  tryAgain: 75,
  configuration: 78,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
