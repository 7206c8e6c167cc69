// A session where WebSocket does not get through: by an event stream, and back again, always the same session.
import { createClient, createLink, type Link, type LinkOptions, type StreamHandle } from "@lastmile/client";
import { createFakeEdge, type FakeEdge } from "@lastmile/client/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { DocumentService } from "../golden/lastmile/v1/document.ts";
import { UserService, type WatchUsersResponse } from "../golden/lastmile/v1/user.ts";
import { until } from "../until.ts";
import { Peer } from "./peer.ts";

let edge: FakeEdge;
let peer: Peer;
let link: Link;
let page: EventTarget & { hidden: boolean };
beforeEach(() => {
  edge = createFakeEdge();
  peer = new Peer();
  peer.isDown = true;
  page = Object.assign(new EventTarget(), { hidden: false });
  vi.stubGlobal("window", page);
  vi.stubGlobal("document", page);
  vi.spyOn(Math, "random").mockReturnValue(0);
});
afterEach(() => {
  link.close();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function make(options: LinkOptions = {}): Link {
  const both = { baseUrl: "http://edge.test", fetch: peer.fetch(edge.fetch), WebSocket: peer.Socket, bindings: false };
  return (link = createLink({ ...both, ...options }));
}

const deleted = (id: number): WatchUsersResponse => ({ cursor: "", position: false, previous: "", userDeleted: { id } });
const emit = (...ids: number[]): void => ids.forEach((id) => peer.emit(deleted(id)));
const range = (length: number): number[] => Array.from({ length }, (_, index) => index + 1);
const live = (handle: StreamHandle): Promise<void> => until(() => expect(handle.status.state).toBe("live"));
/** The network may be another: what the browser says when it is. */
const online = (): boolean => page.dispatchEvent(new Event("online"));

function watch(work?: (id: number) => unknown): { ids: number[]; transports: string[]; handle: StreamHandle } {
  const [ids, transports]: [number[], string[]] = [[], []];
  const handle = createClient(UserService, link).watchUsers().subscribe({
    event: (message) => {
      ids.push(message.userDeleted!.id);
      return work?.(message.userDeleted!.id) as Promise<void> | undefined;
    },
    gap: () => ids.push(-1),
    status: ({ state, transport }) => state === "live" && transports.push(transport!),
  });
  return { ids, transports, handle };
}

/** A call in both directions that says numbers and hears them again. */
function talk(): { say(id: number): Promise<void>; heard: number[] } {
  const call = createClient(DocumentService, link).syncDocument();
  const heard: number[] = [];
  void (async () => {
    for await (const answer of call) heard.push(Number((answer as unknown as { id: string }).id));
  })().catch(() => heard.push(-1));
  return { say: (id) => call.send({ id: `${id}` } as never), heard };
}
/** What the edge was told by calls, once each time that it took it. */
const said = (): number[] => peer.applied.flatMap((frame) => ("send" in frame ? [Number((frame.send.json as { id: string }).id)] : []));

test("streams and calls in both directions go by an event stream, and survive its cuts", async () => {
  make({ token: "secret" });
  const { ids, handle } = watch();
  const { say, heard } = talk();
  await live(handle);
  expect(handle.status.transport).toBe("sse");
  for (let id = 1; id <= 30; id += 1) {
    emit(id);
    await say(id);
    if (id % 6 === 0) peer.cut();
  }
  await until(() => expect({ ids, heard }).toEqual({ ids: range(30), heard: range(30) }));
  expect(said()).toEqual(range(30));
  expect(peer.sessions.size).toBe(1);
  expect([...peer.sessions.values()][0]!.token).toBe("secret");
});

test("a request whose answer is lost is sent again, and nothing is taken twice", async () => {
  make();
  const { say, heard } = talk();
  await say(1);
  await until(() => expect(heard).toEqual([1]));
  for (let id = 2; id <= 10; id += 1) {
    if (id % 3 === 0) peer.lostAnswers = 2;
    await say(id);
  }
  await until(() => expect(heard).toEqual(range(10)));
  expect(said()).toEqual(range(10));
  // Sent again by its number.
  expect(peer.posts.length).toBeGreaterThan(new Set(peer.posts).size);
});

test("WebSocket gets through again: the same session goes on there, and the event stream is read until then", async () => {
  make();
  const { ids, transports, handle } = watch();
  const { say, heard } = talk();
  await live(handle);
  await say(1);
  emit(1);
  await until(() => expect([ids, heard]).toEqual([[1], [1]]));
  peer.isDown = false;
  online();
  emit(2);
  await say(2);
  await until(() => expect(handle.status).toMatchObject({ state: "live", transport: "websocket" }));
  emit(3);
  await say(3);
  await until(() => expect({ ids, heard }).toEqual({ ids: [1, 2, 3], heard: [1, 2, 3] }));
  expect(said()).toEqual([1, 2, 3]);
  expect(transports).toEqual(["sse", "websocket"]);
  expect(peer.sessions.size).toBe(1);
  await until(() => expect(peer.open.map(({ isLeg }) => isLeg)).toEqual([false]));
});

test("while WebSocket does not get through, trying it costs the event stream nothing", async () => {
  make();
  const { ids, transports, handle } = watch();
  await live(handle);
  const before = peer.sockets.length;
  online();
  await until(() => expect(peer.sockets).toHaveLength(before + 1));
  await new Promise((resolve) => setTimeout(resolve, 5));
  emit(1);
  await until(() => expect(ids).toEqual([1]));
  expect(transports).toEqual(["sse"]);
});

test("a better carrier is tried in the moment of a cut: it is used, or the other is, and the link says which", async () => {
  make();
  const { handle } = watch();
  await live(handle);
  for (let round = 0; round < 12; round += 1) {
    peer.isDown = round % 3 !== 2;
    peer.cut();
    for (let step = 0; step < round % 5; step += 1) await Promise.resolve();
    online();
    await until(() => expect(handle.status).toMatchObject({ state: "live", transport: link.status.transport }));
    await until(() => expect(peer.open.map(({ isLeg }) => isLeg)).toEqual([link.status.transport === "sse"]));
  }
});

test("a stream that is opened while its session moves says by what it is read in the end", async () => {
  make();
  const { handle } = watch();
  await live(handle);
  peer.isDown = false;
  const hold = peer.holdHello();
  online();
  await hold.arrived;
  peer.open.find(({ isLeg }) => isLeg)!.end(1006);
  await until(() => expect(handle.status).toMatchObject({ state: "reconnecting", transport: "sse" }));
  hold.release();
  await live(handle);
  await until(() => expect(handle.status.transport).toBe("websocket"));
  expect(link.status.transport).toBe("websocket");
});

test("what came by the older carrier in the meantime is not taken twice", async () => {
  make();
  const { say, heard } = talk();
  await say(1);
  await until(() => expect(heard).toEqual([1]));
  // The newer carrier says hello, and the edge hears of it only after it has said more on the older one.
  peer.isDown = false;
  const hold = peer.holdHello();
  online();
  await hold.arrived;
  await say(2);
  await until(() => expect(heard).toEqual([1, 2]));
  hold.release();
  await until(() => expect(peer.open.map(({ isLeg }) => isLeg)).toEqual([false]));
  await say(3);
  await until(() => expect(heard).toEqual([1, 2, 3]));
});

test("where event streams are refused too, long polls take over", async () => {
  peer.leg = "refused";
  make();
  const { ids, handle } = watch();
  await live(handle);
  expect(handle.status.transport).toBe("poll");
  edge.emit(UserService, "watchUsers", deleted(1));
  await until(() => expect(ids).toEqual([1]));
});

test("where the requests beside the event stream are refused, long polls take over", async () => {
  peer.leg = "posts refused";
  make();
  const { handle } = watch();
  await live(handle);
  expect(handle.status.transport).toBe("poll");
});

test("a network that is down costs no carrier", async () => {
  edge.refuse("offline");
  make();
  const { handle } = watch();
  await until(() => expect(peer.sockets.length).toBeGreaterThan(3));
  expect(peer.sockets.every(({ isLeg }) => !isLeg)).toBe(true);
  edge.refuse();
  await live(handle);
  expect(handle.status.transport).toBe("sse");
});

test("a link that is closed leaves no call behind", async () => {
  make();
  const { handle } = watch();
  const { say, heard } = talk();
  await live(handle);
  await say(1);
  await until(() => expect(heard).toEqual([1]));
  link.close();
  await until(() => expect(peer.streams).toBe(0));
  expect(peer.open).toEqual([]);
});

test("a handler that is slow hears nothing twice when its connection is cut meanwhile", async () => {
  peer.isDown = false;
  make();
  let release = (): void => {};
  const { ids, handle } = watch((id) => (id === 1 ? new Promise<void>((resolve) => (release = resolve)) : undefined));
  await live(handle);
  emit(1, 2, 3);
  await until(() => expect(ids).toEqual([1]));
  peer.cut();
  await new Promise((resolve) => setTimeout(resolve, 5));
  release();
  emit(4);
  await until(() => expect(ids).toContain(4));
  expect(ids).toEqual([1, 2, 3, 4]);
});
