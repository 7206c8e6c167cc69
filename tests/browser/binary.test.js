// Clients that speak protobuf, in a real browser, against a backend in Python.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { bundledPage, launch, startEdges, startStock } from "./harness.js";
import { watchSockets } from "./lab.js";

let stock, edge, browser, site;
before(async () => {
  [stock, browser, site] = await Promise.all([startStock(), launch(), bundledPage("binary-page.ts")]);
  [edge] = await startEdges(stock, 1);
});
after(async () => {
  await browser?.close();
  site?.close();
  await edge?.close();
  await stock?.close();
});

for (const transport of ["websocket", "sse", "poll"]) {
  test(`streams and calls by ${transport}: 64-bit integers are bigint, errors are what they are`, async (t) => {
    const page = await browser.newPage();
    t.after(() => page.close());
    const sockets = watchSockets(page);
    await page.goto(site.url);
    const { amounts, quantity, missing, json } = await page.evaluate(([url, transport]) => read(url, [transport], 20), [edge.url, transport]);
    assert.deepEqual(amounts.map((amount) => amount - amounts[0]), Array.from({ length: 20 }, (_, index) => index / 2));
    assert.deepEqual(quantity, ["bigint", "9007199254740993"]);
    assert.equal(missing, "NOT_FOUND");
    assert.equal(json.title, "Nut M8");
    // Over a session they are bytes.
    const messages = sockets.flatMap(({ received }) => received.filter(({ message }) => message?.proto));
    assert.equal(messages.length >= 20, transport === "websocket");
  });
}
