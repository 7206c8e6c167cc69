import { expect, test, vi } from "vitest";
import { createApi } from "./api.ts";

interface Call {
  method: string;
  path: string;
  body: unknown;
}

/** An edge that answers by a table of "METHOD path" and tells what it was asked. */
function edge(table: Record<string, () => Response | Promise<Response>>) {
  const calls: Call[] = [];
  const onSignedOut = vi.fn();
  const api = createApi({
    fetch: async (input, init) => {
      const path = String(input);
      const method = init?.method ?? "GET";
      calls.push({ method, path, body: init?.body && JSON.parse(String(init.body)) });
      const found = table[`${method} ${path.split("?")[0]}`];
      if (!found) throw new TypeError("fetch failed");
      return found();
    },
    exclusive: (work) => work(),
    onSignedOut,
  });
  return { api, calls, onSignedOut, count: (path: string) => calls.filter((call) => call.path === path).length };
}

const json = (value: unknown, status = 200) => new Response(JSON.stringify(value), { status });
const unauthorized = () => json({ detail: "Log in." }, 401);

test("renews an expired session once for all calls that wait, then repeats them", async () => {
  let renewed = false;
  const { api, count } = edge({
    "GET /api/v1/topics": () => (renewed ? json({ topics: [{ name: "ticks" }] }) : unauthorized()),
    "POST /api/v1/auth/refresh": () => {
      renewed = true;
      return json({});
    },
  });
  const answers = await Promise.all([api.listTopics(), api.listTopics()]);
  expect(answers.map((answer) => answer.topics.length)).toEqual([1, 1]);
  expect(count("/api/v1/auth/refresh")).toBe(1);
  expect(count("/api/v1/topics")).toBe(4);
});

test("gives the first problem back when the session cannot be renewed", async () => {
  const { api, onSignedOut } = edge({
    "GET /api/v1/topics": unauthorized,
    "POST /api/v1/auth/refresh": unauthorized,
  });
  await expect(api.listTopics()).rejects.toMatchObject({ status: 401, detail: "Log in." });
  expect(onSignedOut).toHaveBeenCalledTimes(1);
});

test("keeps the session when the renewal only met a broken edge", async () => {
  const { api, onSignedOut } = edge({
    "GET /api/v1/topics": unauthorized,
    "POST /api/v1/auth/refresh": () => json({}, 503),
  });
  await expect(api.listTopics()).rejects.toMatchObject({ status: 503 });
  expect(onSignedOut).not.toHaveBeenCalled();
});

test("does not take a wrong password for an expired session", async () => {
  const { api, calls } = edge({ "POST /api/v1/auth/login": unauthorized });
  await expect(api.login("alice", "no")).rejects.toMatchObject({ status: 401 });
  expect(calls).toHaveLength(1);
});

test("says so when nobody answers", async () => {
  await expect(edge({}).api.listTopics()).rejects.toMatchObject({ status: 0, title: "No answer" });
});

test("names the fields of a refused request", async () => {
  const errors = [{ field: "user.email", message: "is no address" }];
  const { api } = edge({ "PATCH /api/v1/users/1": () => json({ title: "Bad", errors }, 400) });
  const problem = await api.updateUser(1, { email: "x" }).catch((error: unknown) => error);
  expect(problem).toMatchObject({ errors, final: true });
});

test("survives an answer that is no problem document", async () => {
  const { api } = edge({ "GET /api/v1/topics": () => new Response("<h1>Bad Gateway</h1>", { status: 502 }) });
  await expect(api.listTopics()).rejects.toMatchObject({ status: 502, detail: "<h1>Bad Gateway</h1>" });
});

test("escapes a topic name in the path", async () => {
  const { api, calls } = edge({ "POST /api/v1/topics/a%2Fb/events": () => json({}) });
  await api.publish("a/b", "note", null);
  expect(calls[0]?.body).toEqual({ type: "note", data: null });
});
