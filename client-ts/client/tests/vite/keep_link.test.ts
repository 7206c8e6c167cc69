import { parseAst } from "vite";
import { expect, test } from "vitest";
import { keepLinks } from "../../src/vite/keep_link.ts";

const IMPORT = 'import { createLink } from "@lastmile/client";\n';

const rows: [what: string, code: string, expected: string | undefined][] = [
  ["options", "export const link = createLink({ token: () => t });", "export const link = createLink({ token: () => t }, import.meta.hot);"],
  ["none", "createLink();", "createLink({}, import.meta.hot);"],
  ["a comma at the end", "createLink(\n  options,\n);", "createLink(\n  options, import.meta.hot);"],
  ["two of them", "f(createLink(a), createLink(b));", "f(createLink(a, import.meta.hot), createLink(b, import.meta.hot));"],
  ["its own word", "createLink(a, undefined);", undefined],
  ["another's", "other.createLink(a);", undefined],
];

for (const [what, code, expected] of rows) {
  test(`keeps the link: ${what}`, () => expect(keepLinks(IMPORT + code, parseAst)).toBe(expected && IMPORT + expected));
}

test("leaves alone what does not come from here", () => {
  expect(keepLinks('import { createLink } from "other";\ncreateLink(a);', parseAst)).toBeUndefined();
});
