// The console, used as a person uses it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { login, openConsole, says } from "./console.js";
import { grpc, launch, publish, startLastmile } from "./harness.js";

let app, browser;
before(async () => {
  [app, browser] = await Promise.all([startLastmile(), launch()]);
});
after(async () => {
  await browser?.close();
  await app?.close();
});
const open = (t, path, options) => openConsole(t, { app, browser }, path, options);

const shown = (page, text) => page.getByTestId("event-row").filter({ hasText: text });

async function write(page, type, data) {
  await page.getByTestId("publish-type").fill(type);
  await page.getByTestId("publish-data").fill(JSON.stringify(data));
  await page.getByTestId("publish-submit").click();
}

test("shows a live topic to anybody, by WebSocket", async (t) => {
  const page = await open(t);
  await page.getByTestId("event-row").first().waitFor();
  await says(page, "topic-name", "ticks");
  await says(page, "stream-state", "Live");
  await says(page, "transport", "WebSocket");
  await says(page, "connection-state", "Live");
  assert.equal(new URL(page.url()).hash, "#/live/ticks", "the address names the topic");
});

test("logs in by a demo button and by the form, and lists the users", async (t) => {
  const page = await open(t, "/#/users");
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
  const page = await open(t, "/#/users");
  await login(page, "alice");
  const row = page.getByTestId("user-row").filter({ hasText: "bob" });
  await row.waitFor();
  const { accessToken } = await grpc(app, "AuthService/Login", { username: "bob", password: "lastmile-dev" });
  const { user } = await grpc(app, "AuthService/GetIdentity", {}, accessToken);
  const change = { user: { id: user.id, tags: ["changed-by-grpc"] }, updateMask: "tags" };
  await grpc(app, "UserService/UpdateUser", change, accessToken);
  await row.filter({ hasText: "changed-by-grpc" }).waitFor();
});

test("an administrator adds, changes and deletes a user; a wrong field says so beside it", async (t) => {
  const page = await open(t, "/#/users");
  await login(page, "admin");
  await page.getByTestId("user-new").click();
  await page.getByTestId("user-username").fill("bob");
  await page.getByTestId("user-name").fill("Cleo");
  await page.getByTestId("user-password").fill("a long password");
  await page.getByTestId("user-save").click();
  await page.getByTestId("user-problem").or(page.getByTestId("user-form").getByRole("alert")).first().waitFor();
  await page.getByTestId("user-username").fill("cleo");
  await page.getByTestId("user-save").click();
  const row = page.getByTestId("user-row").filter({ hasText: "cleo" });
  await row.getByTestId("user-edit").click();
  await page.getByTestId("user-tags").fill("new, here");
  await page.getByTestId("user-save").click();
  await row.filter({ hasText: "newhere" }).waitFor();
  await row.getByTestId("user-edit").click();
  await page.getByTestId("user-delete").click();
  await page.getByTestId("user-delete").click();
  await row.waitFor({ state: "detached" });
});

test("the session's token counts down and is renewed; streams go on", async (t) => {
  const page = await open(t, "/#/users");
  await login(page, "alice");
  await says(page, "token-left", /^1[45]:\d\d$/);
  await page.getByTestId("rotate").click();
  await says(page, "session-renewals", "1");
  await page.getByTestId("users-state").filter({ hasText: "Live" }).waitFor();
  await page.getByTestId("session-logout").click();
  await page.getByTestId("login-alice").waitFor();
});

test("a token that expires is renewed unnoticed", async (t) => {
  const own = await startLastmile('access_token_lifetime = "5s"');
  t.after(own.close);
  const page = await openConsole(t, { app: own, browser }, "/#/live/news");
  await login(page, "bob");
  await says(page, "stream-state", "Live");
  await write(page, "news:own", { title: "with the first token" });
  await page.getByTestId("event-mark").filter({ hasText: "The access token was renewed" }).first().waitFor();
  await publish(own, "news", "news:item", { title: "meanwhile" });
  await write(page, "news:own", { title: "with a later token" });
  for (const text of ["with the first token", "meanwhile", "with a later token"]) {
    await shown(page, text).waitFor();
    assert.equal(await shown(page, text).count(), 1, text);
  }
  await says(page, "gaps", "0");
});

