// The console, used as a person uses it.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
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

test("an expired token is renewed unnoticed; without a session the page says so and goes on for anybody", async (t) => {
  const page = await open(t, "/#/live/news");
  await login(page, "bob");
  await says(page, "stream-state", "Live");
  await page.context().clearCookies({ name: "lm_access" });
  await write(page, "news:own", { title: "after the token" });
  await shown(page, "after the token").waitFor();
  await says(page, "renewals", "1");
  await page.getByTestId("event-mark").filter({ hasText: "The access token was renewed" }).waitFor();

  await page.context().clearCookies();
  await write(page, "news:own", { title: "refused" });
  await page.getByText("Your session has ended. Log in again to go on.").waitFor();
  await publish(app, "news", "news:item", { title: "for anybody" });
  await shown(page, "for anybody").waitFor();
  assert.equal(await shown(page, "refused").count(), 0);
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

test("the board's panes merge, and agree again after one network was cut", async (t) => {
  const page = await open(t, "/#/board");
  await login(page, "alice");
  const pane = (side) => page.getByTestId(`pane-${side}`);
  const texts = (side) => pane(side).getByTestId("note-text").evaluateAll((inputs) => inputs.map(({ value }) => value));
  const agree = (wanted) => page.waitForFunction(
    (wanted) => ["left", "right"].every((side) => {
      const inputs = document.querySelectorAll(`[data-testid=pane-${side}] [data-testid=note-text]`);
      return JSON.stringify([...inputs].map(({ value }) => value)) === wanted;
    }),
    JSON.stringify(wanted),
  );
  for (const text of ["milk", "bread"]) {
    await page.getByTestId("draft-left").fill(text);
    await page.getByTestId("add-left").click();
  }
  await agree(["milk", "bread"]);

  await page.getByTestId("network-left").click();
  await pane("left").getByTestId("sync-status").filter({ hasText: "Cut off" }).waitFor();
  await pane("left").getByTestId("note-text").nth(0).fill("oat milk");
  await pane("left").getByTestId("note-text").nth(1).fill("rolls");
  await pane("right").getByTestId("note-text").nth(0).fill("goat milk");
  await page.getByTestId("title-right").fill("Shopping");
  assert.deepEqual([await texts("left"), await texts("right")], [["oat milk", "rolls"], ["goat milk", "bread"]], "shown at once");
  await pane("left").getByTestId("sync-pending").waitFor();
  await pane("right").getByTestId("sync-status").filter({ hasText: "In step" }).waitFor();
  // All that the right one has typed has been committed when nothing waits any more.
  await pane("right").getByTestId("sync-pending").waitFor({ state: "detached" });

  await page.getByTestId("network-left").click();
  await agree(["goat milk", "rolls"]);
  await page.getByTestId("back-left").filter({ hasText: "“oat milk”, for it is “goat milk” now" }).waitFor();
  assert.equal(await page.getByTestId("title-left").inputValue(), "Shopping");
  await pane("left").getByTestId("sync-status").filter({ hasText: "In step" }).waitFor();
});

test("the lab loses and repeats nothing through cuts, a dead network, a refused token and other transports", async (t) => {
  const page = await open(t, "/#/lab");
  await login(page, "alice");
  const number = async (id) => Number(await page.getByTestId(id).innerText());
  /** Some more have arrived than had been published by now. */
  const catchUp = async () => {
    const published = await number("lab-published");
    await page.waitForFunction((n) => Number(document.querySelector("[data-testid=lab-received]").textContent) > n, published);
  };
  await page.getByTestId("lab-start").click();
  await catchUp();
  for (let n = 0; n < 3; n += 1) {
    await page.getByTestId("lab-cut").click();
    await catchUp();
  }
  await page.getByTestId("lab-offline").click();
  await page.getByTestId("stream-state").filter({ hasText: "Reconnecting" }).waitFor();
  const published = await number("lab-published");
  await page.waitForFunction((n) => Number(document.querySelector("[data-testid=lab-published]").textContent) > n + 5, published);
  await page.getByTestId("lab-offline").click();
  await catchUp();
  await page.getByTestId("lab-token").click();
  await page.getByTestId("lab-log").getByText("The token was renewed").waitFor();
  await catchUp();
  await page.getByTestId("lab-webSocket").click();
  await says(page, "transport", "event stream");
  await catchUp();
  await page.getByTestId("lab-eventStream").click();
  await says(page, "transport", "long poll");
  await catchUp();

  await page.getByTestId("lab-start").click();
  await page.waitForFunction(() => {
    const [published, received] = ["lab-published", "lab-received"].map((id) => document.querySelector(`[data-testid=${id}]`).textContent);
    return published === received;
  });
  const counters = await Promise.all(["lost", "repeated", "lab-gaps", "faults"].map(number));
  assert.deepEqual(counters, [0, 0, 0, 7]);
});

test("metrics are drawn, and an edge that shows none says what to set", async (t) => {
  const page = await open(t, "/#/metrics");
  const canvas = page.getByTestId("charts").locator("canvas").first();
  await canvas.waitFor();
  // Two readings make a rate: then there is a line in its colour.
  await page.waitForFunction(() => {
    const canvas = document.querySelector("[data-testid=charts] canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    for (let at = 0; at < data.length; at += 4) if (data[at + 1] > data[at] + 40 && data[at + 3] > 200) return true;
    return false;
  });
  await page.getByText("events_rendered_total").waitFor();

  const closed = await open(t, "/openapi.json");
  const problem = { code: "NOT_FOUND", reason: "NOT_SERVED", detail: "no", status: 404 };
  await closed.route("**/.well-known/lastmile/metrics", (route) => route.fulfill({ status: 404, json: problem }));
  await closed.goto(`${app.url}/#/metrics`);
  await closed.getByTestId("metrics-closed").filter({ hasText: "paths.metrics = true" }).waitFor();
});

test("the API page finds an operation and opens it by keyboard", async (t) => {
  const page = await open(t);
  await page.getByTestId("to-api").click();
  await page.getByRole("heading", { name: "API lastmile.v1", exact: true }).waitFor();
  assert.match(await page.getByTestId("reference-count").innerText(), /^\d\d operations$/);
  await page.getByText("DocumentService/SyncDocument").waitFor();
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
});

test("a call is tried, and copied in three tongues that do the same", async (t) => {
  const page = await open(t, "/#/api/TopicService_ListEvents");
  const entry = page.locator("#op-TopicService_ListEvents");
  await entry.getByTestId("param-topic").fill("ticks");
  await entry.getByTestId("param-last").fill("2");
  await entry.getByTestId("call-send").click();
  await entry.getByTestId("call-answer").filter({ hasText: '"topic": "ticks"' }).waitFor();
  await says(entry, "call-said", /^Answered in \d+ ms$/);

  const copied = async (tongue) => {
    await entry.getByTestId(`as-${tongue}`).click();
    await entry.getByTestId("copy").click();
    await entry.getByTestId("copy").filter({ hasText: "Copied" }).waitFor();
    const text = await page.evaluate(() => navigator.clipboard.readText());
    await entry.getByTestId("copy").filter({ hasText: "Copy" }).waitFor();
    return text;
  };
  const { stdout } = await promisify(execFile)("sh", ["-c", `${await copied("curl")} --silent`]);
  assert.equal(JSON.parse(stdout).events.length, 2);
  assert.match(await copied("grpcurl"), /^grpcurl -plaintext .*-d '{"topic":"ticks","last":2}' \S+:\d+ lastmile\.v1\.TopicService\/ListEvents$/);
  assert.match(await copied("typescript"), /const topics = createClient\(TopicService, link\);\nconsole\.log\(await topics\.listEvents\({\n {2}topic: "ticks",\n {2}last: 2\n}\)\);$/);
});

test("a stream is tried, and a refused call says why", async (t) => {
  const page = await open(t, "/#/api/TopicService_Subscribe");
  const stream = page.locator("#op-TopicService_Subscribe");
  await stream.getByTestId("param-topic").fill("ticks");
  await stream.getByTestId("call-send").click();
  await stream.getByTestId("call-answer").filter({ hasText: '"type": "tick"' }).waitFor();
  await stream.getByTestId("call-stop").click();
  await says(stream, "call-said", "Stopped");

  await page.goto(`${app.url}/#/api/TopicService_CreateTopic`);
  const create = page.locator("#op-TopicService_CreateTopic");
  await create.getByTestId("call-send").click();
  await create.getByTestId("problem").filter({ hasText: "Not logged in" }).waitFor();
});

test("a link to an operation opens it", async (t) => {
  const page = await open(t, "/#/api/TopicService_PublishEvent");
  await page.getByText("Appends an event to a topic").waitFor();
  await page.getByTestId("curl-line").filter({ hasText: "/api/v1/topics/TOPIC/events" }).waitFor();
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

test("who signs in after somebody else has a board without what that one had not sent", async (t) => {
  const page = await open(t, "/#/board");
  await login(page, "alice");
  await page.getByTestId("pane-left").getByTestId("sync-status").filter({ hasText: "In step" }).waitFor();
  await page.getByTestId("network-left").click();
  await page.getByTestId("draft-left").fill("never sent");
  await page.getByTestId("add-left").click();
  await page.getByTestId("logout").click();
  await login(page, "bob");
  for (const side of ["left", "right"]) {
    await page.getByTestId(`pane-${side}`).getByTestId("sync-status").filter({ hasText: "In step" }).waitFor();
  }
  await page.getByTestId("draft-left").fill("from bob");
  await page.getByTestId("add-left").click();
  const right = page.getByTestId("pane-right").getByTestId("note-text");
  await page.waitForFunction(() => [...document.querySelectorAll("[data-testid=pane-right] [data-testid=note-text]")].at(-1)?.value === "from bob");
  assert.ok(!(await right.evaluateAll((inputs) => inputs.map(({ value }) => value))).includes("never sent"));
});
