/** Values in words and figures that people read. */
import type { StreamState, Transport } from "@lastmile/client";

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hour12: false });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

/** Time of day to the millisecond; events of one second need an order that can be seen. */
export function timeOfDay(value: string | number | undefined): string {
  const date = new Date(value ?? Number.NaN);
  if (Number.isNaN(date.getTime())) return "--:--:--";
  return `${clock.format(date)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** The time when it was today, else the day. */
export function when(value: string | undefined): string {
  const date = new Date(value ?? Number.NaN);
  if (Number.isNaN(date.getTime())) return "";
  return date.toDateString() === new Date().toDateString() ? clock.format(date) : day.format(date);
}

/** 14:05, or how long it is to the minute when that is hours. */
export function countdown(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return `${minutes}:${String(seconds % 60).padStart(2, "0")}`;
}

const STATES: Readonly<Record<StreamState, string>> = {
  idle: "Idle",
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  ended: "Ended",
  failed: "Refused",
  closed: "Closed",
};

export function stateWord(state: StreamState): string {
  return STATES[state];
}

const TRANSPORTS: Readonly<Record<Transport, string>> = { websocket: "WebSocket", sse: "event stream", poll: "long poll" };

export function transportWord(transport: Transport | undefined): string {
  return transport ? TRANSPORTS[transport] : "";
}
