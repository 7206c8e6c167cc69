// A page of the client through a proxy that cuts, and what must have come there: every number once, in order.
import assert from "node:assert/strict";
import { startCutter } from "./cutter.js";

/**
 * Makes labs against this app: each has a page with a link, reading a topic of its own; `say` publishes the next number.
 * With `talk` the page also has a call in both directions open, and `say` has it commit the number to a document.
 */
export function createLab({ app, browser, site, tokenMs = 300_000 }) {
  const ask = (...call) => askAt(app.url, ...call);
  /** One login a user and a while: the core lets an address try only so often, and tokens may be short-lived. */
  const logins = new Map();
  async function login(username) {
    const { token, at } = logins.get(username) ?? { at: 0 };
    if (Date.now() - at < tokenMs) return token;
    const { accessToken } = await ask("POST", "/api/v1/auth/login", { username, password: "lastmile-dev" });
    logins.set(username, { token: accessToken, at: Date.now() });
    return accessToken;
  }

  return async (t, { options = {}, context, edge = app, talk = false, waits = true, shared = false, tokens: rotating } = {}) => {
    const cutter = await startCutter(edge);
    const page = await (context ?? browser).newPage();
    const sockets = watchSockets(page);
    t.after(async () => {
      await page.close();
      cutter.close();
    });
    let number = 0;
    const token = await login("alice");
    const topic = `t${cutter.url.split(":").pop()}`;
    await ask("POST", "/api/v1/topics", { name: topic, rules: { publish: ["signed-in"], subscribe: ["signed-in"] } }, await login("admin"));
    if (talk) await ask("POST", `/api/v1/documents/${topic}:commit`, { ops: [{ opId: "0", path: "/n0", set: 0 }] }, token);
    const open = async ({ last = 0, on = page } = {}) => {
      await on.goto(site.url);
      await on.evaluate(
        ([options, topic, talk, rotating, last, shared]) => {
          lab.open(options, { tokens: rotating, shared });
          lab.read(topic, last);
          if (talk) lab.talk(topic);
        },
        [{ baseUrl: cutter.url, token, transports: ["sse", "poll"], ...options }, topic, talk, rotating, last, shared],
      );
      if (waits) await state("live", on);
    };
    const state = (wanted, on = page) => on.waitForFunction((wanted) => lab.states.at(-1)?.startsWith(wanted), wanted, { timeout: 20_000 });
    const say = async (times = 1) => {
      for (let time = 0; time < times; time += 1) {
        const mine = (number += 1);
        await ask("POST", `/api/v1/topics/${topic}/events`, { type: "number", data: mine }, await login("alice"));
        if (talk) await page.evaluate((mine) => lab.say(mine), mine);
      }
    };
    /** Waits for the last number; everything must be there, once, in order. */
    const complete = async (on = page) => {
      await on.waitForFunction((last) => sessionStorage.numbers?.endsWith(`number=${last},`), number, { timeout: 20_000 });
      const seen = await on.evaluate(() => sessionStorage.numbers.split(",").slice(0, -1));
      const expected = Array.from({ length: number }, (_, index) => `number=${index + 1}`);
      const lost = expected.filter((each) => !seen.includes(each));
      assert.deepEqual({ lost, repeated: seen.length - new Set(seen).size, gaps: await on.evaluate(() => lab.gaps) }, { lost: [], repeated: 0, gaps: [] });
      assert.deepEqual(seen, expected);
      if (!talk) return;
      // Of the call in both directions: each commit was answered once, and its change heard once.
      await on.waitForFunction((last) => lab.heard.at(-1) === last && lab.answered === last, number, { timeout: 20_000 });
      assert.deepEqual(await on.evaluate(() => lab.heard), Array.from({ length: number }, (_, index) => index + 1));
    };
    await open();
    return { page, sockets, cutter, open, state, say, complete, topic, token };
  };
}

/** Of each WebSocket that a page opens, the first frames of both sides, and what else the test wants to look at. */
export function watchSockets(page) {
  const sockets = [];
  page.on("websocket", (socket) => {
    if (!socket.url().endsWith("/ws")) return;
    const seen = { sent: [], received: [] };
    sockets.push(seen);
    socket.on("framesent", ({ payload }) => seen.sent.push(JSON.parse(payload)));
    socket.on("framereceived", ({ payload }) => seen.received.push(JSON.parse(payload)));
  });
  return sockets;
}

/** Calls an edge by REST. */
export async function askAt(url, method, path, body, token) {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const response = await fetch(url + path, { method, headers, body: JSON.stringify(body) });
  const answer = await response.json();
  assert.ok(response.ok, JSON.stringify(answer));
  return answer;
}
