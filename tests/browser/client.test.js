// The TypeScript client in a real browser against a real edge: nothing lost, nothing twice, whatever happens in between.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { bundledPage, launch, startLastmile } from "./harness.js";
import { createLab } from "./lab.js";

let app, browser, site, lab;
before(async () => {
  [app, browser, site] = await Promise.all([startLastmile(), launch(), bundledPage("client-page.ts")]);
  lab = createLab({ app, browser, site });
});
after(async () => {
  await browser?.close();
  site?.close();
  await app?.close();
});

test("calls another origin, with its token", async (t) => {
  const { page } = await lab(t);
  assert.deepEqual((await page.evaluate(() => lab.users())).slice(0, 2), ["Alice", "Bob"]);
});

for (const transport of ["websocket", "sse", "poll"]) {
  test(`five hard cuts by ${transport}: nothing lost, nothing twice`, async (t) => {
    const { cutter, say, complete, state } = await lab(t, { options: { transports: [transport] } });
    for (let cut = 0; cut < 5; cut += 1) {
      const saying = say(20);
      await new Promise((resolve) => setTimeout(resolve, 30));
      cutter.cut();
      await saying;
      await state("live");
    }
    await complete();
  });
}

test("streams are refused from now on: long polls take over, and nothing is lost", async (t) => {
  const { page, cutter, say, complete, state } = await lab(t);
  await say(5);
  cutter.sse = false;
  cutter.cut();
  await say(20);
  await state("live poll");
  await say(20);
  await complete();
  assert.equal(await page.evaluate(() => lab.link.status.transport), "poll");
});

test("WebSocket is refused from now on: streams take over, and nothing is lost", async (t) => {
  const { cutter, say, complete, state } = await lab(t, { options: { transports: ["websocket", "sse", "poll"] } });
  await say(5);
  cutter.websocket = false;
  cutter.cut();
  await say(20);
  await state("live sse");
  await say(20);
  await complete();
});

test("the process behind it is killed and comes back", async (t) => {
  const { say, complete, state } = await lab(t);
  await say(10);
  await app.kill();
  await state("reconnecting");
  await app.start();
  await say(10);
  await complete();
});

test("offline for a while: back at once, by the same transport", async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const { page, cutter, say, complete, state } = await lab(t, { context });
  await context.setOffline(true);
  cutter.cut();
  await state("reconnecting");
  await say(10);
  await new Promise((resolve) => setTimeout(resolve, 3000));
  await context.setOffline(false);
  await complete();
  assert.equal(await page.evaluate(() => lab.link.status.transport), "sse");
});

test("four reloads of the page: it goes on where it was", async (t) => {
  const { open, say, complete } = await lab(t);
  for (let reload = 0; reload < 4; reload += 1) {
    const saying = say(10);
    await open();
    await saying;
  }
  await complete();
});

test("the page rests in the back/forward cache, without a connection, and goes on", async (t) => {
  const restful = await launch({ ignoreDefaultArgs: ["--disable-back-forward-cache"] });
  t.after(() => restful.close());
  const { page, say, complete } = await lab(t, { context: restful });
  await say(3);
  await page.evaluate(() => window.addEventListener("pageshow", (event) => (sessionStorage.persisted = event.persisted)));
  await page.goto(`${site.url}/other.html`);
  await say(10);
  await page.goBack({ waitUntil: "commit" });
  await complete();
  assert.equal(await page.evaluate(() => sessionStorage.persisted), "true");
});
