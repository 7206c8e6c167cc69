import { expect, test } from "vitest";
import { curlOperation } from "./curl.ts";
import { readReference, sample, search, typeWords, type Operation, type Schema } from "./openapi.ts";

const document = {
  info: { title: "shop.v1", version: "v1" },
  tags: [{ name: "Shop", description: "Sells." }, { name: "Empty" }],
  security: [{ bearer: [] }],
  paths: {
    "/v1/items/{id}": {
      get: {
        operationId: "Shop_Get",
        tags: ["Shop"],
        summary: "Returns an item",
        parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" } }],
        responses: {
          200: { description: "Good.", content: { "application/json": { schema: { $ref: "#/components/schemas/shop.Item" } } } },
          default: { $ref: "#/components/responses/Error" },
        },
      },
      patch: {
        operationId: "Shop_Update",
        tags: ["Shop"],
        parameters: [{ name: "id", in: "path", required: true, schema: { type: "integer" } }],
        requestBody: {
          content: { "application/json": { schema: { $ref: "#/components/schemas/shop.Item" } }, "application/x-protobuf": {} },
        },
      },
    },
    "/v1/items:watch": {
      get: {
        operationId: "Shop_Watch",
        tags: ["Shop"],
        description: "Streams changes.",
        security: [{}, { bearer: [] }],
        "x-lastmile-stream": { tier: "durable", finite: false },
      },
    },
  },
  components: {
    schemas: {
      "shop.Item": {
        type: "object",
        properties: {
          name: { type: "string" },
          word: { type: "string", "x-oneof": "choice" },
          number: { type: "integer", "x-oneof": "choice" },
          color: { $ref: "#/components/schemas/shop.Color" },
          parts: { type: "array", items: { $ref: "#/components/schemas/shop.Item" } },
          parent: { $ref: "#/components/schemas/shop.Item" },
          time: { type: "string", format: "date-time" },
          ratio: { anyOf: [{ type: "number" }, { type: "string", enum: ["NaN"] }] },
        },
      },
      "shop.Color": { type: "string", enum: ["COLOR_UNSPECIFIED", "RED"] },
    },
    responses: { Error: { description: "It failed.", content: { "application/problem+json": { schema: {} } } } },
  },
};
const reference = readReference(document);
const [get, patch, watch] = reference.groups[0]!.operations as [Operation, Operation, Operation];

test("reads operations by service, with what they share", () => {
  expect(reference.groups.map((group) => group.name)).toEqual(["Shop"]);
  expect([get.method, get.path, get.open, watch.open]).toEqual(["GET", "/v1/items/{id}", false, true]);
  expect(get.answers[1]).toMatchObject({ status: "default", description: "It failed." });
  expect(patch.body.map((media) => media.type)).toEqual(["application/json"]);
  expect(watch.stream).toEqual({ tier: "durable", finite: false });
});

test.each([
  ["", ["Shop_Get", "Shop_Update", "Shop_Watch"]],
  ["ITEM returns", ["Shop_Get"]],
  ["patch", ["Shop_Update"]],
  ["streams", ["Shop_Watch"]],
  ["nothing", []],
])("searches for %j", (text, ids) => {
  expect(search(reference.groups, text).flatMap((group) => group.operations.map((one) => one.id))).toEqual(ids);
});

test("a sample has one member of a oneof and ends where a message holds itself", () => {
  expect(sample({ $ref: "#/components/schemas/shop.Item" }, reference.schemas)).toEqual({
    name: "text",
    word: "text",
    color: "RED",
    parts: [],
    time: "2026-01-31T12:00:00Z",
    ratio: 1,
  });
});

test.each<[Schema, string]>([
  [{ type: "string" }, "string"],
  [{ type: "string", format: "int64" }, "string, int64"],
  [{ type: ["boolean", "null"] }, "boolean or null"],
  [{ $ref: "#/components/schemas/shop.Item" }, "Item"],
  [{ type: "array", items: { $ref: "#/components/schemas/shop.Item" } }, "Item[]"],
  [{ type: "object", additionalProperties: { type: "string" } }, "map of string"],
  [{ type: "object", additionalProperties: true }, "object"],
  [{}, "any JSON"],
])("%j in words", (schema, words) => expect(typeWords(schema)).toBe(words));

test("a curl line for each kind of operation", () => {
  const line = (operation: Operation) => curlOperation("http://h", operation, { ...reference.schemas, "shop.Item": { type: "object", properties: { name: { type: "string" } } } });
  expect(line(get)).toBe("curl -b lastmile.cookies http://h/v1/items/ID");
  expect(line(patch)).toBe(`curl -b lastmile.cookies -X PATCH --json '{"name":"text"}' http://h/v1/items/1`);
  expect(line(watch)).toBe("curl -N -H 'Accept: text/event-stream' http://h/v1/items:watch");
});
