// Streams and calls in both directions over a session, against the edge's side of it.
import { createClient, createLink, type Link, type LinkOptions, type Service, type StreamHandle } from "@lastmile/client";
import { createFakeEdge, type FakeEdge } from "@lastmile/client/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { DocumentService } from "../golden/lastmile/v1/document.ts";
import { UserService, type WatchUsersResponse } from "../golden/lastmile/v1/user.ts";
import { until } from "../until.ts";
import { Peer } from "./peer.ts";

let edge: FakeEdge;
let peer: Peer;
let link: Link;
beforeEach(() => {
  edge = createFakeEdge();
  peer = new Peer();
  vi.spyOn(Math, "random").mockReturnValue(0);
});
afterEach(() => {
  link.close();
  vi.useRealTimers();
});

function make(options: LinkOptions = {}): Link {
  const both = { baseUrl: "http://edge.test", fetch: peer.fetch(edge.fetch), WebSocket: peer.Socket, bindings: false };
  return (link = createLink({ ...both, ...options }));
}

const deleted = (id: number): WatchUsersResponse => ({ cursor: "", position: false, previous: "", userDeleted: { id } });
const emit = (...ids: number[]): void => ids.forEach((id) => peer.emit(deleted(id)));

function watch(work?: (id: number) => unknown): { ids: number[]; ends: string[]; handle: StreamHandle } {
  const [ids, ends]: [number[], string[]] = [[], []];
  const handle = createClient(UserService, link).watchUsers().subscribe({
    event: (message) => {
      ids.push(message.userDeleted!.id);
      return work?.(message.userDeleted!.id) as Promise<void> | undefined;
    },
    gap: () => ids.push(-1),
    error: ({ code }) => ends.push(code),
    end: () => ends.push("end"),
  });
  return { ids, ends, handle };
}

/** How often each carrier was opened. */
const tried = (): object => ({
  websocket: peer.sockets.filter(({ isLeg }) => !isLeg).length,
  sse: peer.sockets.filter(({ isLeg }) => isLeg).length,
});
const live = (handle: StreamHandle): Promise<void> => until(() => expect(handle.status.state).toBe("live"));
const range = (length: number): number[] => Array.from({ length }, (_, index) => index + 1);

test("several streams share one socket", async () => {
  make({ token: "secret" });
  const [one, two] = [watch(), watch()];
  await Promise.all([live(one.handle), live(two.handle)]);
  expect(one.handle.status).toEqual({ state: "live", transport: "websocket", outcome: "FRESH" });
  emit(1, 2);
  await until(() => expect([one.ids, two.ids]).toEqual([[1, 2], [1, 2]]));
  expect(peer.sockets).toHaveLength(1);
  expect(peer.hellos).toEqual([{ token: "secret", traceparent: expect.stringMatching(/^00-/) }]);
});

test("a cut loses and repeats nothing, and the session goes on", async () => {
  make();
  const { ids, handle } = watch();
  await live(handle);
  for (let id = 1; id <= 5; id += 1) {
    emit(id);
    await until(() => expect(ids).toEqual(range(id)));
    peer.cut();
  }
  emit(6);
  await until(() => expect(ids).toEqual(range(6)));
  expect(peer.sessions.size).toBe(1);
  expect(peer.streams).toBe(1);
});

test("an open that was lost on its way opens nothing twice", async () => {
  make();
  const first = watch();
  await live(first.handle);
  peer.open[0]!.isDeaf = true;
  const second = watch();
  await new Promise((resolve) => setTimeout(resolve, 5));
  peer.cut();
  await Promise.all([live(first.handle), live(second.handle)]);
  emit(1);
  await until(() => expect([first.ids, second.ids]).toEqual([[1], [1]]));
  expect(peer.streams).toBe(2);
});

test("a slow reader gives no credit", async () => {
  make();
  let release = (): void => {};
  const { ids, handle } = watch((id) => (id === 1 ? new Promise<void>((resolve) => (release = resolve)) : undefined));
  await live(handle);
  emit(...range(1000));
  await until(() => expect(ids).toEqual([1]));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(peer.applied.filter((frame) => "credit" in frame)).toEqual([]);
  release();
  await until(() => expect(ids).toEqual(range(1000)));
});

