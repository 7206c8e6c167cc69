// A development server with the plugin, in front of an edge of this test.
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, get as ask, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { createLogger, createServer, type Plugin, type ViteDevServer } from "vite";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { lastmile } from "../../src/vite/index.ts";
import { buildDescriptors } from "../generator/descriptors.ts";
import { until } from "../until.ts";

let descriptors: Uint8Array;
beforeAll(() => {
  descriptors = buildDescriptors();
});

interface Edge {
  url: string;
  etag: string;
  seen: IncomingMessage[];
  streams: Set<ServerResponse>;
  server: Server;
  stop(): Promise<void>;
}

const upgraded: Duplex[] = [];
let edge: Edge;
let vite: ViteDevServer | undefined;
let root: string;
let said: string[];

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "lastmile-vite-"));
  writeFileSync(join(root, "index.html"), "<!doctype html><title>the app</title>");
  writeFileSync(join(root, "link.ts"), 'import { createLink } from "@lastmile/client";\nexport const link = createLink({});\n');
  said = [];
  edge = await startEdge();
});
afterEach(async () => {
  await vite?.close();
  await edge.stop();
});

async function startEdge(port = 0): Promise<Edge> {
  const made = { etag: '"1"', seen: [], streams: new Set() } as unknown as Edge;
  made.server = createHttpServer((request, response) => {
    made.seen.push(request);
    if (request.url === "/.well-known/lastmile/descriptors") {
      const isKnown = request.headers["if-none-match"] === made.etag;
      response.writeHead(isKnown ? 304 : 200, { etag: made.etag }).end(isKnown ? undefined : descriptors);
    } else if (request.headers.accept === "text/event-stream") {
      made.streams.add(response.writeHead(200, { "content-type": "text/event-stream" }));
      response.write("data: first\n\n");
      response.on("close", () => made.streams.delete(response));
    } else response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ edge: request.url }));
  });
  made.server.on("upgrade", (request, socket) => {
    upgraded.push(socket);
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nupgrade: ${request.headers.upgrade}\r\nconnection: upgrade\r\n\r\n`);
    socket.on("data", (bytes: Buffer) => socket.write(`echo ${bytes.toString()}`));
  });
  await new Promise<void>((resolve) => made.server.listen(port, "127.0.0.1", resolve));
  made.url = `http://127.0.0.1:${(made.server.address() as AddressInfo).port}`;
  made.stop = async () => {
    for (const socket of upgraded.splice(0)) socket.destroy();
    made.server.closeAllConnections();
    await new Promise((resolve) => made.server.close(resolve));
  };
  return made;
}

async function start(options = {}, plugins: Plugin[] = []): Promise<string> {
  const logger = createLogger("silent");
  logger.info = logger.warn = (line) => void said.push(line);
  vite = await createServer({
    root,
    configFile: false,
    customLogger: logger,
    plugins: [lastmile({ edge: edge.url, ...options }), ...plugins],
    server: { host: "127.0.0.1", port: 0, hmr: false, proxy: { "/mine": { target: edge.url, rewrite: () => "/by-my-own-proxy" } } },
    resolve: { alias: { "@lastmile/client": join(import.meta.dirname, "../../src/index.ts") } },
  });
  await vite.listen();
  return `http://127.0.0.1:${(vite.httpServer!.address() as AddressInfo).port}`;
}

const generated = (): boolean => existsSync(join(root, "src/api/lastmile/v1/user.ts"));
const get = async (url: string, headers = {}): Promise<string> => (await fetch(url, { headers })).text();

/** As a browser follows a link; fetch cannot say that. */
function visit(url: string, headers = {}): Promise<string> {
  return new Promise((resolve) => {
    ask(url, { headers: { accept: "text/html,*/*", ...headers } }, async (answer) => resolve((await answer.toArray()).join("")));
  });
}

test("writes types at the start, and new ones within two seconds of a new schema", async () => {
  await start();
  await until(() => expect(generated()).toBe(true));
  expect(readFileSync(join(root, "src/api/acme/v1/kitchen.ts"), "utf8")).toContain("calories: Int64;");
  writeFileSync(join(root, "src/api/acme/v1/kitchen.ts"), "// stale");
  edge.etag = '"2"';
  await until(() => expect(readFileSync(join(root, "src/api/acme/v1/kitchen.ts"), "utf8")).toContain("calories: Int64;"));
  expect(said.join("\n")).toContain("acme/v1/kitchen.ts");
});

test("passes on what is bound to a method, and leaves pages, files and the user's own proxy alone", async () => {
  const url = await start();
  await until(() => expect(generated()).toBe(true));
  for (const path of ["/api/v1/users?pageSize=1", "/api/v1/topics/news/events", "/acme.v1.KitchenService/Peel", "/openapi.json"]) {
    expect(await get(url + path), path).toContain(`"edge":"${path}"`);
  }
  const trace = edge.seen.find((request) => request.url?.startsWith("/api/v1/users"))!.headers.traceparent;
  expect(trace).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  for (const path of ["/api/v1/users", "/users"]) {
    expect(await visit(url + path, { "sec-fetch-mode": "navigate" }), path).toContain("the app");
    expect(await visit(url + path), path).toContain("the app");
  }
  expect(await get(`${url}/mine/x`)).toContain("by-my-own-proxy");
});

test("a stream comes unbuffered, and ends on both sides when one is gone", async () => {
  const url = await start({ out: false });
  const headers = { accept: "text/event-stream" };
  const path = `${url}/lastmile.v1.TopicService/Subscribe`;
  const abort = new AbortController();
  const first = (await fetch(path, { headers, signal: abort.signal })).body!.getReader();
  expect(new TextDecoder().decode((await first.read()).value)).toBe("data: first\n\n");
  abort.abort();
  await until(() => expect(edge.streams.size).toBe(0));

  const second = (await fetch(path, { headers })).body!.getReader();
  await second.read();
  edge.server.closeAllConnections();
  await expect(second.read()).rejects.toThrow();
});

test("a WebSocket reaches the edge", async () => {
  const url = await start({ out: false });
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  let heard = "";
  socket.on("data", (bytes) => (heard += bytes.toString()));
  socket.write("GET /ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n");
  await until(() => expect(heard).toContain("101 Switching Protocols"));
  socket.write("hello");
  await until(() => expect(heard).toContain("echo hello"));
  socket.destroy();
});

test("says once that the edge is not there, answers for it, and goes on when it is", async () => {
  const port = Number(new URL(edge.url).port);
  await edge.stop();
  const url = await start();
  await until(() => expect(said.filter((line) => line.includes("is the edge running?"))).toHaveLength(1));
  const answer = await fetch(`${url}/lastmile.v1.UserService/ListUsers`);
  expect([answer.status, await answer.json()]).toEqual([502, expect.objectContaining({ code: "UNAVAILABLE" })]);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(said.filter((line) => line.includes("is the edge running?"))).toHaveLength(1);
  edge = await startEdge(port);
  await until(() => expect(generated()).toBe(true));
});

test("keeps links through hot reloads", async () => {
  await start({ out: false });
  const { code } = (await vite!.transformRequest("/link.ts"))!;
  expect(code).toContain("createLink({}, import.meta.hot)");
});
