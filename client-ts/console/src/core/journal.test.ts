import { expect, test } from "vitest";
import type { SubscribeResponse } from "../api/lastmile/v1/topic.ts";
import { addEvent, addGap, addMark, emptyJournal, matching, newestCursor, SHOWN } from "./journal.ts";

function event(id: number, data: string = ""): SubscribeResponse {
  const rest = { position: false, previous: "", topic: "t", type: "tick", publisher: "", traceparent: "" };
  return { cursor: `c${id}`, id: String(id), data, ...rest };
}

test("keeps the newest events and counts all", () => {
  let journal = emptyJournal;
  for (let id = 1; id <= SHOWN + 5; id++) journal = addEvent(journal, event(id));
  expect(journal.entries).toHaveLength(SHOWN);
  expect(journal.total).toBe(SHOWN + 5);
  expect(newestCursor(addMark(journal, "good", "Reconnected", 0))).toBe(`c${SHOWN + 5}`);
});

test.each([
  ["expired", "Gap: events may be missing here (older than what the server keeps)"],
  ["new_reason", "Gap: events may be missing here (new_reason)"],
])("counts a gap that is %s, and says so", (reason, text) => {
  const journal = addGap(emptyJournal, reason, 0);
  expect(journal).toMatchObject({ gaps: 1, total: 0, entries: [{ kind: "mark", tone: "bad", text }] });
});

test("filters events by words, and never hides a mark", () => {
  let journal = addGap(addEvent(addEvent(emptyJournal, event(1, "red Apple")), event(2, "pear")), "expired", 0);
  const shown = (text: string) => matching(journal.entries, text).map((entry) => (entry.kind === "event" ? entry.event.id : "mark"));
  expect([shown(""), shown("apple RED"), shown("tick plum")]).toEqual([["mark", "2", "1"], ["mark", "1"], ["mark"]]);
});
