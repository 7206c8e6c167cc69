// One stream through everything that can happen to it: nothing is lost, nothing comes twice, and every gap is told.
import { createClient, type Gap, type Link, type LinkOptions, type StreamHandle, type StreamStatus } from "@lastmile/client";
import { createFakeEdge, type FakeEdge } from "@lastmile/client/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { UserService, type WatchUsersResponse } from "../golden/lastmile/v1/user.ts";
import { until } from "../until.ts";

let edge: FakeEdge;
let link: Link | undefined;
beforeEach(() => {
  edge = createFakeEdge();
  vi.spyOn(Math, "random").mockReturnValue(0);
});
afterEach(() => link?.close());

const deleted = (id: number): WatchUsersResponse => ({ cursor: "", position: false, previous: "", userDeleted: { id } });
const emit = (...ids: number[]): void => ids.forEach((id) => edge.emit(UserService, "watchUsers", deleted(id)));

interface Seen {
  ids: number[];
  gaps: Gap[];
  states: string[];
  ends: string[];
  handle: StreamHandle;
  status: () => StreamStatus;
}

function watch(options: LinkOptions = {}, work?: (id: number) => unknown): Seen {
  link = edge.link(options);
  return watchOn(link, work);
}

function watchOn(on: Link, work?: (id: number) => unknown): Seen {
  const seen = { ids: [], gaps: [], states: [], ends: [] } as unknown as Seen;
  seen.handle = createClient(UserService, on).watchUsers().subscribe({
    event: async (message) => {
      seen.ids.push(message.userDeleted!.id);
      await work?.(message.userDeleted!.id);
    },
    gap: (gap) => seen.gaps.push(gap),
    end: () => seen.ends.push("end"),
    error: (error) => seen.ends.push(error.code),
    status: ({ state }) => seen.states.at(-1) !== state && seen.states.push(state),
  });
  seen.status = () => seen.handle.status;
  return seen;
}

const live = (seen: Seen): Promise<void> => until(() => expect(seen.status().state).toBe("live"));
const has = (seen: Seen, ...ids: number[]): Promise<void> => until(() => expect(seen.ids).toEqual(ids));

test("delivers, and goes on after a cut where it stood", async () => {
  const seen = watch();
  await live(seen);
  expect(seen.status()).toEqual({ state: "live", transport: "sse", outcome: "FRESH" });
  emit(1, 2);
  await has(seen, 1, 2);
  for (let id = 3; id < 8; id += 1) {
    edge.cut();
    emit(id);
    await has(seen, ...Array.from({ length: id }, (_, index) => index + 1));
  }
  expect(seen.status().outcome).toBe("RESUMED");
  expect(seen.gaps).toEqual([]);
  expect(edge.requests.map(({ headers }) => headers.get("last-event-id"))).toEqual([null, "c2", "c3", "c4", "c5", "c6"]);
});

test("a cursor in the request is where it begins, and names no other stream", async () => {
  emit(1, 2, 3);
  link = edge.link();
  const ids: number[] = [];
  createClient(UserService, link)
    .watchUsers({ cursor: "c1" })
    .subscribe({ event: (message) => void ids.push(message.userDeleted!.id), gap: () => ids.push(-1) });
  await until(() => expect(ids).toEqual([2, 3]));
  edge.cut();
  emit(4);
  await until(() => expect(ids).toEqual([2, 3, 4]));
  expect(edge.requests.map(({ input, headers }) => [input, headers.get("last-event-id")])).toEqual([[{}, "c1"], [{}, "c3"]]);
});

for (const transport of ["sse", "poll"] as const) {
  test(`tells the name of each event by ${transport}`, async () => {
    link = edge.link({ transports: [transport] });
    const names: string[] = [];
    createClient(UserService, link).watchUsers({ cursor: "c0" }).subscribe({ event: (_, { name }) => void names.push(name), gap: () => {} });
    emit(1);
    await until(() => expect(names).toEqual(["user:delete"]));
  });
}

test("goes on from the position, though no event has come yet", async () => {
  emit(1);
  const seen = watch();
  await live(seen);
  edge.cut();
  emit(2);
  await has(seen, 2);
});

test("a gap is told, and the stream goes on", async () => {
  const seen = watch();
  await live(seen);
  edge.cut();
  emit(1);
  edge.forget(UserService, "watchUsers");
  await until(() => expect(seen.gaps).toEqual([{ key: "", reason: "expired" }]));
  expect(seen.status().outcome).toBe("GAP");
  emit(2);
  await has(seen, 2);
});

test("ends well, and does not come back", async () => {
  const seen = watch();
  await live(seen);
  edge.end(UserService, "watchUsers");
  await until(() => expect(seen.ends).toEqual(["end"]));
  expect(seen.states).toEqual(["connecting", "live", "ended"]);
  expect(edge.requests).toHaveLength(1);
});

test("a final problem ends it, another does not", async () => {
  const seen = watch();
  await live(seen);
  edge.end(UserService, "watchUsers", { problem: { code: "UNAVAILABLE", reason: "TOPICS_CHANGED", detail: "come again" } });
  await until(() => expect(edge.requests).toHaveLength(2));
  await live(seen);
  edge.end(UserService, "watchUsers", { problem: { code: "NOT_FOUND", reason: "TOPIC_NOT_FOUND", detail: "deleted" } });
  await until(() => expect(seen.ends).toEqual(["NOT_FOUND"]));
  expect(seen.status()).toMatchObject({ state: "failed", error: { message: "deleted" } });
  expect(edge.requests).toHaveLength(2);
});

