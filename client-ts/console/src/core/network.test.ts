import { expect, test } from "vitest";
import { createNetwork, type Ways } from "./network.ts";

/** A socket as far as the network touches it. */
class Socket extends EventTarget {
  static made: Socket[] = [];
  onopen = null;
  onmessage: unknown = null;
  onclose: ((event: { code: number }) => void) | null = null;
  closed = 0;
  constructor() {
    super();
    Socket.made.push(this);
  }
  close(code: number): void {
    this.closed = code;
  }
}

/** A body that never ends, and fails as fetch's does when it is aborted. */
const endless: typeof fetch = async (_, init) => {
  const start = (controller: ReadableStreamDefaultController): void => {
    controller.enqueue(new TextEncoder().encode("first"));
    init!.signal!.addEventListener("abort", () => controller.error(init!.signal!.reason));
  };
  return new Response(new ReadableStream({ start }), { status: 201, headers: { etag: "x" } });
};

const make = (fetch: typeof globalThis.fetch = endless) => createNetwork({ fetch, WebSocket: Socket as unknown as Ways["WebSocket"] });
const stream = { headers: { accept: "text/event-stream" } };

test("passes answers on, and cuts their bodies in the middle", async () => {
  const network = make();
  const response = await network.fetch("/");
  expect([response.status, response.headers.get("etag")]).toEqual([201, "x"]);
  const reader = response.body!.getReader();
  expect(new TextDecoder().decode((await reader.read()).value)).toBe("first");
  const next = reader.read();
  network.cut();
  await expect(next).rejects.toThrow(TypeError);
});

test("an answer without a body has none, whatever the browser says", async () => {
  const answer = { body: new Response("").body, status: 204, statusText: "", headers: new Headers() } as Response;
  const { status, body } = await make(async () => answer).fetch("/");
  expect([status, body]).toEqual([204, null]);
});

test("offline, nothing is asked", async () => {
  const network = make(() => Promise.reject(new Error("asked")));
  network.set({ offline: true });
  await expect(network.fetch("/")).rejects.toThrow("The network is cut.");
  const socket = new network.WebSocket("ws://x");
  expect(await new Promise((resolve) => (socket.onclose = ({ code }) => resolve(code)))).toBe(1006);
});

test("a socket that is cut is heard of no more", () => {
  const network = make();
  const socket = new network.WebSocket("ws://x");
  const codes: number[] = [];
  socket.onclose = ({ code }) => codes.push(code);
  socket.onmessage = () => {};
  network.cut();
  network.cut();
  expect([codes, socket.onmessage, Socket.made.at(-1)!.closed]).toEqual([[1006], null, 4000]);
});

test.each([
  [{ webSocket: true }, 1, "open"],
  [{ eventStream: true }, 0, "cut"],
])("%j cuts %i socket, and the event stream stays %s", async (faults, cutSockets, fate) => {
  const network = make();
  let cuts = 0;
  new network.WebSocket("ws://x").onclose = () => (cuts += 1);
  const reader = (await network.fetch("/", stream)).body!.getReader();
  await reader.read();
  const next = reader.read().then(
    () => "open",
    () => "cut",
  );
  network.set(faults);
  expect(cuts).toBe(cutSockets);
  expect(await Promise.race([next, new Promise((resolve) => setTimeout(resolve, 20, "open"))])).toBe(fate);
});

test("a blocked event stream is refused as proxies do, and other requests are not", async () => {
  const network = make();
  network.set({ eventStream: true });
  expect((await network.fetch("/", stream)).status).toBe(503);
  expect((await network.fetch("/")).status).toBe(201);
});
