/** Messages between a tab and the worker, by what they are about. */
import type { ToTab, ToWorker } from "./messages.ts";

/** Whom messages about one read or call go to. */
export interface Part {
  hear(message: ToTab): void;
  /** The worker is gone. */
  lost(): void;
}

/** What connects them with the worker. */
export interface Line {
  say(message: ToWorker): void;
  /** A number for something, about which `part` hears. */
  join(part: Part): number;
  part(id: number): void;
}