test("channels carry what several streams share", async () => {
  make();
  const [one, two] = [watch(), watch()];
  await Promise.all([live(one.handle), live(two.handle)]);
  const [socket] = peer.open;
  socket!.write({ opened: { call: 1, channel: 7 } });
  socket!.write({ message: { channel: 7, cursor: "c1", json: deleted(1) } });
  socket!.write({ opened: { call: 2, channel: 7 } });
  socket!.write({ message: { channel: 7, cursor: "c2", json: deleted(2) } });
  await until(() => expect([one.ids, two.ids]).toEqual([[1, 2], [2]]));
});

test("a listener of the status that throws stops no stream", async () => {
  const uncaught = vi.fn();
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException").on("uncaughtException", uncaught);
  make();
  const { ids, handle } = watch();
  link.onStatus(({ state }) => {
    if (state === "live") throw new Error("a mistake of the page");
  });
  await live(handle);
  emit(1);
  await until(() => expect(ids).toEqual([1]));
  await until(() => expect(uncaught).toHaveBeenCalledTimes(1));
  process.off("uncaughtException", uncaught);
  for (const other of others) process.on("uncaughtException", other as () => void);
});

test("a gap in the middle is told", async () => {
  make();
  const { ids, handle } = watch();
  await live(handle);
  peer.open[0]!.write({ opened: { call: 1, outcome: "OUTCOME_GAP", reason: "expired" } });
  await until(() => expect(ids).toEqual([-1]));
  expect(handle.status.state).toBe("live");
});

test("the last stream closes the socket", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  make();
  const { handle } = watch();
  await vi.waitFor(() => expect(handle.status.state).toBe("live"));
  handle.close();
  await vi.advanceTimersByTimeAsync(1100);
  expect(peer.open).toHaveLength(0);
  expect(peer.sessions.size).toBe(0);
});

test("a session that is long in coming back is not begun anew", async () => {
  make();
  const { ids, handle } = watch();
  await live(handle);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const held = peer.holdHello();
  peer.cut();
  emit(1);
  await vi.advanceTimersByTimeAsync(10);
  await held.arrived;
  await vi.advanceTimersByTimeAsync(1100);
  held.release();
  await vi.waitFor(() => expect(handle.status.state).toBe("live"));
  expect(ids).toEqual([1]);
  expect(tried()).toEqual({ websocket: 2, sse: 0 });
  expect(peer.sessions.size).toBe(1);
});

test("a session that comes back when nobody reads any more is ended", async () => {
  make();
  const { handle } = watch();
  await live(handle);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const held = peer.holdHello();
  peer.cut();
  await vi.advanceTimersByTimeAsync(10);
  await held.arrived;
  handle.close();
  await vi.advanceTimersByTimeAsync(1100);
  held.release();
  await vi.advanceTimersByTimeAsync(1100);
  expect(peer.open).toHaveLength(0);
  expect(peer.sessions.size).toBe(0);
});

test("falls to server-sent events where WebSocket does not get through", async () => {
  peer.isDown = true;
  make();
  const { ids, handle } = watch();
  await live(handle);
  expect(handle.status.transport).toBe("sse");
  expect(tried()).toEqual({ websocket: 2, sse: 1 });
  emit(1);
  await until(() => expect(ids).toEqual([1]));
});

test("one failure of one socket is one failure, however many streams wait for it", async () => {
  peer.isDown = true;
  make();
  const [one, two] = [watch(), watch()];
  await Promise.all([live(one.handle), live(two.handle)]);
  expect(tried()).toEqual({ websocket: 2, sse: 1 });
});

test("falls at once when the edge says so", async () => {
  peer.refusal = { code: 4429, only: "websocket", goaway: { reason: "session_overload", fallback: "sse", reconnectMs: 60_000 } };
  make();
  const { handle } = watch();
  await live(handle);
  expect(handle.status.transport).toBe("sse");
  expect(tried()).toEqual({ websocket: 1, sse: 1 });
});

test("comes back at its own moment after a goaway", async () => {
  make();
  const { ids, handle } = watch();
  await live(handle);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  peer.goaway({ reconnectMs: 700, reason: "session_unavailable" }, 4503);
  await vi.advanceTimersByTimeAsync(690);
  expect(peer.sockets).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(20);
  vi.useRealTimers();
  await live(handle);
  emit(1);
  await until(() => expect(ids).toEqual([1]));
  expect(peer.sockets).toHaveLength(2);
});

