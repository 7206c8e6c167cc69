// A newcomer's first quarter of an hour: a new Vue app, the client from the running edge, generated types, a live event.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { launch, startLastmile } from "./harness.js";

const run = promisify(execFile);
const readme = readFileSync(join(import.meta.dirname, "../../README.md"), "utf8");

/** The code block of README that begins with this line. */
function block(first) {
  const after = readme.split(`${first}\n`)[1];
  assert.ok(after, `README has no block that begins with ${first}`);
  return after.slice(0, after.indexOf("```"));
}

const app = await startLastmile();
const browser = await launch();
const folder = mkdtempSync(join(tmpdir(), "lastmile-fresh-"));
after(async () => {
  await browser.close();
  await app.close();
  rmSync(folder, { recursive: true, force: true });
});

const npm = (args, cwd = folder) => run("npm", args, { cwd, env: { ...process.env, npm_config_audit: "false", npm_config_fund: "false" } });

// Where there is no Vue 3 to hold on to, npm also looks for a place for peers that are optional, and fails if they disagree:
// vue-query has one that wants Vue 2. So the client names vue-query in peerDependenciesMeta only.
test("a project without Vue installs the client alone and imports it in Node", async () => {
  const bare = join(folder, "bare");
  mkdirSync(bare);
  await npm(["init", "--yes"], bare);
  await npm(["install", `${app.url}/.well-known/lastmile/client.tgz`], bare);
  assert.deepEqual(readdirSync(join(bare, "node_modules")).filter((name) => !name.startsWith(".")), ["@lastmile"]);
  const script = 'import { createClient, createLink } from "@lastmile/client"; console.log(typeof createClient, typeof createLink);';
  const { stdout } = await run("node", ["--input-type=module", "--eval", script], { cwd: bare });
  assert.equal(stdout.trim(), "function function");
});

test("a fresh create-vite app installs the client, generates its types and shows a live event", async (t) => {
  await npm(["exec", "--yes", "create-vite@9.3.0", "--", "shop", "--template", "vue-ts", "--no-interactive"]);
  const shop = join(folder, "shop");
  await npm(["install"], shop);
  await npm(["install", `${app.url}/.well-known/lastmile/client.tgz`], shop);
  const generated = await npm(["exec", "--no", "lastmile-client", "--", "generate", app.url, "--out", "src/api"], shop);
  t.diagnostic(generated.stdout.trim());
  writeFileSync(join(shop, "vite.config.ts"), block("// vite.config.ts").replace("http://localhost:8080", app.url));
  writeFileSync(join(shop, "src/App.vue"), block("<!-- src/App.vue -->"));
  // Types and bundle, as the template has it.
  await npm(["run", "build"], shop);

  const { createServer } = await import(join(shop, "node_modules/vite/dist/node/index.js"));
  const vite = await createServer({ root: shop, logLevel: "silent", server: { host: "127.0.0.1", port: 0 } });
  t.after(() => vite.close());
  await vite.listen();
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${vite.httpServer.address().port}`);
  await page.waitForFunction(() => /live: .*"n":/s.test(document.body.textContent), undefined, { timeout: 30_000 });
});
