/** What the topic view shows: events, and between them what happened to the connection, newest first. */
import type { StreamState } from "./stream.ts";
import type { TopicEvent } from "./types.ts";

/** How an event came here. */
export type Source = "history" | "stream";

export type Entry =
  | { kind: "event"; key: string; event: TopicEvent; source: Source }
  | { kind: "mark"; key: string; time: number; outcome: "FRESH" | "RESUMED" | "GAP"; text: string };

export interface Journal {
  entries: readonly Entry[];
  /** Events seen since the topic was opened, those no longer shown included. */
  total: number;
}

export const SHOWN = 200;

export const emptyJournal: Journal = { entries: [], total: 0 };

export function addEvent(journal: Journal, event: TopicEvent, source: Source): Journal {
  // A page of history and the stream may overlap.
  if (journal.entries.some((entry) => entry.kind === "event" && entry.event.id === event.id)) return journal;
  const entry: Entry = { kind: "event", key: `event ${event.id}`, event, source };
  return { entries: prepend(journal, entry), total: journal.total + 1 };
}

export function addMark(journal: Journal, state: StreamState, time: number): Journal {
  const text = markText(state);
  if (!state.outcome || !text) return journal;
  const key = `mark ${state.reconnects} ${time}`;
  return { ...journal, entries: prepend(journal, { kind: "mark", key, time, outcome: state.outcome, text }) };
}

/** Cursor of the newest event, after which another client can continue. */
export function newestCursor(journal: Journal): string {
  const newest = journal.entries.find((entry) => entry.kind === "event");
  return newest?.kind === "event" ? newest.event.cursor : "";
}

function prepend(journal: Journal, entry: Entry): Entry[] {
  return [entry, ...journal.entries.slice(0, SHOWN - 1)];
}

function markText(state: StreamState): string {
  if (state.outcome === "GAP") {
    return `Gap: events may be missing here${state.reason ? ` (${gapReason(state.reason)})` : ""}`;
  }
  if (state.reconnects === 0) return "";
  return state.outcome === "RESUMED" ? "Reconnected, nothing lost" : "Reconnected, live from here on";
}

function gapReason(reason: string): string {
  const sentences: Record<string, string> = {
    expired: "older than what the server keeps",
    epoch_changed: "the server's log began anew",
    overflow: "this page fell too far behind",
    cursor_mismatch: "the cursor belongs to another stream",
  };
  return sentences[reason.toLowerCase()] ?? reason;
}
