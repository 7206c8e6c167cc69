import { expect, test } from "vitest";
import type { Method } from "../../src/core/method.ts";
import { toHttp, toJson } from "../../src/core/request.ts";

const method = (...http: string[]): Method => ({ name: "acme.v1.S/Call", kind: "unary", http });

const rows: [what: string, http: string[], input: object | undefined, expected: object][] = [
  ["no binding", [], { a: 1 }, { verb: "POST", path: "/acme.v1.S/Call", body: '{"a":1}' }],
  ["no input", ["GET", "/v1/users"], undefined, { verb: "GET", path: "/v1/users" }],
  ["path and query", ["GET", "/v1/users/{id}"], { id: 7, pageSize: 2 }, { verb: "GET", path: "/v1/users/7?pageSize=2" }],
  ["a path of zero", ["GET", "/v1/users/{id}"], { id: 0 }, { verb: "GET", path: "/v1/users/0" }],
  ["a path that is escaped", ["GET", "/v1/t/{name}:watch"], { name: "a/b c" }, { verb: "GET", path: "/v1/t/a%2Fb%20c:watch" }],
  ["several segments", ["GET", "/v1/{name=a/*/b/**}"], { name: "a/x y/b/c" }, { verb: "GET", path: "/v1/a/x%20y/b/c" }],
  ["a path without its value", ["GET", "/v1/t/{topic}/events"], { topics: ["a"] }, { verb: "POST", path: "/acme.v1.S/Call", body: '{"topics":["a"]}' }],
  ["lists and messages in a query", ["GET", "/v1/x"], { a: ["1", "2"], b: { c: true, d: null } }, { verb: "GET", path: "/v1/x?a=1&a=2&b.c=true" }],
  ["a date in a query", ["GET", "/v1/x"], { at: new Date(0) }, { verb: "GET", path: "/v1/x?at=1970-01-01T00%3A00%3A00.000Z" }],
  ["the whole rest as body", ["POST", "/v1/t/{topic}", "*"], { topic: "a", type: "x" }, { verb: "POST", path: "/v1/t/a", body: '{"type":"x"}' }],
  [
    "a field as body, and the rest as query",
    ["PATCH", "/v1/users/{user.id}", "user"],
    { user: { id: 3, name: "Zoë" }, updateMask: "name" },
    { verb: "PATCH", path: "/v1/users/3?updateMask=name", body: '{"name":"Zoë"}' },
  ],
  ["a body that is not there", ["POST", "/v1/topics", "topic"], {}, { verb: "POST", path: "/v1/topics", body: "{}" }],
];

for (const [what, http, input, expected] of rows) {
  test(what, () => expect(toHttp(method(...http), input)).toEqual(expected));
}

test("own names stand behind the prefix, and bindings do not", () => {
  expect(toHttp(method(), {}, "/lm").path).toBe("/lm/acme.v1.S/Call");
  expect(toHttp(method("GET", "/v1/x"), {}, "/lm").path).toBe("/v1/x");
});

test("the input is left as it was", () => {
  const input = { user: { id: 3, name: "Zoë" } };
  toHttp(method("PATCH", "/v1/users/{user.id}", "user"), input);
  expect(input).toEqual({ user: { id: 3, name: "Zoë" } });
});

test("64-bit integers are strings", () => {
  expect(toJson({ big: 9007199254740993n })).toBe('{"big":"9007199254740993"}');
});
