// Plain pages against the edge: native EventSource, and another origin with credentials.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, otherOrigin, publish, startLastmile } from "./harness.js";

let app, browser;
before(async () => {
  [app, browser] = await Promise.all([startLastmile(), launch()]);
});
after(async () => {
  await browser?.close();
  await app?.close();
});

async function blank(t, url) {
  const page = await browser.newPage();
  t.after(() => page.close());
  await page.goto(url);
  return page;
}

/** Opens an EventSource in the page and collects what it says. */
function listen(page, url) {
  return page.evaluate((url) => {
    window.outcomes = [];
    window.numbers = [];
    window.source = new EventSource(url);
    source.addEventListener("lm-open", (event) => {
      window.outcomes.push(...JSON.parse(event.data).streams.map((stream) => stream.outcome));
    });
    source.addEventListener("number", (event) => window.numbers.push(JSON.parse(event.data).data));
  }, url);
}

test("a native EventSource resumes by itself after a kill", async (t) => {
  const page = await blank(t, app.url);
  await listen(page, "/api/v1/topics/news/events");
  await page.waitForFunction(() => window.outcomes.length === 1);
  await publish(app, "news", "number", 1);
  await page.waitForFunction(() => window.numbers.length === 1);
  await app.kill();
  await app.start();
  await publish(app, "news", "number", 2);
  await publish(app, "news", "number", 3);
  await page.waitForFunction(() => window.numbers.length === 3);
  assert.deepEqual(await page.evaluate(() => window.numbers), [1, 2, 3]);
  assert.deepEqual(await page.evaluate(() => window.outcomes), ["FRESH", "RESUMED"]);
});

test("a refused stream closes an EventSource for good", async (t) => {
  const page = await blank(t, app.url);
  const closed = page.evaluate(
    () =>
      new Promise((resolve) => {
        const source = new EventSource("/api/v1/topics/nowhere/events");
        source.onerror = () => resolve(source.readyState);
      }),
  );
  assert.equal(await closed, 2);
});

test("a page on another port logs in, reads and listens with credentials", async (t) => {
  const other = await otherOrigin();
  t.after(() => other.close());
  const page = await blank(t, other.url);
  const ask = (path, init = {}) =>
    page.evaluate(
      async ([url, init]) => {
        const response = await fetch(url, { credentials: "include", ...init });
        return { status: response.status, body: await response.text() };
      },
      [app.url + path, init],
    );
  const json = { method: "POST", headers: { "content-type": "application/json" } };
  const login = await ask("/api/login", { ...json, body: JSON.stringify({ username: "alice", password: "lastmile-dev" }) });
  assert.equal(login.status, 200, login.body);

  // The cookie is HttpOnly and goes along by itself: ports do not separate sites.
  const users = await ask("/api/users");
  assert.equal(users.status, 200, users.body);
  assert.equal(JSON.parse(users.body)[0].name, "Alice");
  const event = await ask("/api/v1/topics/news/events", { ...json, body: '{"type":"number","data":42}' });
  assert.equal(event.status, 200, event.body);

  await page.evaluate((url) => {
    window.last = new Promise((resolve) => {
      const source = new EventSource(url, { withCredentials: true });
      source.addEventListener("number", (event) => resolve(JSON.parse(event.data).data));
    });
  }, `${app.url}/api/v1/topics/news/events?last=1`);
  assert.equal(await page.evaluate(() => window.last), 42);
});
