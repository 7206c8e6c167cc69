// What a page and its identity go through while a session is open: tokens that expire, frozen tabs, many tabs.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { bundledPage, launch, startLastmile } from "./harness.js";
import { askAt, createLab } from "./lab.js";

const ALL = { transports: ["websocket", "sse", "poll"] };
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

test("a token is renewed in the session, twice: one refresh each, whoever asks, and no stream breaks", async (t) => {
  // Sessions are told at once; afterwards it is renewed when half of it is over.
  const brief = await startLastmile('access_token_lifetime = "12s"\n');
  t.after(() => brief.close());
  const lab = createLab({ app: brief, browser, site, tokenMs: 6000 });
  const { accessToken, refreshToken } = await askAt(brief.url, "POST", "/api/v1/auth/login", { username: "bob", password: "lastmile-dev" });
  const { page, sockets, say, complete } = await lab(t, { options: ALL, tokens: { access: accessToken, refresh: refreshToken } });
  for (let refreshes = 1; refreshes <= 2; refreshes += 1) {
    const renewed = page.waitForFunction((refreshes) => lab.refreshes === refreshes, refreshes, { timeout: 30_000 });
    while (!(await Promise.race([renewed.then(() => true), pause(200)]))) await say(1);
  }
  await Promise.all(Array.from({ length: 5 }, () => page.evaluate(() => lab.users())));
  await say(5);
  await complete();
  assert.equal(sockets.length, 1, "one connection");
  assert.equal(sockets[0].received.filter(({ authed }) => authed).length, 2, "two new tokens were taken");
  assert.deepEqual(await page.evaluate(() => [lab.refreshes, lab.states.filter((state) => !/^(connecting|live)/.test(state))]), [2, []]);
});

for (const transport of ["websocket", "sse", "poll"]) {
  test(`a bad token by ${transport}: the stream fails, and says why; nobody asks again`, async (t) => {
    const { page, cutter, sockets, state } = await lab(t, { options: { transports: [transport], token: "no.such.token" }, waits: false });
    await state("failed");
    const { code, reason, message } = await page.evaluate(() => lab.error);
    assert.deepEqual([code, reason], ["UNAUTHENTICATED", "TOKEN_INVALID"]);
    t.diagnostic(message);
    const asked = () => cutter.requests.filter(({ method }) => method !== "OPTIONS").length + sockets.length;
    const before = asked();
    await pause(3000);
    assert.equal(asked(), before);
  });
}

for (const transport of ["websocket", "sse"]) {
  test(`a tab is frozen, its connection cut, and goes on when it thaws (${transport})`, async (t) => {
    const { page, cutter, say, complete, state } = await lab(t, { options: { transports: [transport] } });
    await say(3);
    const devtools = await page.context().newCDPSession(page);
    await devtools.send("Page.setWebLifecycleState", { state: "frozen" });
    await say(5);
    cutter.cut();
    await say(5);
    await pause(1000);
    await devtools.send("Page.setWebLifecycleState", { state: "active" });
    await complete();
    await state("live");
  });
}

test("the page rests in the back/forward cache, without a WebSocket, and its session goes on", async (t) => {
  const restful = await launch({ ignoreDefaultArgs: ["--disable-back-forward-cache"] });
  t.after(() => restful.close());
  const { page, sockets, say, complete } = await lab(t, { context: restful, options: ALL });
  await say(3);
  await page.evaluate(() => window.addEventListener("pageshow", (event) => (sessionStorage.persisted = event.persisted)));
  await page.goto(`${site.url}/other.html`);
  await say(10);
  await page.goBack({ waitUntil: "commit" });
  await complete();
  assert.equal(await page.evaluate(() => sessionStorage.persisted), "true");
  assert.equal(new Set(sockets.map(({ received }) => received[0].ready.session)).size, 1, "one session");
});

test("eight tabs, each with a session: all are live, and calls still get through", async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const tabs = [];
  for (let tab = 0; tab < 8; tab += 1) tabs.push(await lab(t, { context, options: ALL }));
  await Promise.all(tabs.map(({ say }) => say(5)));
  for (const tab of tabs) tab.cutter.cut();
  await Promise.all(tabs.map(({ say }) => say(5)));
  for (const { complete } of tabs) await complete();
  assert.deepEqual((await tabs[7].page.evaluate(() => lab.users())).slice(0, 2), ["Alice", "Bob"]);
});

test("from the beginning of a page to its first event", async (t) => {
  const ways = { websocket: ALL, "the session by an event stream": { ...ALL, blocked: true }, sse: { transports: ["sse"] }, poll: { transports: ["poll"] } };
  for (const [name, { blocked, ...options }] of Object.entries(ways)) {
    const { page, cutter, open, say } = await lab(t, { options });
    await say(1);
    cutter.websocket = !blocked;
    const times = [];
    for (let round = 0; round < 5; round += 1) {
      await open({ last: 1 });
      await page.waitForFunction(() => lab.firstMs);
      times.push(await page.evaluate(() => lab.firstMs));
    }
    t.diagnostic(`${name}: ${times.sort((one, other) => one - other)[2].toFixed(0)} ms (median of 5)`);
  }
});
