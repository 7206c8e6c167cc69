// A proxy between browser and edge that cuts, refuses and holds back, as networks do.
import { once } from "node:events";
import { createServer, request as ask } from "node:http";
import { connect } from "node:net";

/** `sse` and `websocket` can be blocked; `cut` breaks every connection; `down` lets nothing through. */
export async function startCutter(edge) {
  const sockets = new Set();
  const cutter = { url: "", sse: true, websocket: true, down: false, requests: [], upgrades: 0 };
  let target = new URL(edge.url);

  const server = createServer((request, response) => {
    const { accept, prefer, traceparent } = request.headers;
    cutter.requests.push({ path: request.url, method: request.method, accept, prefer, traceparent });
    if (!cutter.sse && request.headers.accept === "text/event-stream") {
      // A proxy in between, which knows nothing of CORS headers but these.
      response.writeHead(503, { "access-control-allow-origin": request.headers.origin ?? "*" }).end("no streams here");
      return;
    }
    const { method, headers, url: path } = request;
    const forward = ask({ host: target.hostname, port: target.port, method, headers, path }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
      answer.on("error", () => response.destroy());
      answer.on("close", () => answer.complete || response.destroy());
    });
    forward.on("error", () => response.destroy());
    response.on("close", () => forward.destroy());
    request.pipe(forward);
  });

  server.on("connection", (socket) => {
    if (cutter.down) return socket.destroy();
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });

  server.on("upgrade", (request, socket, head) => {
    cutter.upgrades += 1;
    if (!cutter.websocket) return socket.destroy();
    const upstream = connect(Number(target.port), target.hostname, () => {
      const lines = request.rawHeaders.flatMap((name, index, all) => (index % 2 ? [] : [`${name}: ${all[index + 1]}`]));
      upstream.write(`${request.method} ${request.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
      upstream.write(head);
      socket.pipe(upstream).pipe(socket);
    });
    for (const end of [socket, upstream]) end.on("error", () => {}).on("close", () => (socket.destroy(), upstream.destroy()));
  });

  /** Who comes from now on gets to another edge. */
  cutter.leadTo = (other) => (target = new URL(other.url));
  cutter.cut = () => sockets.forEach((socket) => socket.resetAndDestroy());
  cutter.close = () => (server.close(), cutter.cut());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cutter.url = `http://127.0.0.1:${server.address().port}`;
  return cutter;
}
