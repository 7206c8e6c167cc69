// One session for all tabs, in a SharedWorker.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { bundledPage, launch, startLastmile } from "./harness.js";
import { askAt, createLab } from "./lab.js";

const ALL = { transports: ["websocket", "sse", "poll"] };
let app, browser, site, lab;
before(async () => {
  [app, browser, site] = await Promise.all([startLastmile(), launch(), bundledPage("client-page.ts", "client-worker.ts")]);
  lab = createLab({ app, browser, site });
});
after(async () => {
  await browser?.close();
  site?.close();
  await app?.close();
});

/** So many tabs of one browser, the first of them the lab's. */
async function tabs(t, count, options, makeLab = lab) {
  const context = await browser.newContext();
  t.after(() => context.close());
  const first = await makeLab(t, { context, options: ALL, shared: true, ...options });
  const pages = [first.page];
  while (pages.length < count) {
    const page = await context.newPage();
    await first.open({ on: page });
    pages.push(page);
  }
  return { ...first, pages };
}

test("eight tabs have one connection, through cuts, and when the first of them are closed", async (t) => {
  const { pages, cutter, say, state, complete } = await tabs(t, 8);
  assert.equal(cutter.upgrades, 1);
  await say(5);
  cutter.cut();
  await say(5);
  for (const page of pages) await complete(page);
  await Promise.all(pages.splice(0, 3).map((page) => page.close()));
  await say(5);
  cutter.cut();
  await say(5);
  for (const page of pages) await complete(page);
  assert.equal(cutter.upgrades, 3, "one connection, and one after each cut");
  await state("live websocket", pages[0]);
});

test("tabs have a call in both directions each", async (t) => {
  const { pages, cutter, say, complete } = await tabs(t, 1, { talk: true });
  await say(10);
  cutter.cut();
  await say(10);
  await complete(pages[0]);
});

test("WebSocket is blocked: the worker's session goes by an event stream, and back", async (t) => {
  const { pages, cutter, say, state, complete } = await tabs(t, 2);
  cutter.websocket = false;
  cutter.cut();
  await say(5);
  for (const page of pages) await state("live sse", page);
  cutter.websocket = true;
  await pages[1].evaluate(() => window.dispatchEvent(new Event("online")));
  for (const page of pages) await state("live websocket", page);
  await say(5);
  for (const page of pages) await complete(page);
});

test("a token is renewed once for all tabs, by one of them", async (t) => {
  const brief = await startLastmile('access_token_lifetime = "12s"\n');
  t.after(() => brief.close());
  const { accessToken, refreshToken } = await askAt(brief.url, "POST", "/api/v1/auth/login", { username: "bob", password: "lastmile-dev" });
  const tokens = { access: accessToken, refresh: refreshToken };
  const { pages, cutter, say, complete } = await tabs(t, 3, { tokens }, createLab({ app: brief, browser, site, tokenMs: 6000 }));
  const refreshes = async () => (await Promise.all(pages.map((page) => page.evaluate(() => lab.refreshes)))).reduce((sum, each) => sum + each, 0);
  while ((await refreshes()) === 0) await pause(200);
  await say(5);
  for (const page of pages) await complete(page);
  assert.deepEqual([await refreshes(), cutter.upgrades], [1, 1]);
});

test("tabs of different callers share nothing", async (t) => {
  const { page, cutter, open } = await tabs(t, 1);
  const other = await page.context().newPage();
  await open({ on: other });
  assert.equal(cutter.upgrades, 1);
  const { accessToken: token } = await askAt(app.url, "POST", "/api/v1/auth/login", { username: "bob", password: "lastmile-dev" });
  const third = await page.context().newPage();
  await third.goto(site.url);
  await third.evaluate(
    ([options, topic]) => (lab.open(options, { shared: true }), lab.read(topic)),
    [{ ...ALL, baseUrl: cutter.url, token }, `t${cutter.url.split(":").pop()}`],
  );
  await third.waitForFunction(() => lab.states.at(-1)?.startsWith("live"));
  assert.equal(cutter.upgrades, 2);
});

test("the worker dies: its tabs have another, and go on where they were", async (t) => {
  const { pages, cutter, say, complete } = await tabs(t, 2);
  await say(3);
  const devtools = await browser.newBrowserCDPSession();
  const { targetInfos } = await devtools.send("Target.getTargets");
  for (const { targetId, type } of targetInfos) if (type === "shared_worker") await devtools.send("Target.closeTarget", { targetId });
  await say(3);
  for (const page of pages) await complete(page);
  assert.equal(cutter.upgrades, 2);
});
