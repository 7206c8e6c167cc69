// Stores that share a document: they show the same in the end, whatever is lost on the way.
import type { Link } from "@lastmile/client";
import { createPiniaSync, type SyncOptions } from "@lastmile/client/pinia";
import { createFakeEdge, type FakeEdge } from "@lastmile/client/testing";
import { createPinia, defineStore, type Pinia, setActivePinia } from "pinia";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createSSRApp, nextTick, ref, watch } from "vue";
import { until } from "../until.ts";
import { Backend } from "./backend.ts";

interface Board {
  title: string;
  cards: { [id: string]: { text: string; done: boolean } };
  tags: string[];
  local: number;
}

let edge: FakeEdge;
let backend: Backend;
let links: Link[];
beforeEach(() => {
  edge = createFakeEdge();
  backend = new Backend(edge);
  links = [];
  vi.spyOn(Math, "random").mockReturnValue(0);
  vi.stubGlobal("window", globalThis);
});
afterEach(() => {
  for (const link of links) link.close();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

function pinia(): Pinia {
  const link = edge.link();
  links.push(link);
  const made = createPinia();
  made.use(createPiniaSync({ link }));
  // Plugins of a pinia run once it belongs to an app.
  createSSRApp({}).use(made);
  return made;
}

function board(on = pinia(), sync: Partial<SyncOptions> = {}) {
  const use = defineStore("board", {
    state: (): Board => ({ title: "", cards: {}, tags: [], local: 0 }),
    sync: { doc: "board", only: ["title", "cards", "tags"], ...sync },
  });
  return use(on);
}

const live = (store: ReturnType<typeof board>): Promise<void> => until(() => expect(store.$sync.status).toBe("live"));

test("the first store makes the document of what it has, the second one reads it", async () => {
  const one = board();
  one.title = "Plan";
  await live(one);
  await one.$sync.flush();
  expect(backend.content).toEqual({ title: "Plan", cards: {}, tags: [] });
  const two = board();
  await until(() => expect(two.title).toBe("Plan"));
  two.cards.a = { text: "write", done: false };
  await until(() => expect(one.cards).toEqual({ a: { text: "write", done: false } }));
  expect([one.local, two.$sync.pending, one.$sync.version]).toEqual([0, 0, backend.version]);
});

test("changes the least: one patch a change, and what did not change stays the same object", async () => {
  backend.write({ title: "Plan", cards: { a: { text: "a", done: false }, b: { text: "b", done: false } }, tags: ["x"] });
  const store = board();
  await until(() => expect(store.title).toBe("Plan"));
  let patches = 0;
  store.$subscribe(() => (patches += 1), { flush: "sync" });
  const [a, b, tags] = [store.cards.a, store.cards.b, store.tags];
  const seen: string[] = [];
  watch(() => store.cards.b, () => seen.push("b"), { deep: true });
  watch(() => store.cards.a, () => seen.push("a"), { deep: true });
  backend.write({ title: "New", cards: { a: { text: "a", done: true }, b: { text: "b", done: false } } });
  await until(() => expect(store.cards.a).toEqual({ text: "a", done: true }));
  await nextTick();
  expect([patches, seen]).toEqual([1, ["a"]]);
  // What came from others is no change of one's own.
  expect([store.$sync.pending, backend.commits]).toEqual([0, 2]);
  expect([store.cards.a === a, store.cards.b === b, store.tags === tags]).toEqual([true, true, true]);
});

test("shows own changes at once, and takes back what is refused", async () => {
  const store = board();
  await live(store);
  store.cards.forbidden = { text: "no", done: false };
  store.local = 7;
  await nextTick();
  expect([store.cards.forbidden?.text, store.$sync.pending]).toEqual(["no", 1]);
  await until(() => expect(store.cards.forbidden).toBeUndefined());
  expect([store.$sync.error?.message, store.$sync.pending, store.local]).toEqual(["not that", 0, 7]);
  store.title = "still works";
  await store.$sync.flush();
  expect(backend.content?.title).toBe("still works");
});

test("what two have changed goes to the first, unless the store says otherwise", async () => {
  for (const [choice, expected] of [["theirs", "first"], ["mine", "second"]] as const) {
    backend.write({ title: "", cards: {}, tags: [] });
    const clashes: unknown[] = [];
    const store = board(pinia(), {
      onConflict: (clash) => {
        clashes.push(clash.path, clash.mine);
        return choice;
      },
    });
    await live(store);
    backend.fails.before = () => {
      // Another one is there in the moment before.
      backend.fails.before = () => false;
      backend.write({ title: "first" });
      return false;
    };
    store.title = "second";
    await store.$sync.flush();
    await until(() => expect([store.title, backend.content?.title]).toEqual([expected, expected]));
    expect(clashes).toEqual(["/title", "second"]);
  }
});

test("the next commit waits until the log has told of the last: nobody is in conflict with themselves", async () => {
  const store = board();
  await live(store);
  const before = backend.commits;
  backend.held = [];
  store.title = "one";
  await until(() => expect(backend.commits).toBe(before + 1));
  store.title = "two";
  await nextTick();
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect([backend.commits, backend.conflicts]).toEqual([before + 1, 0]);
  backend.release();
  await store.$sync.flush();
  expect([backend.content?.title, backend.conflicts]).toEqual(["two", 0]);
});

test("a conflict after a failure is no reason to stop", async () => {
  const store = board();
  await live(store);
  let fails = 1;
  backend.fails.before = () => {
    if (fails-- > 0) return true;
    backend.fails.before = () => false;
    // Told before the answer comes.
    backend.write({ title: "theirs" });
    return false;
  };
  store.title = "mine";
  store.tags.push("kept");
  await store.$sync.flush();
  await until(() => expect([store.title, backend.content?.tags]).toEqual(["theirs", ["kept"]]));
});

test("what is changed while offline is sent later, and set-up stores share too", async () => {
  const use = defineStore("notes", () => ({ text: ref(""), done: ref(false) }), { sync: { doc: "notes" } });
  const [one, two] = [use(pinia()), use(pinia())];
  await until(() => expect([one.$sync.status, two.$sync.status]).toEqual(["live", "live"]));
  edge.refuse("offline");
  edge.cut();
  one.text = "from the train";
  two.done = true;
  await until(() => expect(one.$sync.status).toBe("offline"));
  expect(one.$sync.pending).toBe(1);
  edge.refuse();
  await until(() => expect([one.text, one.done, two.text, two.done]).toEqual(["from the train", true, "from the train", true]));
});

test("three writers, a hundred changes each, failures and lost answers: they converge", async () => {
  vi.restoreAllMocks();
  let seed = 7;
  const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  vi.spyOn(Math, "random").mockImplementation(() => random(10) / 1000);
  const stores = [board(), board(), board()];
  await Promise.all(stores.map(live));
  backend.fails = { before: () => random(8) === 0, after: () => random(8) === 0 };
  for (let round = 0; round < 100; round += 1) {
    for (const store of stores) {
      const id = `c${random(6)}`;
      const kind = random(5);
      if (kind === 0) store.title = `t${round}`;
      else if (kind === 1) delete store.cards[id];
      else if (kind === 2) store.tags.push(`${round}`);
      else if (kind === 3 && store.cards[id]) store.cards[id].done = !store.cards[id].done;
      else store.cards[id] = { text: `${round}`, done: false };
    }
    if (random(10) === 0) edge.cut();
    if (random(3) === 0) await new Promise((resolve) => setTimeout(resolve));
  }
  backend.fails = { before: () => false, after: () => false };
  await Promise.all(stores.map((store) => store.$sync.flush()));
  await until(() => {
    for (const store of stores) {
      const { title, cards, tags } = store;
      expect({ title, cards, tags }).toEqual(backend.content);
    }
  });
  expect(backend.commits).toBeGreaterThan(20);
  expect(stores.map((store) => store.$sync.pending)).toEqual([0, 0, 0]);
});

test("a hot reload keeps what is pending", async () => {
  const on = pinia();
  const store = board(on);
  await live(store);
  edge.refuse("offline");
  store.title = "unsent";
  await until(() => expect(store.$sync.pending).toBe(1));
  setActivePinia(on);
  const next = Object.assign(
    defineStore("board", { state: (): Board => ({ title: "", cards: {}, tags: [], local: 1 }), sync: { doc: "board" } }),
  );
  (next as unknown as (pinia: Pinia, hot: unknown) => void)(on, store);
  expect(store.title).toBe("unsent");
  edge.refuse();
  await store.$sync.flush();
  expect(backend.content?.title).toBe("unsent");
});
