// The console, used as a person uses it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { grpc, launch, publish, startLastmile } from "./harness.js";

let app, browser;
before(async () => {
  [app, browser] = await Promise.all([startLastmile(), launch()]);
});
after(async () => {
  await browser?.close();
  await app?.close();
});

async function open(t, path = "/") {
  const page = await browser.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(error.message));
  t.after(async () => {
    await page.close();
    assert.deepEqual(problems, [], "no script fails on the page");
  });
  await page.goto(app.url + path);
  return page;
}

async function login(page, name) {
  await page.getByTestId(`login-${name}`).click();
  await page.getByTestId("signed-in-user").waitFor();
}

test("logs in by a demo button and by the form, and lists the users", async (t) => {
  const page = await open(t);
  await login(page, "alice");
  assert.equal(await page.getByTestId("signed-in-user").textContent(), "Alice");
  await page.getByTestId("user-row").nth(2).waitFor();
  const names = await page.getByTestId("user-row").allInnerTexts();
  for (const name of ["alice", "bob", "admin"]) assert.ok(names.some((row) => row.includes(name)), name);

  await page.getByTestId("logout").click();
  await page.getByTestId("login-username").fill("alice");
  await page.getByTestId("login-password").fill("wrong password");
  await page.getByTestId("login-submit").click();
  await page.getByTestId("login-problem").waitFor();
  await page.getByTestId("login-password").fill("lastmile-dev");
  await page.getByTestId("login-submit").click();
  await page.getByTestId("signed-in-user").waitFor();
});

test("the users table follows what another backend changes", async (t) => {
  const page = await open(t);
  await login(page, "alice");
  const row = page.getByTestId("user-row").filter({ hasText: "bob" });
  await row.waitFor();
  const { accessToken } = await grpc(app, "AuthService/Login", { username: "bob", password: "lastmile-dev" });
  const { user } = await grpc(app, "AuthService/GetIdentity", {}, accessToken);
  const change = { user: { id: user.id, tags: ["changed-by-grpc"] }, updateMask: "tags" };
  await grpc(app, "UserService/UpdateUser", change, accessToken);
  await row.filter({ hasText: "changed-by-grpc" }).waitFor();
});

test("a topic shows what another backend publishes by gRPC", async (t) => {
  await publish(app, "news", "news:item", { title: "before" });
  const page = await open(t, "/#news");
  await login(page, "alice");
  const shown = (text) => page.getByTestId("event-row").filter({ hasText: text });
  await shown("before").waitFor();
  await page.getByTestId("outcome").waitFor();
  await publish(app, "news", "news:item", { title: "while looking" });
  await shown("while looking").waitFor();
  assert.equal(await shown("while looking").count(), 1);
});

test("what is published on the page comes back by the stream", async (t) => {
  const page = await open(t, "/#news");
  await login(page, "bob");
  await page.getByTestId("publish-type").fill("news:own");
  await page.getByTestId("publish-data").fill('{"title": "from the page"}');
  await page.getByTestId("publish-submit").click();
  await page.getByTestId("event-row").filter({ hasText: "from the page" }).waitFor();
});

test("the API page finds an operation, opens it by keyboard and shows its curl line", async (t) => {
  const page = await open(t);
  await page.getByTestId("to-reference").click();
  await page.getByRole("heading", { name: "API lastmile.v1", exact: true }).waitFor();
  assert.match(await page.getByTestId("reference-count").innerText(), /^\d\d operations$/);
  await page.getByTestId("reference-search").fill("get users:watch");
  await page.getByText("1 operation", { exact: true }).waitFor();
  const operation = page.getByTestId("operation");
  await operation.locator("summary").first().focus();
  await page.keyboard.press("Enter");
  const line = await operation.getByTestId("curl-line").innerText();
  assert.equal(line, `curl -N -b lastmile.cookies -H 'Accept: text/event-stream' ${app.url}/api/v1/users:watch`);
  // Messages open one by one: they may hold themselves.
  await operation.getByText("WatchUsersResponse", { exact: true }).first().click();
  await operation.getByText("userCreated", { exact: true }).first().waitFor();

  await page.getByTestId("to-console").click();
  await page.getByTestId("login-username").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.id), "login-title", "the focus goes along");
});

test("a link to an operation opens it", async (t) => {
  const page = await open(t, "/#/api/TopicService_PublishEvent");
  await page.getByText("Appends an event to a topic").waitFor();
  await page.getByTestId("curl-line").filter({ hasText: "/api/v1/topics/TOPIC/events" }).waitFor();
});

test("the page goes on after the process was killed and restarted", async (t) => {
  await publish(app, "news", "news:item", { title: "first" });
  const page = await open(t, "/#news");
  await login(page, "alice");
  const shown = (text) => page.getByTestId("event-row").filter({ hasText: text });
  await shown("first").first().waitFor();
  await page.getByTestId("outcome").waitFor();
  await publish(app, "news", "news:item", { title: "acknowledged" });
  await app.kill();
  await app.start();
  await publish(app, "news", "news:item", { title: "while away" });
  await shown("while away").waitFor();
  assert.equal(await shown("acknowledged").count(), 1, "nothing lost, nothing twice");
  assert.equal(await shown("while away").count(), 1);
});
