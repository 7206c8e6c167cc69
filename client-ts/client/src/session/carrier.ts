/** What carries a session: a WebSocket, or an event stream with requests beside it. */
import type { Wire } from "../core/wire.ts";
import type { ClientFrame, Hello, ServerFrame } from "./frames.ts";

export type CarrierKind = "websocket" | "sse";

export interface Carrier {
  readonly kind: CarrierKind;
  /** Says who it is: first of all, and once more when the session that it named is not known. */
  greet(hello: Hello): void;
  /** `number` is the frame's, or, of one that is not counted, that of the next which is. */
  send(frame: ClientFrame, number: number): void;
  /** For good: of the session nothing is to be kept. */
  close(isForGood?: boolean): void;
}

/** Whom a carrier tells. */
export interface Listener {
  frame(frame: ServerFrame): void;
  /** Something came that is no frame. */
  alive(): void;
  /** Nothing comes any more: by a close of the WebSocket with this code, or for this reason. */
  closed(why: { code?: number; error?: unknown }): void;
}

export type Carriers = { readonly [Kind in CarrierKind]: (wire: Wire, listener: Listener) => Carrier | Promise<Carrier> };
