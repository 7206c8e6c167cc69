/** Calls over one connection, whatever carries it; loaded when a link uses it. */
import { backoff } from "../core/clock.ts";
import type { Ladder } from "../core/ladder.ts";
import type { Method } from "../core/method.ts";
import type { Page } from "../core/page.ts";
import type { Source } from "../core/source.ts";
import type { CallOptions } from "../core/unary.ts";
import type { Wire } from "../core/wire.ts";
import { type BidiCall, openBidi } from "./bidi.ts";
import type { Carriers } from "./carrier.ts";
import type { Codec } from "./codec.ts";
import { type Connection, createConnection } from "./connection.ts";
import type { Past } from "./past.ts";
import { readCall } from "./read_call.ts";
import { openSocket } from "./socket.ts";
import { callInSession } from "./unary.ts";

export interface Session {
  /** Reads a stream as a call of the session. */
  readonly read: Source;
  /** Begins a call in both directions. */
  bidi<Input, Output>(method: string, signal?: AbortSignal, codec?: Codec<Input, Output>): BidiCall<Input, Output>;
  /** Makes a call with one answer; nothing when the session is not open. */
  call(method: Method, input: object | undefined, options: CallOptions): Promise<unknown> | undefined;
  /** Goes on by a better carrier, which is opened while the present one is read; `commit` is called at that moment. */
  move(kind: "websocket" | "sse", commit: () => void): Promise<void>;
  /** Begins a new session, as somebody else. */
  restart(): void;
  close(): void;
  /** What the next page needs to go on with it. */
  keep(): Past | undefined;
}

export function createSession(wire: Wire, page: Page, ladder: Ladder, Socket: typeof WebSocket, past?: Past): Session {
  let current = connection(past);
  let isClosed = false;
  // Sessions that end with their edge, and those whose calls are not over.
  const open = new Set([current]);
  const unwatch = page.watch(() => !page.away && void ladder.climb());

  function connection(before?: Past): Connection {
    const carriers: Carriers = {
      websocket: (...call) => openSocket(Socket, ...call),
      // Few browsers need it.
      sse: async (...call) => (await import("./leg.ts")).openLeg(...call),
    };
    const leaving = (ms: number): void => void succeed(made, ms);
    const made: Connection = createConnection({ wire, page, ladder, carriers, leaving }, before);
    return made;
  }

  /** Finds another edge while this one still speaks, and then has streams opened there. */
  async function succeed(from: Connection, ms: number): Promise<void> {
    for (let failures = 0; ; failures += 1) {
      await new Promise((resolve) => setTimeout(resolve, ms));
      if (from !== current || !from.isOpen || isClosed) return;
      const next = connection();
      open.add(next);
      try {
        await next.connect();
        if (isClosed) return next.close();
        current = next;
        from.retire();
        // One that is between two carriers still has calls, and is to be reached.
        for (const each of open) if (!each.isOpen && each.machine.isIdle) open.delete(each);
        return;
      } catch {
        ms = next.waitMs ?? backoff(failures);
        open.delete(next);
        next.close();
      }
    }
  }

  return {
    read: (_, target, sink, signal) => readCall(current, target, sink, signal),
    bidi: (...call) => openBidi(() => current, ...call),
    call: (...call) => (current.isOpen && !current.isLeaving ? callInSession(current, wire, ...call) : undefined),
    move: (kind, commit) => current.move(kind, commit),
    restart: () => open.forEach((each) => each.restart()),
    close() {
      isClosed = true;
      unwatch();
      open.forEach((each) => each.close());
    },
    keep: () => current.keep(),
  };
}
