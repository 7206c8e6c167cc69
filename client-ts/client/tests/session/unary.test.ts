// Calls with one answer over a session that is open anyway.
import { createClient, createLink, type Link, type LinkOptions, type StreamHandle } from "@lastmile/client";
import { createFakeEdge, type FakeEdge } from "@lastmile/client/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AuthService } from "../golden/lastmile/v1/auth.ts";
import { UserService } from "../golden/lastmile/v1/user.ts";
import { until } from "../until.ts";
import { Peer } from "./peer.ts";

let edge: FakeEdge;
let peer: Peer;
let link: Link;
let handle: StreamHandle;
beforeEach(() => {
  edge = createFakeEdge();
  peer = new Peer();
  vi.spyOn(Math, "random").mockReturnValue(0);
  edge.answer(UserService, "listUsers", () => ({ users: [], nextPageToken: "by HTTP", cursor: "" }));
  peer.answer = () => ({ json: { users: [], nextPageToken: "by session", cursor: "" } });
});
afterEach(() => {
  link.close();
  vi.useRealTimers();
});

/** A link with an open session. */
async function open(options: LinkOptions = {}): Promise<ReturnType<typeof users>> {
  const both = { baseUrl: "http://edge.test", fetch: peer.fetch(edge.fetch), WebSocket: peer.Socket, bindings: false };
  link = createLink({ ...both, ...options });
  handle = users().watchUsers().subscribe({ event: () => {}, gap: () => {} });
  await until(() => expect(handle.status.state).toBe("live"));
  return users();
}

const users = () => createClient(UserService, link);
const opened = (): string[] => peer.applied.flatMap((frame) => ("open" in frame ? [frame.open.method.split("/")[1]!] : []));
const byHttp = (): string[] => edge.requests.map(({ method }) => method.split("/")[1]!);

test("go over the session when one is open, by HTTP when none is", async () => {
  const { listUsers } = await open();
  expect((await listUsers({ pageSize: 3 })).nextPageToken).toBe("by session");
  expect(peer.applied).toContainEqual({ open: { call: 2, method: "lastmile.v1.UserService/ListUsers", json: { pageSize: 3 }, credit: 0 } });
  link.close();
  expect((await listUsers()).nextPageToken).toBe("by HTTP");
});

test("go by HTTP when they have headers, cookies or a trace of their own, or the link says so", async () => {
  const { listUsers } = await open();
  expect((await listUsers({}, { headers: { "if-match": "x" } })).nextPageToken).toBe("by HTTP");
  edge.answer(AuthService, "logout", () => ({}) as never);
  await createClient(AuthService, link).logout();
  expect(byHttp()).toEqual(["ListUsers", "Logout"]);
  link.close();
  const { listUsers: plain } = await open({ calls: "http" });
  expect((await plain()).nextPageToken).toBe("by HTTP");
});

test("fail with what the edge says, as by HTTP", async () => {
  peer.answer = () => ({
    status: 3,
    message: "bad",
    details: [
      { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "FIELD_INVALID" },
      { "@type": "type.googleapis.com/google.rpc.BadRequest", fieldViolations: [{ field: "user.name", description: "must be set" }] },
    ],
  });
  const { createUser } = await open({ token: "secret" });
  const error = await createUser({ user: { name: "" } } as never).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "INVALID_ARGUMENT", status: 400, reason: "FIELD_INVALID", message: "bad", answered: true });
  expect((error as { of(field: string): string }).of("user.name")).toBe("must be set");
  expect((error as { traceId: string }).traceId).toBe((peer.hellos[0] as { traceparent: string }).traceparent.slice(3, 35));
});

test("survive a cut: the answer comes by the next connection, and the call was made once", async () => {
  let answer: ReturnType<NonNullable<Peer["answer"]>>;
  peer.answer = () => answer;
  const { createUser } = await open();
  const calling = createUser({ user: { name: "Carol" } } as never);
  await until(() => expect(opened()).toContain("CreateUser"));
  const [old] = peer.open;
  answer = { json: { id: 7 } };
  old!.isLeft = true;
  old!.write({ message: { call: 2, json: { id: 7 } } });
  old!.write({ end: { call: 2 } });
  peer.cut();
  expect(await calling).toEqual({ id: 7 });
  expect(opened().filter((name) => name === "CreateUser")).toHaveLength(1);
});

