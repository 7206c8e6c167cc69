/** Values in words and figures that people read. */
import type { Phase } from "../core/stream.ts";

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hour12: false });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

/** Time of day to the millisecond; events of one second need an order that can be seen. */
export function timeOfDay(value: string | number | null): string {
  const date = new Date(value ?? Number.NaN);
  if (Number.isNaN(date.getTime())) return "--:--:--";
  return `${clock.format(date)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** The time when it was today, else the day. */
export function when(value: string | null): string {
  const date = new Date(value ?? Number.NaN);
  if (Number.isNaN(date.getTime())) return "";
  return date.toDateString() === new Date().toDateString() ? clock.format(date) : day.format(date);
}

export function phaseWord(phase: Phase): string {
  const words: Record<Phase, string> = {
    connecting: "Connecting",
    live: "Live",
    waiting: "Reconnecting",
    ended: "Ended",
    failed: "Refused",
  };
  return words[phase];
}
