// A reload of the page in development: the session moves to the next page.
import { createClient, createLink, type Hot, type Link, type StreamHandle } from "@lastmile/client";
import { createFakeEdge, type FakeEdge } from "@lastmile/client/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { DocumentService } from "../golden/lastmile/v1/document.ts";
import { UserService, type WatchUsersResponse } from "../golden/lastmile/v1/user.ts";
import { until } from "../until.ts";
import { Peer } from "./peer.ts";

let edge: FakeEdge;
let peer: Peer;
let page: EventTarget & { hidden: boolean };
const links: Link[] = [];
const storage = new Map<string, string>();
beforeEach(() => {
  edge = createFakeEdge();
  peer = new Peer();
  storage.clear();
  vi.spyOn(Math, "random").mockReturnValue(0);
  vi.stubGlobal("sessionStorage", {
    getItem: (key: string) => storage.get(key) ?? null,
    setItem: (key: string, value: string) => void storage.set(key, value),
    removeItem: (key: string) => void storage.delete(key),
  });
});
afterEach(() => {
  for (const link of links.splice(0)) link.close();
  vi.unstubAllGlobals();
});

/** A page that has just been loaded, and its link. */
function load(hot: Hot | undefined): Link {
  page = Object.assign(new EventTarget(), { hidden: false });
  vi.stubGlobal("window", page);
  vi.stubGlobal("document", page);
  const options = { baseUrl: "http://edge.test", token: "secret", fetch: peer.fetch(edge.fetch), WebSocket: peer.Socket, bindings: false };
  const link = createLink(options, hot);
  links.push(link);
  return link;
}

function watch(link: Link): { ids: number[]; handle: StreamHandle } {
  const ids: number[] = [];
  const handle = createClient(UserService, link)
    .watchUsers()
    .subscribe({ event: (message) => void ids.push(message.userDeleted!.id), gap: () => ids.push(-1) });
  return { ids, handle };
}

const deleted = (id: number): WatchUsersResponse => ({ cursor: "", position: false, previous: "", userDeleted: { id } });
const live = (handle: StreamHandle): Promise<void> => until(() => expect(handle.status.state).toBe("live"));
const traces = (): string[] => peer.hellos.map((hello) => (hello as { traceparent: string }).traceparent.slice(3, 35));

/** The first page: a stream, and a call in both directions. */
async function first(hot: Hot | undefined): Promise<void> {
  const link = load(hot);
  const { ids, handle } = watch(link);
  await live(handle);
  const call = createClient(DocumentService, link).syncDocument();
  await call.send({ id: "1" } as never);
  peer.emit(deleted(1));
  await until(() => expect(ids).toEqual([1]));
  page.dispatchEvent(new Event("pagehide"));
  await until(() => expect(peer.open).toEqual([]));
  peer.emit(deleted(2));
}

test("in development the session moves to the next page, with what it missed; calls that nobody waits for are cancelled", async () => {
  await first({ data: {} });
  expect(peer.streams).toBe(1);
  const { ids, handle } = watch(load({ data: {} }));
  await live(handle);
  await until(() => expect(ids).toEqual([2]));
  peer.emit(deleted(3));
  await until(() => expect(ids).toEqual([2, 3]));
  expect(peer.sessions.size).toBe(1);
  expect(peer.hellos[1]).toEqual({ ticket: "moves s1", session: "s1", received: expect.any(Number), traceparent: expect.any(String) });
  expect(peer.applied).toContainEqual({ cancel: { call: 2 } });
  expect(peer.streams).toBe(1);
  expect(new Set(traces()).size).toBe(1);
  // Both sides count on from where they were.
  for (let id = 4; id <= 40; id += 1) peer.emit(deleted(id));
  peer.cut();
  await until(() => expect(ids.at(-1)).toBe(40));
  expect(new Set(ids).size).toBe(39);
  expect(peer.sessions.size).toBe(1);
});

test("an edge that does not know the session any more has the page begin another; streams go on by their cursors", async () => {
  await first({ data: {} });
  peer.forget();
  const { ids, handle } = watch(load({ data: {} }));
  await live(handle);
  await until(() => expect(ids).toEqual([2]));
  expect(peer.hellos[1]).toEqual({ token: "secret", traceparent: expect.any(String) });
});

test("in production a reload begins a session of its own", async () => {
  await first(undefined);
  const { ids, handle } = watch(load(undefined));
  await live(handle);
  await until(() => expect(ids).toEqual([2]));
  expect(peer.hellos[1]).toEqual({ token: "secret", traceparent: expect.any(String) });
  expect(new Set(traces()).size).toBe(2);
});
