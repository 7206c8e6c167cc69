import { createClient, type Link } from "@lastmile/client";
import { feedQuery, queryOptions } from "@lastmile/client/query";
import { createFakeEdge, type FakeEdge } from "@lastmile/client/testing";
import { QueryClient } from "@tanstack/vue-query";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type ListUsersResponse, UserService } from "../golden/lastmile/v1/user.ts";
import { until } from "../until.ts";

let edge: FakeEdge;
let link: Link;
const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
beforeEach(() => {
  edge = createFakeEdge();
  link = edge.link();
  vi.spyOn(Math, "random").mockReturnValue(0);
});
afterEach(() => {
  link.close();
  client.clear();
});

test("a stream keeps a query true, and has it read anew after a gap", async () => {
  const { listUsers, watchUsers } = createClient(UserService, link);
  const user = (id: number) => ({ id, name: `${id}`, tags: [], username: "", email: "", role: "", etag: "" });
  let ids = [1, 2];
  edge.answer(UserService, "listUsers", () => ({ users: ids.map(user), nextPageToken: "", cursor: "c0" }));
  const query = queryOptions(listUsers, { pageSize: 9 });
  expect(query.queryKey).toEqual(["lastmile.v1.UserService/ListUsers", { pageSize: 9 }]);
  const first = await client.fetchQuery(query);
  const shown = (): number[] | undefined => client.getQueryData<ListUsersResponse>(query.queryKey)?.users.map(({ id }) => id);
  expect(shown()).toEqual([1, 2]);

  const gaps: string[] = [];
  const apply = (state: ListUsersResponse, { userDeleted }: { userDeleted?: { id: number } }): ListUsersResponse => ({
    ...state,
    users: state.users.filter(({ id }) => id !== userDeleted?.id),
  });
  feedQuery(client, query.queryKey, watchUsers, {}, { cursor: first.cursor, apply, gap: ({ reason }) => gaps.push(reason) });
  await until(() => expect(edge.streams).toBe(1));
  const deleted = (id: number) => edge.emit(UserService, "watchUsers", { cursor: "", position: false, previous: "", userDeleted: { id } });
  deleted(1);
  await until(() => expect(shown()).toEqual([2]));

  ids = [3];
  edge.cut();
  deleted(2);
  edge.forget(UserService, "watchUsers");
  await until(() => expect(gaps).toEqual(["expired"]));
  expect(client.getQueryState(query.queryKey)?.isInvalidated).toBe(true);
});

test("a query that nobody wants any more gives up its call", async () => {
  edge.answer(UserService, "getUser", () => new Promise(() => {}));
  const query = queryOptions(createClient(UserService, link).getUser, { id: 1 });
  const pending = client.fetchQuery(query);
  await client.cancelQueries({ queryKey: query.queryKey });
  await expect(pending).rejects.toThrow();
});
