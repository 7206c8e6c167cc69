/** Signs of life: a connection can die without one. What is silent is asked, and what does not answer is given up. */

export interface Pulse {
  /** From now on something is expected at least so often. */
  begin(everyMs: number): void;
  heard(): void;
  rest(): void;
}

/** How long an answer may take. */
const ANSWER_MS = 5000;

export function createPulse(ask: () => void, giveUp: () => void): Pulse {
  let everyMs = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const rest = (): void => clearTimeout(timer);
  const heard = (): void => {
    rest();
    timer = setTimeout(() => {
      timer = setTimeout(giveUp, ANSWER_MS);
      ask();
    }, everyMs);
  };
  return {
    begin(ms) {
      everyMs = ms;
      heard();
    },
    heard,
    rest,
  };
}
