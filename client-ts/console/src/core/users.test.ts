import { expect, test } from "vitest";
import type { User, WatchUsersResponse } from "../api/lastmile/v1/user.ts";
import { applyChange, changedIds, describeChanges, parseTags } from "./users.ts";

const user = (id: number, name: string, etag = "1"): User => ({ id, name, tags: [], username: name, email: "", role: "user", etag });
const list = { users: [user(1, "Ann"), user(3, "Cleo")], nextPageToken: "", cursor: "0" };
const change = (more: object) => ({ cursor: "1", position: false, previous: "", ...more }) as WatchUsersResponse;

test.each([
  [{ userCreated: { user: user(2, "Bo") } }, ["Ann", "Bo", "Cleo"], [2], "Bo was added"],
  [{ userUpdated: { user: user(3, "Chloe", "2") } }, ["Ann", "Chloe"], [3], "Chloe was changed"],
  [{ userDeleted: { id: 3 } }, ["Ann"], [], "Cleo was removed"],
  [{ position: true }, ["Ann", "Cleo"], [], ""],
])("%j", (more, names, ids, said) => {
  const after = applyChange(list, change(more));
  expect(after.users.map(({ name }) => name)).toEqual(names);
  expect(after.cursor).toBe("1");
  expect(changedIds(list.users, after.users)).toEqual(ids);
  expect(describeChanges(list.users, after.users)).toBe(said);
});

test.each([
  ["", []],
  [" , ", []],
  ["a,b , a", ["a", "b"]],
])("reads tags from %j", (text, tags) => expect(parseTags(text)).toEqual(tags));
