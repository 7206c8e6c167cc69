import { expect, test } from "vitest";
import type { User } from "./types.ts";
import { applyChange, describeChange, parseTags, rowsOf } from "./users.ts";

function user(id: number, name: string): User {
  return { id, name, tags: [], username: name, email: "", role: "user", createTime: null, updateTime: null, etag: "" };
}

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
