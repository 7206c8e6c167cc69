// Every page of the console, light and dark, wide and narrow: axe finds nothing, and nothing sticks out.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import axe from "axe-core";
import { login, openConsole, says } from "./console.js";
import { launch, publish, startLastmile } from "./harness.js";

let app, browser;
before(async () => {
  [app, browser] = await Promise.all([startLastmile(), launch()]);
  await publish(app, "news", "news:item", { title: "a long word: ".padEnd(200, "x") });
});
after(async () => {
  await browser?.close();
  await app?.close();
});

const sizes = { wide: { width: 1366, height: 860 }, narrow: { width: 360, height: 740 } };

/** How each page comes to show what it has. */
const pages = {
  live: async (page) => {
    await page.goto(`${app.url}/#/live/news`);
    await page.getByTestId("event-row").first().locator("summary").click();
    await page.getByTestId("cut").click();
    await page.getByTestId("event-mark").first().waitFor();
  },
  board: async (page) => {
    await page.goto(`${app.url}/#/board`);
    await page.getByTestId("draft-left").fill("a note");
    await page.getByTestId("add-left").click();
    const pane = (side) => page.getByTestId(`pane-${side}`);
    await pane("right").getByTestId("note-text").first().waitFor();
    await page.getByTestId("network-left").click();
    await pane("left").getByTestId("note-text").first().fill(`mine ${Date.now()}`);
    await pane("right").getByTestId("note-text").first().fill(`theirs ${Date.now()}`);
    await pane("right").getByTestId("sync-pending").waitFor({ state: "detached" });
    await check(page, "board, cut off");
    await page.getByTestId("network-left").click();
    await page.getByTestId("back-left").waitFor();
  },
  users: async (page) => {
    await page.goto(`${app.url}/#/users`);
    await page.getByTestId("user-row").nth(2).waitFor();
    await page.getByTestId("user-edit").first().click();
    await check(page, "users, a dialog");
    await page.keyboard.press("Escape");
  },
  lab: async (page) => {
    await page.goto(`${app.url}/#/lab`);
    await page.getByTestId("lab-start").waitFor();
    await check(page, "lab, at rest");
    await page.getByTestId("lab-start").click();
    await says(page, "stream-state", "Live");
    await page.getByTestId("lab-cut").click();
    await page.getByTestId("lab-log").getByText("Resumed").waitFor();
    await page.getByTestId("lab-start").click();
  },
  metrics: async (page) => {
    await page.goto(`${app.url}/#/metrics`);
    await page.getByTestId("charts").locator("canvas").nth(5).waitFor();
  },
  api: async (page) => {
    await page.goto(`${app.url}/#/api/TopicService_ListEvents`);
    const entry = page.locator("#op-TopicService_ListEvents");
    await entry.getByTestId("param-topic").fill("news");
    await entry.getByTestId("call-send").click();
    await entry.getByTestId("call-answer").waitFor();
  },
};

for (const colorScheme of ["light", "dark"]) {
  for (const [size, viewport] of Object.entries(sizes)) {
    test(`${colorScheme}, ${size}: every page`, async (t) => {
      const page = await openConsole(t, { app, browser }, "/#/users", { colorScheme, viewport, reducedMotion: "reduce" });
      await page.evaluate(axe.source);
      await page.getByTestId("login-username").waitFor();
      await check(page, "log in");
      await login(page, "admin");
      for (const [name, show] of Object.entries(pages)) {
        await show(page);
        await check(page, name);
      }
    });
  }
}

test("the theme that was chosen stays, whatever the system's is", async (t) => {
  const page = await openConsole(t, { app, browser }, "/", { colorScheme: "light" });
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await ground();
  await page.getByTestId("theme-toggle").click();
  await page.reload();
  await page.getByRole("button", { name: "Switch to the light theme" }).waitFor();
  assert.notEqual(await ground(), light);
});

async function check(page, name) {
  const { violations } = await page.evaluate(() => globalThis.axe.run({ resultTypes: ["violations"] }));
  const found = violations.map(({ id, nodes }) => [id, ...nodes.map(({ html, failureSummary }) => `${html}: ${failureSummary}`)]);
  assert.deepEqual(found, [], name);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(over <= 0, `${name} is ${over} px too wide`);
}
