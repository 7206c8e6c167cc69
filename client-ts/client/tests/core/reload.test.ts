// What becomes of streams when those who read them, or the whole page, are replaced.
import { createClient, createLink, type Hot, type Link, type LinkOptions, type StreamHandle } from "@lastmile/client";
import { createFakeEdge, type FakeEdge } from "@lastmile/client/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { TopicService } from "../golden/lastmile/v1/topic.ts";
import { UserService, type WatchUsersResponse } from "../golden/lastmile/v1/user.ts";
import { until } from "../until.ts";

let edge: FakeEdge;
let page: EventTarget & { hidden: boolean };
const links: Link[] = [];
const storage = new Map<string, string>();

beforeEach(() => {
  edge = createFakeEdge();
  storage.clear();
  vi.spyOn(Math, "random").mockReturnValue(0);
  page = Object.assign(new EventTarget(), { hidden: false });
  vi.stubGlobal("window", page);
  vi.stubGlobal("document", page);
  vi.stubGlobal("sessionStorage", {
    getItem: (key: string) => storage.get(key) ?? null,
    setItem: (key: string, value: string) => void storage.set(key, value),
    removeItem: (key: string) => void storage.delete(key),
  });
});
afterEach(() => {
  for (const link of links.splice(0)) link.close();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const deleted = (id: number): WatchUsersResponse => ({ cursor: "", position: false, previous: "", userDeleted: { id } });
const emit = (id: number): void => edge.emit(UserService, "watchUsers", deleted(id));
const is = (name: string): boolean => page.dispatchEvent(new Event(name));

function link(options: LinkOptions = {}, hot?: Hot): Link {
  const made = createLink({ baseUrl: "http://edge.test", fetch: edge.fetch, bindings: false, transports: ["sse"], ...options }, hot);
  links.push(made);
  return made;
}

function watch(on: Link, input = {}): { ids: number[]; handle: StreamHandle } {
  const ids: number[] = [];
  const handle = createClient(UserService, on)
    .watchUsers(input)
    .subscribe({ event: (message) => void ids.push(message.userDeleted!.id), gap: () => ids.push(-1) });
  return { ids, handle };
}

const live = (...handles: StreamHandle[]): Promise<void> =>
  until(() => expect(handles.map((handle) => handle.status.state)).toEqual(handles.map(() => "live")));

test("a hot reload keeps the link, its streams, and what came meanwhile", async () => {
  const hot: Hot = { data: {} };
  const one = watch(link({}, hot));
  await live(one.handle);
  one.handle.close();
  emit(1);
  const two = watch(link({}, hot));
  emit(2);
  await until(() => expect(two.ids).toEqual([1, 2]));
  expect(one.ids).toEqual([]);
  expect(edge.requests).toHaveLength(1);
  expect(links[0]).toBe(links[1]);
});

test("a stream that nobody takes over is closed", async () => {
  const on = link({ lingerMs: 20 });
  const { handle } = watch(on);
  await live(handle);
  handle.close();
  await until(() => expect(edge.streams).toBe(0));
  expect(on.status.state).toBe("idle");
});

test("another request takes nothing over", async () => {
  const on = link({ lingerMs: 1000 });
  const topics = createClient(TopicService, on);
  const subscribe = (input: object): StreamHandle => topics.subscribe(input).subscribe({ event: () => {}, gap: () => {} });
  const first = subscribe({ topic: "a" });
  await live(first);
  first.close();
  await live(subscribe({ topic: "b" }));
  expect(edge.requests).toHaveLength(2);
  // Who asks for the last events wants them, whoever was here before.
  await live(subscribe({ topic: "a", last: 3 }));
  expect(edge.requests).toHaveLength(3);
  await live(subscribe({ topic: "a" }));
  expect(edge.requests).toHaveLength(3);
});

test("after a reload streams go on where they were", async () => {
  const before = watch(link());
  await live(before.handle);
  emit(1);
  await until(() => expect(before.ids).toEqual([1]));
  is("pagehide");
  await until(() => expect(edge.streams).toBe(0));
  emit(2);
  const after = watch(link());
  emit(3);
  await until(() => expect(after.ids).toEqual([2, 3]));
  expect(after.handle.status.outcome).toBe("RESUMED");
});

test("a page that was left long ago is forgotten, and so is one whose link does not want it", async () => {
  const leave = async (): Promise<void> => {
    await live(watch(link()).handle);
    is("pagehide");
  };
  await leave();
  vi.setSystemTime(Date.now() + 31_000);
  const late = watch(link());
  await live(late.handle);
  expect(late.handle.status.outcome).toBe("FRESH");
  vi.useRealTimers();

  await leave();
  const fresh = watch(link({ resumeAfterReload: false }));
  await live(fresh.handle);
  expect(fresh.handle.status.outcome).toBe("FRESH");
});

test("a page in the back/forward cache holds no connection, and goes on when it is shown", async () => {
  const { ids, handle } = watch(link());
  await live(handle);
  is("pagehide");
  await until(() => expect(edge.streams).toBe(0));
  await until(() => expect(handle.status.state).toBe("reconnecting"));
  emit(1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(edge.requests).toHaveLength(1);
  is("pageshow");
  await until(() => expect(ids).toEqual([1]));
});

test("a page that is online or visible again does not wait any longer", async () => {
  vi.spyOn(Math, "random").mockReturnValue(60);
  const { ids, handle } = watch(link());
  await live(handle);
  for (const [id, name] of [[1, "online"], [2, "visibilitychange"]] as const) {
    edge.cut();
    await until(() => expect(handle.status.state).toBe("reconnecting"));
    emit(id);
    is(name);
    await until(() => expect(ids).toContain(id));
  }
});
