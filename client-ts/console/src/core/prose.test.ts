import { expect, test } from "vitest";
import { paragraphs } from "./prose.ts";

test.each<[string, string[]]>([
  ["One line.", ["One line."]],
  ["Wrapped\nby hand.\n\nAnother.", ["Wrapped by hand.", "Another."]],
  ["What it is.\n\n- `A`: one\n- `B`: two", ["What it is.", "- <A>: one", "- <B>: two"]],
  ["Takes `a` or `b`.", ["Takes <a> or <b>."]],
  ["Half `a", ["Half `a"]],
  ["", []],
])("%j", (text, expected) => {
  const told = paragraphs(text).map((line) => line.map(({ text, code }) => (code ? `<${text}>` : text)).join(""));
  expect(told).toEqual(expected);
});
