/** What the topic view shows: events, and between them what happened to the stream, newest first. */
import type { SubscribeResponse } from "../api/lastmile/v1/topic.ts";

/** How a mark is coloured. */
export type Tone = "good" | "plain" | "bad";

export type Entry =
  | { kind: "event"; key: string; event: SubscribeResponse }
  | { kind: "mark"; key: string; time: number; tone: Tone; text: string };

export interface Journal {
  entries: readonly Entry[];
  /** Events seen since the topic was opened, those no longer shown included. */
  total: number;
  gaps: number;
}

export const SHOWN = 200;

export const emptyJournal: Journal = { entries: [], total: 0, gaps: 0 };

export function addEvent(journal: Journal, event: SubscribeResponse): Journal {
  const entry: Entry = { kind: "event", key: `event ${event.id}`, event };
  return { ...journal, entries: prepend(journal, entry), total: journal.total + 1 };
}

export function addMark(journal: Journal, tone: Tone, text: string, time: number): Journal {
  const key = `mark ${journal.total} ${time} ${text}`;
  return { ...journal, entries: prepend(journal, { kind: "mark", key, time, tone, text }) };
}

export function addGap(journal: Journal, reason: string, time: number): Journal {
  const marked = addMark(journal, "bad", `Gap: events may be missing here (${gapReason(reason)})`, time);
  return { ...marked, gaps: journal.gaps + 1 };
}

/** Cursor of the newest event, after which another client can continue. */
export function newestCursor(journal: Journal): string {
  const newest = journal.entries.find((entry) => entry.kind === "event");
  return newest?.kind === "event" ? newest.event.cursor : "";
}

/** Those with every word of the text in their type, publisher or data; marks stay. */
export function matching(entries: readonly Entry[], text: string): readonly Entry[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return entries;
  return entries.filter((entry) => {
    if (entry.kind === "mark") return true;
    const hay = JSON.stringify(entry.event).toLowerCase();
    return words.every((word) => hay.includes(word));
  });
}

function prepend(journal: Journal, entry: Entry): Entry[] {
  return [entry, ...journal.entries.slice(0, SHOWN - 1)];
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
