// Passes requests on to the edge as they are: streams unbuffered, and a cut on one side is a cut on the other.
import { randomBytes } from "node:crypto";
import { type IncomingMessage, request as ask, type ServerResponse } from "node:http";
import { request as askSecurely } from "node:https";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectSecurely } from "node:tls";

export function forward(edge: URL, request: IncomingMessage, response: ServerResponse): void {
  const headers = { ...request.headers, traceparent: request.headers.traceparent ?? newTrace() };
  const { method, url: path } = request;
  const send = edge.protocol === "https:" ? askSecurely : ask;
  const onward = send(edge, { method, path, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.flushHeaders();
    answer.pipe(response);
    // Else an edge that dies leaves the browser's streams open for ever.
    answer.on("close", () => answer.complete || response.destroy());
  });
  onward.on("error", () => {
    if (response.headersSent) return response.destroy();
    const body = { code: "UNAVAILABLE", title: "Bad Gateway", detail: `The edge at ${edge.origin} does not answer. Is it running?`, status: 502 };
    response.writeHead(502, { "content-type": "application/problem+json" }).end(JSON.stringify(body));
  });
  response.on("close", () => onward.destroy());
  request.pipe(onward);
}

/** A WebSocket: after the head, bytes. */
export function forwardUpgrade(edge: URL, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const isSecure = edge.protocol === "https:";
  const port = Number(edge.port) || (isSecure ? 443 : 80);
  const onward = isSecure ? connectSecurely(port, edge.hostname, { servername: edge.hostname }) : connect(port, edge.hostname);
  onward.on(isSecure ? "secureConnect" : "connect", () => {
    const lines = request.rawHeaders.flatMap((name, index, all) => (index % 2 ? [] : [`${name}: ${all[index + 1]}`]));
    onward.write(`${request.method} ${request.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
    onward.write(head);
    socket.pipe(onward).pipe(socket);
  });
  for (const [one, other] of [[socket, onward], [onward, socket]] as const) {
    one.on("error", () => other.destroy()).on("close", () => other.destroy());
  }
}

/** W3C trace context for what comes without: an image, a link, a page's own fetch. */
function newTrace(): string {
  return `00-${randomBytes(16).toString("hex")}-${randomBytes(8).toString("hex")}-01`;
}
