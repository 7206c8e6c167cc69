import { createClient, type Link } from "@lastmile/client";
import { createFakeEdge, type FakeEdge } from "@lastmile/client/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { UserService } from "../golden/lastmile/v1/user.ts";
import { until } from "../until.ts";

let edge: FakeEdge;
let link: Link;
beforeEach(() => {
  edge = createFakeEdge();
  link = edge.link();
  vi.spyOn(Math, "random").mockReturnValue(0);
});
afterEach(() => link.close());

const emit = (...ids: number[]): void =>
  ids.forEach((id) => edge.emit(UserService, "watchUsers", { cursor: "", position: false, previous: "", userDeleted: { id } }));
const open = (): Promise<void> => until(() => expect(edge.streams).toBe(1));

test("for await takes what comes, across cuts, until it leaves", async () => {
  const ids: number[] = [];
  const loop = (async () => {
    for await (const message of createClient(UserService, link).watchUsers()) {
      ids.push(message.userDeleted!.id);
      if (ids.length === 3) break;
    }
  })();
  await open();
  emit(1);
  await until(() => expect(ids).toEqual([1]));
  edge.cut();
  emit(2, 3, 4);
  await loop;
  expect(ids).toEqual([1, 2, 3]);
  await until(() => expect(edge.streams).toBe(0));
});

test("ends with the stream, with what came before the end", async () => {
  const ids: number[] = [];
  const loop = (async () => {
    for await (const message of createClient(UserService, link).watchUsers()) ids.push(message.userDeleted!.id);
  })();
  await open();
  emit(1, 2);
  edge.end(UserService, "watchUsers");
  await loop;
  expect(ids).toEqual([1, 2]);
});

test("throws what the stream fails with", async () => {
  const next = createClient(UserService, link).watchUsers()[Symbol.asyncIterator]().next();
  await open();
  edge.end(UserService, "watchUsers", { problem: { code: "NOT_FOUND", detail: "gone" } });
  await expect(next).rejects.toMatchObject({ code: "NOT_FOUND", message: "gone" });
});

test("throws at a gap: it is no silent hole", async () => {
  const stream = createClient(UserService, link).watchUsers({}, { cursor: "c0" });
  emit(1);
  edge.forget(UserService, "watchUsers");
  const next = stream[Symbol.asyncIterator]().next();
  await expect(next).rejects.toMatchObject({ code: "OUT_OF_RANGE", reason: "expired" });
});

test("a loop that is slow holds the connection back", async () => {
  const iterator = createClient(UserService, link).watchUsers()[Symbol.asyncIterator]();
  const first = iterator.next();
  await open();
  emit(...Array.from({ length: 1000 }, (_, index) => index));
  await first;
  const ids = [0];
  while (ids.length < 1000) ids.push((await iterator.next()).value!.userDeleted!.id);
  expect(ids).toEqual(Array.from({ length: 1000 }, (_, index) => index));
  await iterator.return!();
});

test("a signal closes the stream", async () => {
  const abort = new AbortController();
  const states: string[] = [];
  createClient(UserService, link)
    .watchUsers({}, { signal: abort.signal })
    .subscribe({ event: () => {}, gap: () => {}, status: ({ state }) => states.push(state) });
  await open();
  abort.abort();
  await until(() => expect(edge.streams).toBe(0));
  expect(states.at(-1)).toBe("closed");
});
