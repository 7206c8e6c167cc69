import { expect, test } from "vitest";
import { bindingOf, kindOf, requestOf, tableOf } from "./calls.ts";
import type { Rpc } from "./descriptors.ts";
import type { Operation } from "./openapi.ts";
import { grpcurl, typescript } from "./snippets.ts";

const rpcs: Rpc[] = [
  { file: "a/v1/a.proto", service: "a.v1.TopicService", method: "UpdateTopic", kind: "unary", bindings: [{ verb: "PATCH", template: "/t/{topic.name}", body: "topic" }] },
];
const json = [{ type: "application/json" }];
const update: Operation = {
  id: "TopicService_UpdateTopic",
  rpc: "a.v1.TopicService/UpdateTopic",
  method: "PATCH",
  path: "/t/{name}",
  summary: "",
  description: "",
  deprecated: false,
  open: false,
  parameters: [
    { name: "name", in: "path", schema: { type: "string" } },
    { name: "updateMask", in: "query", schema: { type: "string" } },
    { name: "pageSize", in: "query", schema: { type: "integer" } },
    { name: "tags", in: "query", schema: { type: "array" } },
    { name: "heartbeat", in: "query", schema: { type: "string" } },
  ],
  body: json,
  answers: [],
};

test("path, query and body are parts of one request", () => {
  const binding = bindingOf(update, rpcs);
  const parameters = { name: "news", updateMask: "", pageSize: "7", tags: "a, b", heartbeat: "event" };
  const body = { description: "x" };
  const request = requestOf(update, binding, { parameters, body });
  expect(request).toEqual({ topic: { description: "x", name: "news" }, pageSize: 7, tags: ["a", "b"] });
  expect(body).toEqual({ description: "x" });
  expect(tableOf(update, binding, kindOf(update, rpcs))).toEqual({ name: "UpdateTopic", kind: "unary", http: ["PATCH", "/t/{topic.name}", "topic"] });
});

test("without descriptors the body is the request, and the names of the path are what OpenAPI says", () => {
  const binding = bindingOf(update, []);
  expect(requestOf(update, binding, { parameters: { name: "news" }, body: { a: 1 } })).toEqual({ a: 1, name: "news" });
  expect(kindOf({ ...update, stream: { tier: "durable", finite: false } }, [])).toBe("server");
});

test("a method without a path of its own is called by its name", () => {
  const named = { ...update, method: "POST", path: "/a.v1.TopicService/UpdateTopic", parameters: [] };
  expect(tableOf(named, bindingOf(named, []), "unary")).toEqual({ name: "UpdateTopic", kind: "unary" });
});

test.each([
  [{}, true, "grpcurl -plaintext h:1 a.v1.S/M"],
  [{ a: "it's" }, false, String.raw`grpcurl -plaintext -H "authorization: Bearer $TOKEN" -d '{"a":"it'\''s"}' h:1 a.v1.S/M`],
])("grpcurl with %j", (request, isOpen, line) => expect(grpcurl("h:1", "a.v1.S/M", request, isOpen)).toBe(line));

test("TypeScript as somebody would write it", () => {
  expect(typescript("lastmile.v1.TopicService/Subscribe", "server", { topic: "news", "a-b": 1 })).toBe(`import { createClient } from "@lastmile/client";
import { TopicService } from "./api/lastmile/v1/topic";
import { link } from "./link";

const topics = createClient(TopicService, link);
for await (const message of topics.subscribe({
  topic: "news",
  "a-b": 1
})) {
  console.log(message);
}`);
});

test.each([
  ["acme/stock.proto", "./api/acme/stock"],
  ["", "./api/acme/v1/warehouse"],
])("imports from the file %j: %s", (file, path) => {
  const [, line] = typescript("acme.v1.Warehouse/Get", "unary", {}, file).split("\n");
  expect(line).toBe(`import { Warehouse } from "${path}";`);
});
