/** Which transport is used: the best that gets through here. */
import { backoff } from "./clock.ts";

export type Transport = "websocket" | "sse" | "poll";

export interface Ladder {
  readonly transport: Transport;
  /** There is no other below it. */
  readonly isLast: boolean;
  opened(transport: Transport): void;
  /** It could not be opened, and no edge said why. Streams that share a connection tell of the same error. */
  failed(transport: Transport, error: Error): Promise<void>;
  /** The edge itself says that another one is to be used. */
  fall(transport: Transport): void;
  /** Somebody else has found out which one is to be used. */
  follow(transport: Transport): void;
  /** Tries the better one now: the network may be another. */
  climb(): Promise<void>;
  close(): void;
}

/** So many times in a row it has to fail: once is bad luck. */
const PATIENCE = 2;
/** When the better transport is tried again. */
const UPGRADE_MS = 60_000;

/** Tries a better transport; calls back at the moment from which it is used, if it can be. */
export type Climb = (transport: Transport, commit: () => void) => void | Promise<void>;

/**
 * `probe` says whether a plain request gets through: when it does not, the network is down and no other transport would
 * do better.
 */
export function createLadder(rungs: readonly Transport[], probe: () => Promise<boolean>, tryOut: Climb): Ladder {
  let rung = 0;
  let failures = 0;
  let last: Error;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isClimbing = false;
  let isAsked = false;

  function climbLater(): void {
    clearTimeout(timer);
    timer = setTimeout(climb, UPGRADE_MS + backoff(0));
  }

  async function climb(): Promise<void> {
    const from = rung;
    isAsked = isClimbing;
    if (from === 0 || isClimbing) return;
    isClimbing = true;
    try {
      await tryOut(rungs[from - 1]!, () => {
        rung = Math.min(rung, from - 1);
        // It has its one chance, and falls back at once.
        failures = PATIENCE - 1;
      });
    } catch {
      // Not today.
    }
    isClimbing = false;
    if (isAsked) return climb();
    if (rung > 0) climbLater();
  }

  function fall(transport: Transport): void {
    if (transport !== rungs[rung] || rung + 1 === rungs.length) return;
    rung += 1;
    failures = 0;
    climbLater();
  }

  return {
    get transport() {
      return rungs[rung]!;
    },
    get isLast() {
      return rung + 1 === rungs.length;
    },
    opened(transport) {
      if (transport === rungs[rung]) failures = 0;
    },
    async failed(transport, error) {
      if (transport !== rungs[rung] || error === last) return;
      last = error;
      failures += 1;
      if (failures >= PATIENCE && rung + 1 < rungs.length && (await probe())) fall(transport);
    },
    fall,
    follow(transport) {
      rung = Math.max(0, rungs.indexOf(transport));
      failures = 0;
      if (rung > 0) climbLater();
    },
    climb,
    close: () => clearTimeout(timer),
  };
}
