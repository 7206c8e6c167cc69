/** A session over a WebSocket: a frame is a text message. */
import { toJson } from "../core/request.ts";
import type { Wire } from "../core/wire.ts";
import type { Carrier, Listener } from "./carrier.ts";
import type { ClientFrame, ServerFrame } from "./frames.ts";

const SUBPROTOCOL = "lastmile.v1.json";

export function openSocket(Socket: typeof WebSocket, wire: Wire, { frame, closed }: Listener): Carrier {
  const socket = new Socket(address(wire), SUBPROTOCOL);
  const opening = new Promise<void>((resolve) => (socket.onopen = () => resolve()));
  socket.onmessage = ({ data }) => frame(JSON.parse(data as string) as ServerFrame);
  socket.onclose = closed;
  const say = (told: ClientFrame): void => socket.send(toJson(told));
  return {
    kind: "websocket",
    greet: (hello) => void opening.then(() => say({ hello })),
    send: say,
    // With this code the edge keeps nothing of the session.
    close: (isForGood) => (isForGood ? socket.close(1000) : socket.close()),
  };
}

function address(wire: Wire): string {
  const url = new URL(wire.url(wire.own("/ws")), globalThis.location?.href);
  url.protocol = url.protocol.replace("http", "ws");
  return url.href;
}
