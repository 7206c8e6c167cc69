/** Calls over one WebSocket; loaded when a link uses it. */
import type { Page } from "../core/page.ts";
import type { Source } from "../core/source.ts";
import type { Wire } from "../core/wire.ts";
import { type BidiCall, openBidi } from "./bidi.ts";
import { createConnection } from "./connection.ts";
import { readCall } from "./read_call.ts";

export interface Session {
  /** Reads a stream as a call of the session. */
  readonly read: Source;
  /** Begins a call in both directions. */
  bidi<Input, Output>(method: string, signal?: AbortSignal): BidiCall<Input, Output>;
  /** Begins a new session, as somebody else. */
  restart(): void;
  close(): void;
}

/** `fall` is called when the edge says that another transport is to be used. */
export function createSession(wire: Wire, page: Page, Socket: typeof WebSocket, fall: () => void): Session {
  const connection = createConnection(wire, page, Socket, fall);
  return {
    read: (_, target, sink, signal) => readCall(connection, target, sink, signal),
    bidi: (method, signal) => openBidi(connection, method, signal),
    restart: connection.restart,
    close: connection.close,
  };
}
