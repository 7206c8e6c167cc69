// Starts the real `lastmile --dev` and a real Chromium.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { chromium } from "playwright-core";

const repository = join(import.meta.dirname, "../..");
const target = process.env.CARGO_TARGET_DIR ?? join(repository, "target");
const binary = join(target, "debug/lastmile");
const buf = join(repository, "client-ts/node_modules/.bin/buf");

/** A running lastmile with its own data folder, and settings in TOML; `kill` and `start` again as often as needed. */
export async function startLastmile(settings = "") {
  const data = mkdtempSync(join(tmpdir(), "lastmile-"));
  const config = `${data}.toml`;
  writeFileSync(config, settings);
  const app = { process: undefined, http: "127.0.0.1:0", grpc: "127.0.0.1:0", url: "" };
  app.start = async () => {
    const addresses = ["--http", app.http, "--grpc", app.grpc, "--admin", "127.0.0.1:0"];
    app.process = spawn(binary, [...addresses, "--data", data, "--config", config, "--dev"], { stdio: ["ignore", "ignore", "pipe"] });
    const { http, grpc } = await listening(app.process);
    Object.assign(app, { http, grpc, url: `http://${http}` });
  };
  app.kill = async () => {
    app.process.kill("SIGKILL");
    await once(app.process, "exit");
  };
  app.close = async () => {
    await app.kill();
    for (const path of [data, config]) rmSync(path, { recursive: true, force: true });
  };
  await app.start();
  return app;
}

/** Edges of their own before an app's core; `stop` lets one shut down in order. */
export async function startEdges(app, count) {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const addresses = ["--http", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", `http://${app.grpc}`, "--dev"];
      const edge = { process: spawn(join(target, "debug/lastmile-edge"), addresses, { stdio: ["ignore", "ignore", "pipe"] }) };
      edge.ended = once(edge.process, "exit");
      edge.stop = () => edge.process.kill("SIGTERM");
      edge.close = async () => (edge.process.kill("SIGKILL"), edge.ended);
      edge.url = `http://${(await listening(edge.process)).http}`;
      return edge;
    }),
  );
}

/** A backend in Python, with streams of its own kind. */
export async function startStock() {
  const folders = [join(repository, "tests/foreign"), join(repository, "proto")];
  const python = join(repository, "target/python/bin/python");
  const backend = spawn(python, [join(folders[0], "python/backend.py"), "0", ...folders], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(backend, "exit");
  const [port] = await once(createInterface({ input: backend.stdout }), "line");
  return { grpc: `127.0.0.1:${port}`, close: async () => (backend.kill("SIGKILL"), ended) };
}

async function listening(process) {
  const said = [];
  const lines = createInterface({ input: process.stderr });
  for await (const line of lines) {
    said.push(line);
    const record = line.startsWith("{") ? JSON.parse(line) : {};
    if (record.message === "listening") {
      // The pipe must go on being read, or the process would block on its own log.
      process.stderr.resume();
      return record;
    }
  }
  throw new Error(`lastmile ended:\n${said.join("\n")}`);
}

/** Calls the core by gRPC, as another backend would. */
export async function grpc(app, method, request, token) {
  const credential = token ? ["-H", `authorization: Bearer ${token}`] : [];
  const url = `http://${app.grpc}/lastmile.v1.${method}`;
  const fixed = ["curl", "--http2-prior-knowledge", "--protocol", "grpc"];
  const { stdout } = await promisify(execFile)(buf, [...fixed, ...credential, "-d", JSON.stringify(request), url]);
  return JSON.parse(stdout);
}

/** Publishes an event to a topic by gRPC. */
export async function publish(app, topic, type, data) {
  app.token ??= (await grpc(app, "AuthService/Login", { username: "bob", password: "lastmile-dev" })).accessToken;
  return grpc(app, "TopicService/PublishEvent", { topic, type, data }, app.token);
}

export function launch(options = {}) {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"], ...options });
}

/** A page of another origin: an empty document on a port of its own. */
export async function otherOrigin() {
  const server = createServer((_, response) => response.setHeader("content-type", "text/html").end("<!doctype html>"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

const packages = {
  "@bufbuild/protobuf": "@bufbuild/protobuf/dist/esm/index.js",
  "@bufbuild/protobuf/codegenv2": "@bufbuild/protobuf/dist/esm/codegenv2/index.js",
  "@bufbuild/protobuf/wire": "@bufbuild/protobuf/dist/esm/wire/index.js",
  "@bufbuild/protobuf/wkt": "@bufbuild/protobuf/dist/esm/wkt/index.js",
  "@connectrpc/connect": "@connectrpc/connect/dist/esm/index.js",
  "@connectrpc/connect-web": "@connectrpc/connect-web/dist/esm/index.js",
  "@connectrpc/connect/protocol": "@connectrpc/connect/dist/esm/protocol/index.js",
  "@connectrpc/connect/protocol-connect": "@connectrpc/connect/dist/esm/protocol-connect/index.js",
  "@connectrpc/connect/protocol-grpc-web": "@connectrpc/connect/dist/esm/protocol-grpc-web/index.js",
};

/** A page of another origin that can import the modules beside this one and the packages, as they are installed. */
export async function modulePage() {
  const imports = Object.fromEntries(
    Object.entries(packages).map(([name, path]) => [name, `/node_modules/${path}`]),
  );
  const html = `<!doctype html><script type="importmap">${JSON.stringify({ imports })}</script>`;
  const server = createServer(async (request, response) => {
    if (request.url === "/") return response.setHeader("content-type", "text/html").end(html);
    const file = join(import.meta.dirname, request.url);
    const source = await readFile(file).catch(() => undefined);
    response.writeHead(source ? 200 : 404, { "content-type": "text/javascript" }).end(source);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** A page of another origin that runs a TypeScript module beside this file, bundled with the client as it is built; `worker.js` is another one. */
export async function bundledPage(entry, worker) {
  const client = join(repository, "client-ts/client/dist");
  const { rolldown } = await import(join(repository, "client-ts/node_modules/rolldown/dist/index.mjs"));
  const input = { page: join(import.meta.dirname, entry), ...(worker && { worker: join(import.meta.dirname, worker) }) };
  const parts = ["binary", "worker"].map((part) => [`@lastmile/client/${part}`, join(client, part, "index.js")]);
  const alias = Object.fromEntries([...parts, ["@lastmile/client", join(client, "index.js")]]);
  const bundle = await rolldown({ input, resolve: { alias } });
  const { output } = await bundle.generate({ entryFileNames: "[name].js", chunkFileNames: "[name]-[hash].js" });
  await bundle.close();
  const files = new Map(output.map(({ fileName, code }) => [`/${fileName}`, code]));
  const html = '<!doctype html><script type="module" src="/page.js"></script>';
  const server = createServer((request, response) => {
    const code = files.get(request.url);
    response.setHeader("content-type", code ? "text/javascript" : "text/html").end(code ?? html);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
