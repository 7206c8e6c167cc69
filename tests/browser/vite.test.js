// The Vite plugin as a developer meets it: the example app, and edits while events come.
import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { startCutter } from "./cutter.js";
import { watchSockets } from "./lab.js";
import { launch, publish, startEdges, startLastmile, startStock } from "./harness.js";

const client = join(import.meta.dirname, "../../client-ts");
const { createServer } = await import(join(client, "node_modules/vite/dist/node/index.js"));
const { default: vue } = await import(join(client, "node_modules/@vitejs/plugin-vue/dist/index.mjs"));
const { lastmile } = await import(join(client, "client/dist/vite/index.js"));

let app, browser;
before(async () => {
  [app, browser] = await Promise.all([startLastmile(), launch()]);
});
after(async () => {
  await browser?.close();
  await app?.close();
});

const hot = join(import.meta.dirname, "hot");

/**
 * A copy of an app beside the packages that it needs, changed as `change` and `add` say, served by Vite through a proxy that counts.
 * `sockets` are the sessions' WebSockets.
 */
async function develop(t, source, { edge = app, change = {}, add = {}, types = "lastmile/v1/user.ts" } = {}) {
  const root = join(client, `.under-test-${process.pid}`);
  const filter = (path) => !/node_modules|dist$|\/api$/.test(path);
  cpSync(source, root, { recursive: true, filter });
  for (const [file, [old, text]] of Object.entries(change)) {
    writeFileSync(join(root, file), readFileSync(join(root, file), "utf8").replace(old, text));
  }
  for (const [file, text] of Object.entries(add)) writeFileSync(join(root, file), text);
  const cutter = await startCutter(edge);
  const out = join(root, source.endsWith("hot") ? "api" : "src/api");
  const plugins = [vue(), lastmile({ edge: cutter.url, out })];
  const vite = await createServer({ root, configFile: false, logLevel: "silent", plugins, server: { host: "127.0.0.1", port: 0 } });
  await vite.listen();
  const context = await browser.newContext();
  const page = await context.newPage();
  const sockets = watchSockets(page);
  t.after(async () => {
    await context.close();
    await vite.close();
    cutter.close();
    rmSync(root, { recursive: true, force: true });
  });
  const url = `http://127.0.0.1:${vite.httpServer.address().port}`;
  // Types are there a moment after the start.
  while (!existsSync(join(out, types))) await setTimeout(50);
  await page.goto(url);
  return { page, root, cutter, sockets, streams: () => cutter.requests.filter(({ accept }) => accept === "text/event-stream").length };
}

test("the example shows ticks, publishes news, and goes on after a cut", async (t) => {
  const { page } = await develop(t, join(client, "example"));
  await page.waitForFunction(() => /"n":/.test(document.querySelector("[data-testid=tick]")?.textContent ?? ""));
  await page.getByLabel("News").fill("from the example");
  await page.getByRole("button", { name: "Publish" }).click();
  await page.getByTestId("news").filter({ hasText: "from the example" }).waitFor();
  await page.getByRole("button", { name: "Cut" }).click();
  await page.getByTestId("status").filter({ hasText: "live" }).waitFor();
  await page.getByLabel("News").fill("after the cut");
  await page.getByRole("button", { name: "Publish" }).click();
  await page.getByTestId("news").filter({ hasText: "after the cut" }).waitFor();
  assert.equal(await page.getByTestId("news").filter({ hasText: "from the example" }).count(), 1);
});

/** Changes one thing in a file of the app, and waits until that has come to the page. */
async function edit(root, file, what, count, done) {
  const path = join(root, file);
  writeFileSync(path, readFileSync(path, "utf8").replace(`${what} ${count - 1}`, `${what} ${count}`));
  await done;
  // Vite takes two writes of a file in one moment for one.
  await setTimeout(150);
}

const updated = (page) => page.waitForEvent("console", { predicate: (message) => /hot updated/.test(message.text()), timeout: 20_000 });
const loaded = (page) => page.waitForEvent("load", { timeout: 20_000 });

/** Three edits of template, script and composable each, then three of what owns the link, for which Vite loads the page anew. */
async function editAll({ page, root }, afterHotReloads) {
  await page.evaluate(() => (window.loads = "the first"));
  for (const [file, what] of [["App.vue", "template"], ["App.vue", "script"], ["use_numbers.ts", "edit"]]) {
    for (let count = 1; count <= 3; count += 1) await edit(root, file, what, count, updated(page));
  }
  assert.match(await page.getByTestId("edit").textContent(), /script 3, template 3/);
  assert.equal(await page.evaluate(() => window.loads), "the first", "the page was not reloaded");
  afterHotReloads();
  // The entry imports the link, and accepts no updates.
  for (let count = 1; count <= 3; count += 1) {
    await edit(root, "link.ts", "edit", count, loaded(page));
    await page.getByTestId("status").filter({ hasText: "live" }).waitFor();
  }
}

