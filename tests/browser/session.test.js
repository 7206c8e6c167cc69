// Sessions of the TypeScript client in a real browser: one session, whatever carries it, with a stream and a call in both
// directions open throughout.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { bundledPage, launch, startEdges, startLastmile } from "./harness.js";
import { createLab } from "./lab.js";

const ALL = ["websocket", "sse", "poll"];
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

/** The network may be another: the browser says so. */
const online = (page) => page.evaluate(() => window.dispatchEvent(new Event("online")));

test("WebSocket is blocked: the session goes by an event stream, through five hard cuts, and back by WebSocket", async (t) => {
  const { page, cutter, say, complete, state } = await lab(t, { options: { transports: ALL }, talk: true });
  await state("live websocket");
  await say(10);
  cutter.websocket = false;
  cutter.cut();
  await say(10);
  await state("live sse");
  for (let cut = 0; cut < 5; cut += 1) {
    const saying = say(10);
    await pause(50);
    cutter.cut();
    await saying;
    await state("live sse");
  }
  // Blocked still: that costs nothing.
  await online(page);
  await say(5);
  await state("live sse");
  const legs = cutter.requests.filter(({ path }) => path.startsWith("/stream?")).length;
  cutter.websocket = true;
  const saying = say(20);
  await online(page);
  await state("live websocket");
  await saying;
  await complete();
  assert.equal(cutter.requests.filter(({ path }) => path.startsWith("/stream?")).length, legs, "the event stream was not opened again");
  t.diagnostic(`${legs} event streams, ${cutter.requests.filter(({ method }) => method === "POST").length} requests beside them`);
});

test("one of two edges shuts down: streams go on by the other before the first is gone, a call in both directions ends where it is", async (t) => {
  const [one, other] = await startEdges(app, 2);
  t.after(() => Promise.all([one.close(), other.close()]));
  const { page, cutter, say, complete, state } = await lab(t, { edge: one, options: { transports: ALL }, talk: true });
  await state("live websocket");
  await say(5);
  cutter.leadTo(other);
  const states = await page.evaluate(() => lab.states.length);
  one.stop();
  const moved = page.waitForFunction((states) => lab.states.slice(states).includes("live websocket"), states, { timeout: 20_000 });
  let isThere = false;
  moved.then(() => (isThere = true));
  while (!isThere) await say(1);
  await say(5);
  await complete();
  // The edge waits for the call, and is gone when it is over.
  assert.equal(one.process.exitCode, null);
  await page.evaluate(() => lab.finish());
  await one.ended;
  await complete();
});

test("calls go over the session while it is open, and say of errors what they say by HTTP", async (t) => {
  const { page, sockets, cutter } = await lab(t, { options: { transports: ALL } });
  const before = cutter.requests.length;
  assert.deepEqual((await page.evaluate(() => lab.users())).slice(0, 2), ["Alice", "Bob"]);
  const failing = () => page.evaluate(() => lab.fail().catch(({ code, status, reason, fields, traceId }) => ({ code, status, reason, fields, traced: traceId.length })));
  const bySession = await failing();
  assert.equal(cutter.requests.length, before, "no request was made");
  assert.deepEqual(sockets[0].sent.flatMap(({ open }) => (open ? [open.method.split("/")[1]] : [])), ["Subscribe", "ListUsers", "CreateUser"]);
  await page.evaluate(() => lab.handle.close());
  await page.waitForFunction(() => lab.link.status.state === "idle");
  await pause(1500);
  assert.deepEqual(await failing(), bySession);
  assert.equal(cutter.requests.filter(({ method }) => method === "POST").length, 1);
});