test("a token that expires is replaced without a new connection", async () => {
  let token = "old";
  make({ token: () => token, refresh: async () => void (token = "new") });
  const { ids, handle } = watch();
  await live(handle);
  peer.open[0]!.write({ authExpiring: { expiresMs: 5000 } });
  await until(() => expect([...peer.sessions.values()][0]!.token).toBe("new"));
  emit(1);
  await until(() => expect(ids).toEqual([1]));
  expect(peer.sockets).toHaveLength(1);
});

test("a token that lives for seconds is renewed when half of them are over, and not for ever", async () => {
  const refresh = vi.fn(async () => {});
  make({ token: "brief", refresh });
  const { handle } = watch();
  await live(handle);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const expiring = async (): Promise<unknown> => (peer.open[0]!.write({ authExpiring: { expiresMs: 8000 } }), vi.advanceTimersByTimeAsync(10));
  await expiring();
  expect(refresh).toHaveBeenCalledTimes(1);
  await expiring();
  await vi.advanceTimersByTimeAsync(3900);
  expect(refresh).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(200);
  expect(refresh).toHaveBeenCalledTimes(2);
});

test("a refused identity is renewed once, and fails the stream when that does not help", async () => {
  peer.refusal = { code: 4401, goaway: { reason: "session_unauthenticated" } };
  const refresh = vi.fn(async () => {});
  make({ token: "bad", refresh });
  const { ends } = watch();
  await until(() => expect(ends).toEqual(["UNAUTHENTICATED"]));
  expect(refresh).toHaveBeenCalledTimes(1);
  expect(peer.sockets).toHaveLength(2);
});

test("a socket that is closed without a word is a way that is blocked", async () => {
  peer.refusal = { code: 1011, only: "websocket" };
  make({ refresh: async () => {} });
  const { handle } = watch();
  await live(handle);
  expect(handle.status.transport).toBe("sse");
});

test("a call that fails says why, whatever else is open", async () => {
  const service = { name: "a.v1.S", methods: { fail: { name: "Fail", kind: "server" } } } as const satisfies Service;
  make();
  const other = watch();
  const codes: string[] = [];
  const call = createClient(service as Service, link).fail as unknown as () => { subscribe: (handlers: object) => void };
  call().subscribe({ event: () => {}, gap: () => {}, error: (error: Error & { code: string }) => codes.push(error.code, error.message) });
  await until(() => expect(codes).toEqual(["PERMISSION_DENIED", "not you"]));
  await live(other.handle);
});

test("somebody else gets a session of their own", async () => {
  let token = "alice";
  make({ token: () => token });
  const { handle } = watch();
  await live(handle);
  token = "bob";
  link.reconnect();
  await until(() => expect(peer.hellos).toHaveLength(2));
  expect(peer.hellos[1]).toEqual({ token: "bob", traceparent: expect.any(String) });
});

test("somebody else gets a session of their own, also when the one before was just being opened", async () => {
  let token = "alice";
  make({ token: () => token });
  const held = peer.holdHello();
  const { ids, handle } = watch();
  await held.arrived;
  token = "bob";
  link.reconnect();
  held.release();
  await live(handle);
  expect(peer.open.map(({ session }) => session!.token)).toEqual(["bob"]);
  expect([...peer.sessions.values()].map((session) => session.token)).toEqual(["bob"]);
  emit(1);
  await until(() => expect(ids).toEqual([1]));
});

test("somebody else gets a session of their own, also when another edge is just being found", async () => {
  let token = "alice";
  make({ token: () => token });
  const { handle } = watch();
  await live(handle);
  const held = peer.holdHello();
  peer.goaway({ reconnectMs: 1, reason: "drain" });
  await held.arrived;
  token = "bob";
  link.reconnect();
  held.release();
  await until(() => expect(peer.open.map(({ session }) => session?.token)).toEqual(["bob"]));
  await live(handle);
});

test("a session that was left, and is cut while its calls end, is ended with the link", async () => {
  make();
  const { handle } = watch();
  await live(handle);
  const call = createClient(DocumentService, link).syncDocument();
  await call.send({ id: "1" } as never);
  const ended = (async () => {
    for await (const _ of call);
  })().catch((error: { reason: string }) => error.reason);
  peer.goaway({ reconnectMs: 1, reason: "drain" });
  await until(() => expect(peer.sessions.size).toBe(2));
  await live(handle);
  const [first, second] = peer.open;
  const held = peer.holdHello();
  first!.end(1006);
  await held.arrived;
  // Another edge again, while the first session is on its way back.
  second!.write({ goaway: { reconnectMs: 1, reason: "drain" } });
  await until(() => expect(peer.sessions.size).toBe(3));
  await live(handle);
  link.close();
  held.release();
  expect(await ended).toBe("session_unknown");
});

