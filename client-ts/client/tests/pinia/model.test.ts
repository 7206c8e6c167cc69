// The pure parts: operations on documents, and what one writer sees of one.
import { expect, test } from "vitest";
import { Model } from "../../src/pinia/model.ts";
import { apply, covers, diff } from "../../src/pinia/pointer.ts";

const rows: [before: object, after: object, changes: object[]][] = [
  [{ a: 1 }, { a: 1 }, []],
  [{ a: 1 }, { a: 2, b: 3 }, [{ path: "/a", set: 2 }, { path: "/b", set: 3 }]],
  [{ a: { b: 1, c: 2 } }, { a: { b: 1 } }, [{ path: "/a/c", delete: {} }]],
  [{ a: [1, 2] }, { a: [1, 2, 3] }, [{ path: "/a", set: [1, 2, 3] }]],
  [{ a: { b: 1 } }, { a: 1 }, [{ path: "/a", set: 1 }]],
  [{ "a/b": { "c~d": 1 } }, { "a/b": { "c~d": null } }, [{ path: "/a~1b/c~0d", set: null }]],
];

for (const [before, after, changes] of rows) {
  test(`${JSON.stringify(before)} becomes ${JSON.stringify(after)}`, () => {
    expect(diff(before as never, after as never)).toEqual(changes);
    expect(changes.reduce((document, change) => apply(document as never, change as never), before)).toEqual(after);
  });
}

test("what an operation leaves alone stays the same object", () => {
  const before = { a: { x: 1 }, b: { y: 1 } };
  const after = apply(before, { path: "/a/x", set: 2 }) as typeof before;
  expect([after.b === before.b, before.a.x]).toEqual([true, 1]);
});

test("places lie in each other by their members, not by their letters", () => {
  expect([covers("/a", "/a/b"), covers("/a", "/a"), covers("/a", "/ab"), covers("", "/a"), covers("/a/b", "/a")]).toEqual([true, true, false, true, false]);
});

test("only the log changes what is confirmed, in its order, and each change once", () => {
  const model = new Model("me");
  model.load(3, { title: "old" });
  model.change([{ path: "/title", set: "mine" }]);
  const own = model.pending;
  expect(model.view).toEqual({ title: "mine" });
  expect(model.advance(5, [{ opId: "x", path: "/title", set: "skipped one" }])).toBe(false);
  expect([model.version, model.base]).toEqual([3, { title: "old" }]);
  expect(model.advance(4, [{ opId: "x", path: "/title", set: "theirs" }])).toBe(true);
  expect([model.base, model.view]).toEqual([{ title: "theirs" }, { title: "mine" }]);
  expect(model.advance(5, own)).toBe(true);
  expect([model.pending, model.base]).toEqual([[], { title: "mine" }]);
  expect(model.advance(4, [{ opId: "x", path: "/title", set: "theirs" }])).toBe(true);
  expect(model.base).toEqual({ title: "mine" });
});
