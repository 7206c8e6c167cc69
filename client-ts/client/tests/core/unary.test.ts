import { createClient, LastmileError, type Link, type LinkOptions } from "@lastmile/client";
import { createFakeEdge, type FakeEdge } from "@lastmile/client/testing";
import { beforeEach, expect, test, vi } from "vitest";
import { LogService } from "../golden/lastmile/v1/log.ts";
import { UserService } from "../golden/lastmile/v1/user.ts";

let edge: FakeEdge;
beforeEach(() => {
  edge = createFakeEdge();
  vi.spyOn(Math, "random").mockReturnValue(0);
});

const users = (options?: LinkOptions) => createClient(UserService, edge.link(options));
const NOBODY = { users: [], nextPageToken: "", cursor: "c0" };
const EXPIRED = { status: 401, code: "UNAUTHENTICATED", reason: "TOKEN_EXPIRED", detail: "The token has expired." };

test("answers with what the edge says", async () => {
  edge.answer(UserService, "listUsers", ({ pageSize }) => ({ ...NOBODY, nextPageToken: `${pageSize}` }));
  expect(await users().listUsers({ pageSize: 3 })).toEqual({ ...NOBODY, nextPageToken: "3" });
  expect(edge.requests).toMatchObject([{ method: "lastmile.v1.UserService/ListUsers", input: { pageSize: 3 } }]);
});

test("sends token, trace and own headers", async () => {
  edge.answer(UserService, "listUsers", () => NOBODY);
  const client = users({ token: async () => "secret", headers: { "accept-language": "de" } });
  await client.listUsers({}, { headers: { "x-request-id": "7" }, timeoutMs: 500 });
  await client.listUsers();
  const [first, second] = edge.requests.map(({ headers }) => Object.fromEntries(headers));
  expect(first).toMatchObject({ authorization: "Bearer secret", "accept-language": "de", "x-request-id": "7", "connect-timeout-ms": "500" });
  const [, trace, span] = first!.traceparent!.split("-");
  expect(first!.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  expect(second!.traceparent).toContain(trace);
  expect(second!.traceparent).not.toContain(span);
});

test("a problem is an error with code, reason, fields and trace", async () => {
  const errors = [{ field: "user.name", message: "must have 1 to 128 characters" }];
  edge.answer(UserService, "createUser", () => {
    throw { status: 400, code: "INVALID_ARGUMENT", reason: "FIELD_INVALID", detail: "user.name is too long", errors, trace_id: "abc" };
  });
  const error = await users().createUser({ user: { name: "" } }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(LastmileError);
  expect(error).toMatchObject({ code: "INVALID_ARGUMENT", status: 400, reason: "FIELD_INVALID", message: "user.name is too long", traceId: "abc", final: true });
  expect((error as LastmileError).of("user.name")).toBe("must have 1 to 128 characters");
  expect((error as LastmileError).of("user.email")).toBeUndefined();
});

test("what is no problem of an edge is told too", async () => {
  edge.refuse({ status: 403 });
  await expect(users().getUser({ id: 1 })).rejects.toMatchObject({ code: "PERMISSION_DENIED", status: 403, message: "no", traceId: "" });
  edge.refuse("offline");
  await expect(users().deleteUser({ id: 1 })).rejects.toMatchObject({ code: "UNAVAILABLE", status: 0, message: "The edge does not answer.", final: false });
});

test("a call that changes nothing is made again, another is not", async () => {
  const busy = { status: 503, code: "UNAVAILABLE" };
  let failures = 2;
  const fail = (): typeof NOBODY => {
    if (failures-- > 0) throw busy;
    return NOBODY;
  };
  edge.answer(UserService, "listUsers", fail);
  expect(await users().listUsers()).toEqual(NOBODY);
  expect(edge.requests).toHaveLength(3);
  failures = 3;
  await expect(users().listUsers()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  expect(edge.requests).toHaveLength(6);

  edge.answer(UserService, "deleteUser", () => {
    throw busy;
  });
  await expect(users().deleteUser({ id: 1 })).rejects.toMatchObject({ code: "UNAVAILABLE" });
  expect(edge.requests).toHaveLength(7);
});

test("an expired token is renewed once for all who wait", async () => {
  let token = "old";
  const refresh = vi.fn(async () => void (token = "new"));
  edge.answer(UserService, "listUsers", (_, headers) => {
    if (headers.get("authorization") !== "Bearer new") throw EXPIRED;
    return NOBODY;
  });
  const client = users({ token: () => token, refresh });
  expect(await Promise.all([client.listUsers(), client.listUsers(), client.listUsers()])).toEqual([NOBODY, NOBODY, NOBODY]);
  expect(refresh).toHaveBeenCalledTimes(1);
});

test("a refresh that is refused leaves the error that led to it, and no loop", async () => {
  edge.answer(UserService, "listUsers", () => {
    throw EXPIRED;
  });
  edge.answer(UserService, "getUser", () => {
    throw { ...EXPIRED, reason: "REFRESH_TOKEN_INVALID" };
  });
  const link: Link = edge.link({ refresh: () => createClient(UserService, link).getUser({ id: 1 }) });
  await expect(createClient(UserService, link).listUsers()).rejects.toMatchObject({ reason: "TOKEN_EXPIRED" });
  expect(edge.requests.map(({ method }) => method.split("/")[1])).toEqual(["ListUsers", "GetUser"]);
});

test("a refresh that the network cuts off is no logout", async () => {
  edge.answer(UserService, "deleteUser", () => {
    throw EXPIRED;
  });
  const refresh = (): Promise<never> => Promise.reject(new TypeError("Failed to fetch"));
  await expect(users({ refresh }).deleteUser({ id: 1 })).rejects.toMatchObject({ code: "UNAVAILABLE", final: false });
});

test("gives up when the time is over, or the caller wants no more", async () => {
  edge.answer(UserService, "listUsers", () => new Promise(() => {}));
  await expect(users().listUsers({}, { timeoutMs: 5 })).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED", message: "No answer within 5 ms." });
  const abort = new AbortController();
  const pending = users().listUsers({}, { signal: abort.signal });
  abort.abort();
  await expect(pending).rejects.toMatchObject({ name: "AbortError" });
});

test("several messages go out as lines", async () => {
  const logs = createClient(LogService, edge.link());
  edge.answer(LogService, "writeLogs", () => ({ written: 2 }));
  async function* lines(): AsyncGenerator<{ record: { message: string } }> {
    yield { record: { message: "one" } };
    yield { record: { message: "two" } };
  }
  await logs.writeLogs(lines());
  expect(edge.requests[0]!.input).toEqual([{ record: { message: "one" } }, { record: { message: "two" } }]);
  expect(edge.requests[0]!.headers.get("content-type")).toBe("application/x-ndjson");
});
