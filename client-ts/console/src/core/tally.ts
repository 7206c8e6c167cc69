/** What became of numbered events: each must come once, in order. */

export interface Tally {
  /** The number that has to come next. */
  next: number;
  received: number;
  /** Numbers that were passed over. */
  lost: number;
  /** Numbers that had come before, or come too late. */
  repeated: number;
}

export const noTally: Tally = { next: 1, received: 0, lost: 0, repeated: 0 };

export function count(tally: Tally, n: number): Tally {
  const received = tally.received + 1;
  if (n < tally.next) return { ...tally, received, repeated: tally.repeated + 1 };
  return { ...tally, received, next: n + 1, lost: tally.lost + n - tally.next };
}

/** One step of the timeline: what was published and what arrived, and over what. */
export interface Step {
  published: number;
  received: number;
  /** The one that is used, or was before it was cut. */
  transport: string;
  /** There was no connection. */
  isDown: boolean;
}

/** The last steps, the newest last. */
export const STEPS = 120;

export function addStep(steps: readonly Step[], step: Step): Step[] {
  return [...steps, step].slice(-STEPS);
}