test("a call in both directions survives cuts: everything once, in order", async () => {
  make();
  const call = createClient(DocumentService, link).syncDocument();
  const answers: string[] = [];
  const reading = (async () => {
    for await (const answer of call) answers.push((answer as unknown as { id: string }).id);
  })();
  for (let number = 1; number <= 40; number += 1) {
    await call.send({ id: `${number}` } as never);
    if (number % 7 === 0) peer.cut();
    if (number % 11 === 0) for (const socket of peer.open) socket.isDeaf = true;
    if (number % 11 === 3) peer.cut();
  }
  peer.cut();
  await call.finish();
  await reading;
  expect(answers).toEqual(range(40).map(String));
  const sent = peer.applied.flatMap((frame) => ("send" in frame ? [(frame.send.json as { id: string }).id] : []));
  expect(sent).toEqual(range(40).map(String));
});

test("a call in both directions says so when its session is gone; streams go on", async () => {
  make();
  const { ids, handle } = watch();
  await live(handle);
  const call = createClient(DocumentService, link).syncDocument();
  await call.send({ id: "1" } as never);
  const reading = (async () => {
    for await (const _ of call);
  })();
  await new Promise((resolve) => setTimeout(resolve, 5));
  peer.forget();
  peer.cut();
  await expect(reading).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "session_unknown" });
  await expect(call.send({ id: "2" } as never)).rejects.toMatchObject({ reason: "session_unknown" });
  emit(1);
  await until(() => expect(ids).toEqual([1]));
  expect(peer.sockets).toHaveLength(2);
});

test("a socket that has gone silent is given up", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  make();
  const { handle } = watch();
  await vi.waitFor(() => expect(handle.status.state).toBe("live"));
  peer.open[0]!.isDeaf = true;
  await vi.advanceTimersByTimeAsync(15_100);
  expect(peer.sockets).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(5100);
  expect(peer.sockets).toHaveLength(2);
  await vi.waitFor(() => expect(handle.status.state).toBe("live"));
});

test("an edge that shuts down: streams move to another session at their slot, calls in both directions stay to their end", async () => {
  make();
  const { ids, handle } = watch();
  await live(handle);
  const call = createClient(DocumentService, link).syncDocument();
  const answers: string[] = [];
  const reading = (async () => {
    for await (const answer of call) answers.push((answer as unknown as { id: string }).id);
  })();
  await call.send({ id: "1" } as never);
  emit(1);
  await until(() => expect([ids, answers]).toEqual([[1], ["1"]]));
  const [old] = peer.open;
  peer.goaway({ reconnectMs: 20, reason: "drain" });
  emit(2);
  await until(() => expect(peer.open).toHaveLength(2));
  await until(() => expect(peer.streams).toBe(2));
  emit(3);
  await call.send({ id: "2" } as never);
  await until(() => expect([ids, answers]).toEqual([[1, 2, 3], ["1", "2"]]));
  expect(old!.session!.calls.size).toBe(1);
  await call.finish();
  await reading;
  await until(() => expect(peer.open).toHaveLength(1));
  expect(peer.open).not.toContain(old);
  emit(4);
  await until(() => expect(ids).toEqual([1, 2, 3, 4]));
});

test("an edge that shuts down is not left before another is found", async () => {
  make();
  const { ids, handle } = watch();
  await live(handle);
  // The first tries lead to an edge that shuts down, too.
  peer.refusal = { code: 4503, goaway: { reason: "drain", reconnectMs: 5 } };
  peer.goaway({ reconnectMs: 5, reason: "drain" });
  await until(() => expect(peer.sockets.length).toBeGreaterThan(3));
  emit(1);
  await until(() => expect(ids).toEqual([1]));
  expect(handle.status.state).toBe("live");
  peer.refusal = undefined;
  await until(() => expect(peer.sessions.size).toBe(2));
  emit(2);
  await until(() => expect(ids).toEqual([1, 2]));
});
