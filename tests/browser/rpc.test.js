// The real Connect and gRPC-Web clients against the edge, in Node and in a page of another origin.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, modulePage, startLastmile } from "./harness.js";
import { exercise, names } from "./rpc-client.js";

const expected = (name) => ({
  identity: "user",
  topics: ["news", "ticks"],
  event: { publisher: "bob", data: "hello" },
  badType: "InvalidArgument google.rpc.ErrorInfo google.rpc.BadRequest",
  anonymous: "Unauthenticated google.rpc.ErrorInfo",
  unknownTopic: "NotFound google.rpc.ErrorInfo google.rpc.ResourceInfo",
  unknownStream: "NotFound google.rpc.ErrorInfo google.rpc.ResourceInfo",
  lateStream: "DeadlineExceeded",
  methods: name === "connect get" ? ["GET", "POST"] : ["POST"],
});

let app, browser, site;
before(async () => {
  [app, browser, site] = await Promise.all([startLastmile(), launch(), modulePage()]);
});
after(async () => {
  await browser?.close();
  site?.close();
  await app?.close();
});

for (const name of names) {
  test(`${name} in Node`, async () => {
    assert.deepEqual(await exercise(app.url, name), expected(name));
  });

  test(`${name} in Chromium`, async (t) => {
    const page = await browser.newPage();
    t.after(() => page.close());
    await page.goto(site.url);
    const seen = await page.evaluate(
      async ([url, name]) => (await import("/rpc-client.js")).exercise(url, name),
      [app.url, name],
    );
    assert.deepEqual(seen, expected(name));
  });
}
