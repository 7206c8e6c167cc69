// The TypeScript client in a real browser against a real edge: nothing lost, nothing twice, whatever happens in between.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startCutter } from "./cutter.js";
import { bundledPage, launch, startLastmile } from "./harness.js";

let app, browser, site;
before(async () => {
  [app, browser, site] = await Promise.all([startLastmile(), launch(), bundledPage("client-page.ts")]);
});
after(async () => {
  await browser?.close();
  site?.close();
  await app?.close();
});

/** A page with a link through a proxy of its own, reading the topic; `say` publishes the next number. */
async function lab(t, { options = {}, context } = {}) {
  const cutter = await startCutter(app);
  const page = await (context ?? browser).newPage();
  t.after(async () => {
    await page.close();
    cutter.close();
  });
  let number = 0;
  const token = await login("alice");
  const topic = `t${cutter.url.split(":").pop()}`;
  await ask("POST", "/api/v1/topics", { name: topic, rules: { publish: ["signed-in"], subscribe: ["signed-in"] } }, await login("admin"));
  const open = async () => {
    await page.goto(site.url);
    await page.evaluate(
      ([options, topic]) => {
        lab.open(options);
        lab.read(topic);
      },
      [{ baseUrl: cutter.url, token, transports: ["sse", "poll"], ...options }, topic],
    );
    await state("live");
  };
  const state = (wanted) => page.waitForFunction((wanted) => lab.states.at(-1)?.startsWith(wanted), wanted, { timeout: 20_000 });
  const say = async (times = 1) => {
    for (let time = 0; time < times; time += 1) {
      await ask("POST", `/api/v1/topics/${topic}/events`, { type: "number", data: (number += 1) }, token);
    }
  };
  /** Waits for the last number; everything must be there, once, in order. */
  const complete = async () => {
    await page.waitForFunction((last) => sessionStorage.numbers?.endsWith(`number=${last},`), number, { timeout: 20_000 });
    const seen = await page.evaluate(() => sessionStorage.numbers.split(",").slice(0, -1));
    const expected = Array.from({ length: number }, (_, index) => `number=${index + 1}`);
    const lost = expected.filter((each) => !seen.includes(each));
    assert.deepEqual({ lost, repeated: seen.length - new Set(seen).size, gaps: await page.evaluate(() => lab.gaps) }, { lost: [], repeated: 0, gaps: [] });
    assert.deepEqual(seen, expected);
  };
  await open();
  return { page, cutter, open, state, say, complete };
}

async function hasSessions() {
  const { status } = await fetch(`${app.url}/ws`);
  return status !== 404 && status !== 200;
}

async function ask(method, path, body, token) {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const response = await fetch(app.url + path, { method, headers, body: JSON.stringify(body) });
  const answer = await response.json();
  assert.ok(response.ok, JSON.stringify(answer));
  return answer;
}

/** One login a user: the core lets an address try only so often. */
const tokens = new Map();
async function login(username) {
  if (!tokens.has(username)) {
    const { accessToken } = await ask("POST", "/api/v1/auth/login", { username, password: "lastmile-dev" });
    tokens.set(username, accessToken);
  }
  return tokens.get(username);
}

test("calls another origin, with its token", async (t) => {
  const { page } = await lab(t);
  assert.deepEqual((await page.evaluate(() => lab.users())).slice(0, 2), ["Alice", "Bob"]);
});

for (const transport of ["websocket", "sse", "poll"]) {
  test(`five hard cuts by ${transport}: nothing lost, nothing twice`, async (t) => {
    if (transport === "websocket" && !(await hasSessions())) return t.skip("this edge has no /ws");
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
  if (!(await hasSessions())) return t.skip("this edge has no /ws");
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
