import { expect, test } from "vitest";
import { addEvent, addMark, emptyJournal, newestCursor, SHOWN } from "./journal.ts";
import type { StreamState } from "./stream.ts";
import type { TopicEvent } from "./types.ts";

function event(id: number): TopicEvent {
  return { cursor: `c${id}`, id: String(id), topic: "t", type: "tick", publishTime: null, publisher: "" };
}

test("keeps the newest events and counts all", () => {
  let journal = emptyJournal;
  for (let id = 1; id <= SHOWN + 5; id++) journal = addEvent(journal, event(id), "stream");
  expect(journal.entries).toHaveLength(SHOWN);
  expect(journal.total).toBe(SHOWN + 5);
  expect(newestCursor(journal)).toBe(`c${SHOWN + 5}`);
});

test("shows an event that came both by history and by stream once", () => {
  expect(addEvent(addEvent(emptyJournal, event(1), "history"), event(1), "stream").total).toBe(1);
});

test.each<[Partial<StreamState>, string | undefined]>([
  [{ outcome: "FRESH", reconnects: 0 }, undefined],
  [{ outcome: "RESUMED", reconnects: 0 }, undefined],
  [{ outcome: "RESUMED", reconnects: 1 }, "Reconnected, nothing lost"],
  [{ outcome: "FRESH", reconnects: 1 }, "Reconnected, live from here on"],
  [{ outcome: "GAP", reconnects: 0, reason: "expired" }, "Gap: events may be missing here (older than what the server keeps)"],
  [{ outcome: "GAP", reconnects: 2, reason: "new_reason" }, "Gap: events may be missing here (new_reason)"],
  [{ reconnects: 1 }, undefined],
])("marks %j", (state, text) => {
  const [mark] = addMark(emptyJournal, { phase: "live", reconnects: 0, ...state }, 0).entries;
  expect(mark?.kind === "mark" ? mark.text : undefined).toBe(text);
});