test("with the session gone what changes something is not sent again, what changes nothing is", async () => {
  peer.answer = () => undefined;
  const { createUser, listUsers } = await open();
  const creating = createUser({ user: { name: "Carol" } } as never);
  const listing = listUsers();
  await until(() => expect(opened()).toContain("ListUsers"));
  peer.forget();
  peer.cut();
  await expect(creating).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "session_unknown" });
  expect((await listing).nextPageToken).toBe("by HTTP");
  expect(byHttp()).toEqual(["ListUsers"]);
});

test("an edge that shuts down takes no new ones: they go by HTTP", async () => {
  const draining = [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "DRAINING" }];
  peer.answer = () => ({ status: 14, message: "shutting down", details: draining });
  edge.answer(UserService, "createUser", () => ({ id: 8 }) as never);
  const { createUser, listUsers } = await open();
  expect(await createUser({ user: { name: "Carol" } } as never)).toEqual({ id: 8 });
  peer.goaway({ reason: "drain", reconnectMs: 60_000 });
  await new Promise((resolve) => setTimeout(resolve, 5));
  const before = opened().length;
  expect((await listUsers()).nextPageToken).toBe("by HTTP");
  expect(opened()).toHaveLength(before);
});

test("go by HTTP as whoever is logged in, while the session is still of somebody else", async () => {
  let token = "alice";
  edge.answer(UserService, "createUser", (_, headers) => ({ name: headers.get("authorization") }) as never);
  peer.answer = () => ({ json: { name: "by session" } });
  const { createUser } = await open({ token: () => token, refresh: async () => void (token = "alice again") });
  token = "bob";
  expect(await createUser({} as never)).toEqual({ name: "Bearer bob" });
  token = "alice";
  expect(await createUser({} as never)).toEqual({ name: "by session" });
  peer.open[0]!.write({ authExpiring: { expiresMs: 5000 } });
  await until(() => expect(peer.open[0]!.session!.token).toBe("alice again"));
  expect(await createUser({} as never)).toEqual({ name: "by session" });
});

test("with what a shutdown ends, a backend may have begun: only what changes nothing is made again", async () => {
  const cut = [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "CUT_BY_DRAIN" }];
  peer.answer = () => ({ status: 14, message: "shutting down", details: cut });
  const { createUser, listUsers } = await open();
  await expect(createUser({ user: { name: "Carol" } } as never)).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "CUT_BY_DRAIN" });
  expect((await listUsers()).nextPageToken).toBe("by HTTP");
  expect(byHttp()).toEqual(["ListUsers"]);
});

test("an identity that is over is renewed, and the call made again by HTTP", async () => {
  let token = "old";
  const refresh = vi.fn(async () => void (token = "new"));
  peer.answer = () => ({ status: 16, message: "over" });
  edge.answer(UserService, "listUsers", (_, headers) => {
    if (headers.get("authorization") !== "Bearer new") throw { status: 401, code: "UNAUTHENTICATED" };
    return { users: [], nextPageToken: "by HTTP", cursor: "" };
  });
  const { listUsers } = await open({ token: () => token, refresh });
  const [one, two] = await Promise.all([listUsers(), listUsers()]);
  expect([one.nextPageToken, two.nextPageToken]).toEqual(["by HTTP", "by HTTP"]);
  expect(refresh).toHaveBeenCalledTimes(1);
});

test("can be given up, and have a time limit", async () => {
  peer.answer = () => undefined;
  const { listUsers } = await open();
  const abort = new AbortController();
  const calling = listUsers({}, { signal: abort.signal });
  await until(() => expect(opened()).toContain("ListUsers"));
  abort.abort(new Error("not wanted"));
  await expect(calling).rejects.toThrow("not wanted");
  await expect(listUsers({}, { timeoutMs: 10 })).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  await until(() => expect(peer.applied.filter((frame) => "cancel" in frame)).toHaveLength(2));
  expect(peer.applied.flatMap((frame) => ("open" in frame ? [frame.open.timeoutMs] : []))).toEqual([undefined, undefined, 10]);
});