test("a session that was ended elsewhere says so, and the page goes on for anybody", async (t) => {
  const page = await open(t, "/#/live/news");
  await login(page, "bob");
  await says(page, "stream-state", "Live");
  // The cookies that the page still has are refused from now on.
  const cookies = await page.context().cookies();
  const refreshToken = cookies.find(({ name }) => name === "lm_refresh").value;
  await grpc(app, "AuthService/Logout", { refreshToken });
  await page.getByText("Your session has ended. Log in again to go on.").waitFor();
  await publish(app, "news", "news:item", { title: "for anybody" });
  await shown(page, "for anybody").waitFor();
});

test("a topic shows what another backend publishes by gRPC", async (t) => {
  await publish(app, "news", "news:item", { title: "before" });
  // The short form of the address, too.
  const page = await open(t, "/#news");
  await shown(page, "before").waitFor();
  await says(page, "stream-state", "Live");
  await publish(app, "news", "news:item", { title: "while looking" });
  await shown(page, "while looking").waitFor();
  assert.equal(await shown(page, "while looking").count(), 1);
});

test("what is published on the page comes back by the stream, after a cut too", async (t) => {
  const page = await open(t, "/#/live/news");
  await login(page, "bob");
  await write(page, "news:own", { title: "from the page" });
  await shown(page, "from the page").waitFor();
  await page.getByTestId("cut").click();
  await write(page, "news:own", { title: "after the cut" });
  await shown(page, "after the cut").waitFor();
  await page.getByTestId("event-mark").filter({ hasText: "Reconnected, nothing lost" }).waitFor();
  await says(page, "outcome", "RESUMED");
  await says(page, "gaps", "0");
  assert.equal(await shown(page, "after the cut").count(), 1);

  await page.getByTestId("filter").fill("own cut");
  assert.equal(await page.getByTestId("event-row").count(), 1);
  await page.getByTestId("publish-data").fill("{");
  await page.getByText("Not JSON yet").waitFor();
});

test("another page is where the focus goes, and the way back finds the topic as it was", async (t) => {
  const page = await open(t, "/#/live/news");
  await says(page, "stream-state", "Live");
  await page.getByTestId("to-metrics").click();
  await page.getByRole("heading", { name: "Metrics", level: 1 }).waitFor();
  await page.waitForFunction(() => document.activeElement?.tagName === "H1");
  await publish(app, "news", "news:item", { title: "meanwhile" });
  await page.goBack();
  await shown(page, "meanwhile").waitFor();
  await says(page, "reconnects", "0");
});

test("an edge that does not answer is told with what to do, and asked again", async (t) => {
  const page = await open(t, "/openapi.json");
  await page.route("**/api/v1/**", (route) => route.abort());
  await page.goto(`${app.url}/#/live`);
  await page.getByTestId("problem").filter({ hasText: "See whether it runs" }).first().waitFor();
  await page.unroute("**/api/v1/**");
  await page.getByTestId("problem").getByRole("button").first().click();
  await page.getByTestId("event-row").first().waitFor();
});

test("the page goes on after the process was killed and restarted", async (t) => {
  await publish(app, "news", "news:item", { title: "first" });
  const page = await open(t, "/#/live/news");
  await login(page, "alice");
  await shown(page, "first").first().waitFor();
  await says(page, "stream-state", "Live");
  await publish(app, "news", "news:item", { title: "acknowledged" });
  await app.kill();
  await app.start();
  await publish(app, "news", "news:item", { title: "while away" });
  await shown(page, "while away").waitFor();
  assert.equal(await shown(page, "acknowledged").count(), 1, "nothing lost, nothing twice");
  assert.equal(await shown(page, "while away").count(), 1);
});

test("a backend without the core's services is told apart, and its API is there", async (t) => {
  const page = await open(t, "/openapi.json");
  const missing = { code: "NOT_FOUND", reason: "ROUTE_NOT_FOUND", detail: "No method is bound to it.", status: 404 };
  await page.route("**/api/v1/auth/me", (route) => route.fulfill({ status: 404, json: missing }));
  await page.goto(`${app.url}/#/live`);
  await page.getByTestId("foreign").getByRole("link", { name: "API" }).click();
  await page.getByTestId("operation").first().waitFor();
});
