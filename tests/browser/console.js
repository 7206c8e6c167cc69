// The console in a page of its own, for the tests that use it.
import assert from "node:assert/strict";

/** A page at this address of the console; the test fails when a script does. */
export async function openConsole(t, { app, browser }, path = "/", options = {}) {
  const context = await browser.newContext({ permissions: ["clipboard-read", "clipboard-write"], ...options });
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(error.message));
  t.after(async () => {
    await context.close();
    assert.deepEqual(problems, [], "no script fails on the page");
  });
  await page.goto(app.url + path);
  return page;
}

/** Signs in by a demo button, wherever the console shows it. */
export async function login(page, name) {
  await page.getByTestId(`login-${name}`).click();
  await page.getByTestId("signed-in-user").waitFor();
}

/** Waits until an element says this, and nothing else. */
export async function says(page, id, text) {
  await page.getByTestId(id).filter({ hasText: text instanceof RegExp ? text : new RegExp(`^\\s*${text}\\s*$`) }).waitFor();
}
