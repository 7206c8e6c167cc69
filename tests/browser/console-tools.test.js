// The console's tools: the board, the lab, the numbers and the API, used as a person uses them.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { login, openConsole, says } from "./console.js";
import { launch, startLastmile } from "./harness.js";

let app, browser;
before(async () => {
  [app, browser] = await Promise.all([startLastmile(), launch()]);
});
after(async () => {
  await browser?.close();
  await app?.close();
});
const open = (t, path, options) => openConsole(t, { app, browser }, path, options);

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

test("what the edge never takes is taken back on the board, with the reason", async (t) => {
  const page = await open(t, "/#/board");
  await login(page, "alice");
  await page.getByTestId("draft-right").fill("short");
  await page.getByTestId("add-right").click();
  const pane = (side) => page.getByTestId(`pane-${side}`);
  const last = (side) => pane(side).getByTestId("note-text").last();
  await page.waitForFunction(() => [...document.querySelectorAll("[data-testid=pane-left] [data-testid=note-text]")].at(-1)?.value === "short");
  await last("left").fill("x".repeat(70_000));
  await page.getByTestId("refused-left").waitFor();
  for (const side of ["left", "right"]) assert.equal(await last(side).inputValue(), "short");
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