/** Publishes numbers until the result is called; gives how many there were. */
function publishNumbers() {
  let number = 0;
  let isSaying = true;
  const saying = (async () => {
    while (isSaying) await publish(app, "news", "number", (number += 1));
  })();
  return async () => {
    isSaying = false;
    await saying;
    return number;
  };
}

const seen = (page) => page.evaluate(() => sessionStorage.numbers.split(",").slice(0, -1).map(Number));

/** Every number came, once. */
async function assertAll(page, number) {
  await page.waitForFunction((last) => sessionStorage.numbers?.endsWith(`,${last},`), number, { timeout: 20_000 });
  const numbers = await seen(page);
  const lost = Array.from({ length: number }, (_, index) => index + 1).filter((each) => !numbers.includes(each));
  assert.deepEqual({ lost, repeated: numbers.length - new Set(numbers).size, gaps: await page.evaluate(() => sessionStorage.gaps) }, { lost: [], repeated: 0, gaps: undefined });
}

test("three edits of template, script and composable each: no new connection; of the link: a reload; nothing lost or twice", async (t) => {
  const { page, root, streams } = await develop(t, hot);
  await page.getByTestId("status").filter({ hasText: "live" }).waitFor();
  const stop = publishNumbers();
  await editAll({ page, root }, () => assert.equal(streams(), 1, "one stream was ever opened"));
  await assertAll(page, await stop());
});

/** By WebSocket: the link's default. */
const bySession = { "link.ts": ['{ transports: ["sse", "poll"] }', "{}"] };

/** One session, which tickets have moved, within one trace. */
function assertMoved(sockets) {
  const hellos = sockets.map(({ sent }) => sent[0].hello);
  assert.ok(hellos.slice(1).every(({ ticket }) => ticket), "moved by tickets");
  assert.equal(new Set(sockets.map(({ received }) => received[0].ready.session)).size, 1, "one session");
  assert.equal(new Set(hellos.map(({ traceparent }) => traceparent.slice(3, 35))).size, 1, "one trace");
}

test("the same over WebSocket: one session and one trace through hot reloads and reloads of the page", async (t) => {
  const { page, root, sockets } = await develop(t, hot, { change: bySession });
  await page.getByTestId("status").filter({ hasText: "live" }).waitFor();
  const stop = publishNumbers();
  await editAll({ page, root }, () => assert.equal(sockets.length, 1, "one connection was ever opened"));
  await assertAll(page, await stop());
  assert.equal(sockets.length, 4);
  assertMoved(sockets);
});

test("a stream that has no cursor goes through reloads of the page too: one call of the backend", async (t) => {
  const stock = await startStock();
  const [edge] = await startEdges(stock, 1);
  t.after(() => Promise.all([edge.close(), stock.close()]));
  const { page, root, sockets } = await develop(t, hot, {
    edge,
    types: "acme/stock/v1/stock.ts",
    change: {
      "link.ts": [/import \{ TopicService[^]*/, 'import { StockService } from "./api/acme/stock/v1/stock";\n\nexport const link = createLink();\nexport const stock = createClient(StockService, link);\n// edit 0\n'],
      "use_numbers.ts": [/import \{ topics[^]*/, 'import { stock } from "./link";\n\nexport const useNumbers = () =>\n  useStream(stock.watchPrices, { sku: "bolt" }, {\n    event: ({ amount }) => void (sessionStorage.numbers = `${sessionStorage.numbers ?? ""}${amount},`),\n    gap: ({ reason }) => void (sessionStorage.gaps = reason),\n  });\n// edit 0\n'],
    },
  });
  await page.getByTestId("status").filter({ hasText: "live" }).waitFor();
  await editAll({ page, root }, () => {});
  const numbers = await seen(page);
  const missing = numbers.filter((number, index) => index > 0 && number !== numbers[index - 1] + 0.5);
  assert.deepEqual({ missing, gaps: await page.evaluate(() => sessionStorage.gaps) }, { missing: [], gaps: undefined });
  const counts = await (await fetch(`${edge.url}/acme/v1/streams`)).json();
  assert.deepEqual(counts, { open: 1, ended: 0 });
  assertMoved(sockets);
  t.diagnostic(`${numbers.length} prices`);
});

test("a worker for all tabs, as README has it: two tabs, one connection", async (t) => {
  const { page, cutter } = await develop(t, hot, {
    change: {
      "link.ts": ['{ transports: ["sse", "poll"] }', '{ worker: () => new SharedWorker(new URL("./use_tabs.ts", import.meta.url), { type: "module" }) }'],
    },
    add: { "use_tabs.ts": 'import { serveTabs } from "@lastmile/client/worker";\n\nserveTabs();\n' },
  });
  const other = await page.context().newPage();
  await other.goto(page.url());
  for (const tab of [page, other]) await tab.getByTestId("status").filter({ hasText: "live" }).waitFor();
  await publish(app, "news", "number", 7);
  for (const tab of [page, other]) await tab.waitForFunction(() => sessionStorage.numbers?.endsWith("7,"));
  assert.equal(cutter.upgrades, 1);
});
