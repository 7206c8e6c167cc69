/** Waiting: with full jitter between attempts, and for signs of life. */

const BASE_MS = 1000;
const LONGEST_MS = 30_000;

/** How long to wait after so many failures in a row. Full jitter: a herd that was cut at once comes back spread out. */
export function backoff(failures: number): number {
  return Math.random() * Math.min(LONGEST_MS, BASE_MS * 2 ** failures);
}

/** A timer that is wound up again by every sign of life. */
export interface Watchdog {
  /** Aborts with the caller's signal, and when nothing was heard for too long. */
  readonly signal: AbortSignal;
  /** Something was heard. A new time holds from now on. */
  alive(ms?: number): void;
  /** Nothing is expected: the reader itself is busy, or all is over. */
  rest(): void;
}

export function watchdog(signal: AbortSignal, patienceMs: number): Watchdog {
  const silence = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const rest = (): void => clearTimeout(timer);
  const alive = (ms = patienceMs): void => {
    patienceMs = ms;
    rest();
    timer = setTimeout(() => silence.abort(new TypeError("silence")), ms);
  };
  alive();
  return { signal: AbortSignal.any([signal, silence.signal]), alive, rest };
}
