// The OpenAPI documents by a validator that knows the specification.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { startLastmile } from "./harness.js";

async function check(document) {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(document);
  assert.ok(valid, JSON.stringify(errors, undefined, 2));
  assert.equal(validator.version, "3.1");
}

test("the document of the real core is valid", async (t) => {
  const app = await startLastmile();
  t.after(() => app.close());
  const response = await fetch(`${app.url}/openapi.json`);
  const document = await response.json();
  assert.ok(document.paths["/api/v1/topics/{topic}/events"].get);
  await check(document);
});

test("the document of every kind of declaration is valid", async () => {
  const file = join(import.meta.dirname, "../../edge/tests/edge/openapi/library.json");
  await check(JSON.parse(await readFile(file, "utf8")));
});

test("the validator notices a document that is not", async () => {
  await assert.rejects(check({ openapi: "3.1.0", info: { title: "no version" }, paths: {} }));
});
