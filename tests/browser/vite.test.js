// The Vite plugin as a developer meets it: the example app, and edits while events come.
import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { startCutter } from "./cutter.js";
import { launch, publish, startLastmile } from "./harness.js";

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

/** A copy of an app beside the packages that it needs, served by Vite through a proxy that counts. */
async function develop(t, source) {
  const root = join(client, `.under-test-${process.pid}`);
  const filter = (path) => !/node_modules|dist$|\/api$/.test(path);
  cpSync(source, root, { recursive: true, filter });
  const cutter = await startCutter(app);
  const out = join(root, source.endsWith("hot") ? "api" : "src/api");
  const plugins = [vue(), lastmile({ edge: cutter.url, out })];
  const vite = await createServer({ root, configFile: false, logLevel: "silent", plugins, server: { host: "127.0.0.1", port: 0 } });
  await vite.listen();
  const page = await browser.newPage();
  t.after(async () => {
    await page.close();
    await vite.close();
    cutter.close();
    rmSync(root, { recursive: true, force: true });
  });
  const url = `http://127.0.0.1:${vite.httpServer.address().port}`;
  // Types are there a moment after the start.
  while (!existsSync(join(out, "lastmile/v1/user.ts"))) await setTimeout(50);
  await page.goto(url);
  return { page, root, cutter, streams: () => cutter.requests.filter(({ accept }) => accept === "text/event-stream").length };
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

test("three edits of template, script and composable each: no new connection; of the link: a reload; nothing lost or twice", async (t) => {
  const { page, root, streams } = await develop(t, join(import.meta.dirname, "hot"));
  await page.getByTestId("status").filter({ hasText: "live" }).waitFor();
  let number = 0;
  let isSaying = true;
  const saying = (async () => {
    while (isSaying) await publish(app, "news", "number", (number += 1));
  })();

  const edit = async (file, what, count, done) => {
    const path = join(root, file);
    writeFileSync(path, readFileSync(path, "utf8").replace(`${what} ${count - 1}`, `${what} ${count}`));
    await done;
    // Vite takes two writes of a file in one moment for one.
    await setTimeout(150);
  };
  const updated = () => page.waitForEvent("console", { predicate: (message) => /hot updated/.test(message.text()), timeout: 20_000 });
  await page.evaluate(() => (window.loads = "the first"));
  for (const [file, what] of [["App.vue", "template"], ["App.vue", "script"], ["use_numbers.ts", "edit"]]) {
    for (let count = 1; count <= 3; count += 1) await edit(file, what, count, updated());
  }
  assert.match(await page.getByTestId("edit").textContent(), /script 3, template 3/);
  assert.equal(await page.evaluate(() => window.loads), "the first", "the page was not reloaded");
  assert.equal(streams(), 1, "one stream was ever opened");

  // The entry imports the link, and accepts no updates: Vite loads the page anew.
  for (let count = 1; count <= 3; count += 1) {
    await edit("link.ts", "edit", count, page.waitForEvent("load", { timeout: 20_000 }));
    await page.getByTestId("status").filter({ hasText: "live" }).waitFor();
  }
  isSaying = false;
  await saying;
  await page.waitForFunction((last) => sessionStorage.numbers?.endsWith(`,${last},`), number, { timeout: 20_000 });
  const seen = await page.evaluate(() => sessionStorage.numbers.split(",").slice(0, -1).map(Number));
  const lost = Array.from({ length: number }, (_, index) => index + 1).filter((each) => !seen.includes(each));
  assert.deepEqual({ lost, repeated: seen.length - new Set(seen).size, gaps: await page.evaluate(() => sessionStorage.gaps) }, { lost: [], repeated: 0, gaps: undefined });
});
