import { expect, test } from "vitest";
import { checkDraft } from "./publish.ts";

test.each([
  ["note", "{}", true],
  ["news:item", "[1, null]", true],
  ["", "{}", false],
  ["lm-open", "{}", false],
  ["error", "{}", false],
  ["two words", "{}", false],
  ["x".repeat(65), "{}", false],
  ["note", "", false],
  ["note", "{a: 1}", false],
])("takes type %j with %j: %j", (type, text, ok) => expect(checkDraft({ type, text }).ok).toBe(ok));

test("says where the JSON breaks", () => {
  expect(checkDraft({ type: "note", text: '{"a": 1,\n  "b": x}' })).toMatchObject({ text: expect.stringMatching(/Not JSON yet/) });
});

test("keeps a value that is falsy", () => {
  expect(checkDraft({ type: "note", text: "null" })).toEqual({ ok: true, type: "note", data: null });
});
