import { describe, expect, test } from "vitest";
import { curlLogin, curlPublish, curlTopic, quote } from "./curl.ts";
import { addEvent, addMark, emptyJournal, newestCursor, SHOWN } from "./journal.ts";
import { checkDraft } from "./publish.ts";
import type { StreamState } from "./stream.ts";
import type { TopicEvent, User } from "./types.ts";
import { applyChange, describeChange, parseTags, rowsOf } from "./users.ts";

function event(id: number): TopicEvent {
  return { cursor: `c${id}`, id: String(id), topic: "t", type: "tick", publishTime: null, publisher: "" };
}

function user(id: number, name: string): User {
  return { id, name, tags: [], username: name, email: "", role: "user", createTime: null, updateTime: null, etag: "" };
}

describe("journal", () => {
  test("keeps the newest events and counts all", () => {
    let journal = emptyJournal;
    for (let id = 1; id <= SHOWN + 5; id++) journal = addEvent(journal, event(id));
    expect(journal.entries).toHaveLength(SHOWN);
    expect(journal.total).toBe(SHOWN + 5);
    expect(newestCursor(journal)).toBe(`c${SHOWN + 5}`);
  });

  test("shows an event that came both by history and by stream once", () => {
    expect(addEvent(addEvent(emptyJournal, event(1)), event(1)).total).toBe(1);
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
});

describe("users", () => {
  const rows = rowsOf([user(1, "Ann"), user(3, "Cleo")]);

  test("follows creations, updates and deletions", () => {
    const created = applyChange(rows, { cursor: "", userCreated: { user: user(2, "Bo") } });
    expect(created.map((row) => row.user.name)).toEqual(["Ann", "Bo", "Cleo"]);
    const updated = applyChange(created, { cursor: "", userUpdated: { user: user(2, "Bob") } });
    expect(updated[1]).toEqual({ user: user(2, "Bob"), changes: 2 });
    const deleted = applyChange(updated, { cursor: "", userDeleted: { id: 1 } });
    expect(deleted.map((row) => row.user.id)).toEqual([2, 3]);
  });

  test("leaves the rows alone for a position", () => {
    expect(applyChange(rows, { cursor: "c" })).toBe(rows);
  });

  test("names who was removed", () => {
    expect(describeChange(rows, { cursor: "", userDeleted: { id: 3 } })).toBe("Cleo was removed");
  });

  test.each([
    ["", []],
    [" , ", []],
    ["a,b , a", ["a", "b"]],
  ])("reads tags from %j", (text, tags) => expect(parseTags(text)).toEqual(tags));
});

describe("checkDraft", () => {
  test.each([
    ["note", "{}", true],
    ["news:item", "[1, null]", true],
    ["", "{}", false],
    ["lm-open", "{}", false],
    ["error", "{}", false],
    ["two words", "{}", false],
    ["x".repeat(65), "{}", false],
    ["note", "", false],
    ["note", "{a: 1}", false],
  ])("takes type %j with %j: %j", (type, text, ok) => expect(checkDraft({ type, text }).ok).toBe(ok));

  test("says where the JSON breaks", () => {
    expect(checkDraft({ type: "note", text: '{"a": 1,\n  "b": x}' })).toMatchObject({ text: expect.stringMatching(/Not JSON yet/) });
  });

  test("keeps a value that is falsy", () => {
    expect(checkDraft({ type: "note", text: "null" })).toEqual({ ok: true, type: "note", data: null });
  });
});

describe("curl", () => {
  test.each([
    ["plain", "plain"],
    ["http://h:1/a?b=c", "'http://h:1/a?b=c'"],
    ["it's", String.raw`'it'\''s'`],
    ["$(rm)", "'$(rm)'"],
    ["", "''"],
  ])("quotes %j", (word, quoted) => expect(quote(word)).toBe(quoted));

  const open = { name: "ticks", description: "", rules: { publish: [], subscribe: ["anyone"] } };
  const closed = { name: "staff", description: "", rules: { publish: [], subscribe: ["role:admin"] } };
  test.each([
    [curlLogin("http://h", "al", "p'w"), String.raw`curl -c lastmile.cookies --json '{"username":"al","password":"p'\''w"}' http://h/api/v1/auth/login`],
    [curlTopic("http://h", open), "curl -N -H 'Accept: text/event-stream' http://h/api/v1/topics/ticks/events"],
    [curlTopic("http://h", open, "a~b"), "curl -N -H 'Accept: text/event-stream' 'http://h/api/v1/topics/ticks/events?cursor=a~b'"],
    [curlTopic("http://h", closed), "curl -N -b lastmile.cookies -H 'Accept: text/event-stream' http://h/api/v1/topics/staff/events"],
    [curlPublish("http://h", "news", "note", 1), `curl -b lastmile.cookies --json '{"type":"note","data":1}' http://h/api/v1/topics/news/events`],
  ])("%s", (line, expected) => expect(line).toBe(expected));
});