test("a refusal by the edge is final at once, on whichever transport", async () => {
  edge.refuse({ status: 403, problem: { code: "PERMISSION_DENIED", reason: "FORBIDDEN" } });
  const seen = watch();
  await until(() => expect(seen.ends).toEqual(["PERMISSION_DENIED"]));
  expect(edge.requests).toHaveLength(1);
});

test("waits as long as the edge says when it closes", async () => {
  const seen = watch();
  await live(seen);
  vi.useFakeTimers();
  edge.end(UserService, "watchUsers", { reason: "drain", retryMs: 700 });
  await vi.advanceTimersByTimeAsync(699);
  expect(edge.requests).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(2);
  expect(edge.requests).toHaveLength(2);
  vi.useRealTimers();
  await live(seen);
});

test("an expired token is renewed, and the stream goes on", async () => {
  let token = "old";
  const seen = watch({ token: () => token, refresh: async () => void (token = "new") });
  await live(seen);
  emit(1);
  await has(seen, 1);
  edge.end(UserService, "watchUsers", { reason: "token_expired", retryMs: 0 });
  emit(2);
  await has(seen, 1, 2);
  expect(edge.requests.map(({ headers }) => headers.get("authorization"))).toEqual(["Bearer old", "Bearer new"]);
});

test("a token that cannot be renewed fails the stream, without a loop", async () => {
  const seen = watch({ token: "old" });
  await live(seen);
  edge.end(UserService, "watchUsers", { reason: "token_expired", retryMs: 0 });
  await until(() => expect(seen.ends).toEqual(["UNAUTHENTICATED"]));
  expect(edge.requests).toHaveLength(1);
});

test("falls to long polls where streams do not get through, and loses nothing", async () => {
  const seen = watch();
  await live(seen);
  emit(1);
  await has(seen, 1);
  edge.refuse({ status: 503, face: "sse" });
  edge.cut();
  emit(2);
  await has(seen, 1, 2);
  expect(seen.status()).toMatchObject({ state: "live", transport: "poll", outcome: "RESUMED" });
  emit(3);
  await has(seen, 1, 2, 3);
  emit(4, 5);
  await has(seen, 1, 2, 3, 4, 5);
  expect(seen.gaps).toEqual([]);
});

test("climbs back to streams after a minute", async () => {
  edge.refuse({ status: 503, face: "sse" });
  vi.useFakeTimers();
  const seen = watch();
  await vi.advanceTimersByTimeAsync(10);
  expect(seen.status()).toMatchObject({ state: "live", transport: "poll" });
  // Still refused: one trial, then back down.
  await vi.advanceTimersByTimeAsync(60_100);
  expect(seen.status()).toMatchObject({ state: "live", transport: "poll" });
  edge.refuse();
  emit(1);
  await vi.advanceTimersByTimeAsync(60_100);
  expect(seen.status()).toMatchObject({ state: "live", transport: "sse" });
  emit(2);
  vi.useRealTimers();
  await has(seen, 1, 2);
});

test("a gap is told by long polls too", async () => {
  const seen = watch({ transports: ["poll"] });
  await live(seen);
  emit(1);
  await has(seen, 1);
  edge.forget(UserService, "watchUsers");
  emit(2);
  seen.handle.reconnect();
  await until(() => expect(seen.states).toEqual(["connecting", "live", "reconnecting", "live"]));
});

test("keeps its transport while the network is down", async () => {
  const seen = watch();
  await live(seen);
  edge.refuse("offline");
  edge.cut();
  await until(() => expect(seen.status().error?.code).toBe("UNAVAILABLE"));
  await new Promise((resolve) => setTimeout(resolve, 50));
  emit(1);
  edge.refuse();
  await has(seen, 1);
  expect(seen.status().transport).toBe("sse");
});

test("a slow handler holds the stream back, and is never called twice at once", async () => {
  let atOnce = 0;
  let most = 0;
  const seen = watch({}, async () => {
    most = Math.max(most, (atOnce += 1));
    await new Promise((resolve) => setTimeout(resolve, 1));
    atOnce -= 1;
  });
  await live(seen);
  emit(1, 2, 3);
  await until(() => expect(seen.ids.length).toBeGreaterThan(0));
  seen.handle.reconnect();
  await has(seen, 1, 2, 3);
  expect(most).toBe(1);
});

test("what a handler throws does not cut the stream", async () => {
  const thrown: unknown[] = [];
  const listener = (error: unknown): void => void thrown.push(error);
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException").on("uncaughtException", listener);
  const seen = watch({}, (id) => {
    if (id === 1) throw new Error("handler");
  });
  await live(seen);
  emit(1, 2);
  await has(seen, 1, 2);
  await until(() => expect(thrown).toHaveLength(1));
  process.off("uncaughtException", listener);
  for (const other of others) process.on("uncaughtException", other as () => void);
});

test("a closed stream is closed at the edge, and says nothing more", async () => {
  const seen = watch();
  await live(seen);
  expect(edge.streams).toBe(1);
  seen.handle.close();
  await until(() => expect(edge.streams).toBe(0));
  emit(1);
  expect(seen.ids).toEqual([]);
  expect(seen.states.at(-1)).toBe("closed");
  expect(seen.ends).toEqual([]);
});

test("the link tells the state of all its streams", async () => {
  link = edge.link();
  const states: string[] = [];
  link.onStatus(({ state }) => states.push(state));
  const [one, two] = [watchOn(link), watchOn(link)];
  await Promise.all([live(one), live(two)]);
  edge.cut();
  await until(() => expect(edge.streams).toBe(2));
  await Promise.all([live(one), live(two)]);
  one.handle.close();
  two.handle.close();
  expect(states).toEqual(["connecting", "live", "reconnecting", "live", "idle"]);
});
