/**
 * A session, without its socket: calls, credit, and frames that are counted on both sides.
 *
 * Every counted frame reaches the other side once, in order, across connections. Streams go with their connection and are
 * opened again by whoever reads them, from their cursor; other calls live on in the session.
 */
import type { LastmileError } from "../core/error.ts";
import { type ClientFrame, type End, isCounted, isCountedByEdge, type Message, type Open, type Opened, type ServerFrame } from "./frames.ts";
import type { Past } from "./past.ts";

/** Who made a call. */
export interface Caller {
  /** It ends with its connection, and is opened anew. */
  readonly isStream: boolean;
  opened?(opened: Opened): void;
  message(message: Message): void;
  /** The edge takes so many more messages. */
  credit?(messages: number): void;
  end(end: End): void;
  /**
   * The connection is gone, or the session is: what became of the call is not known then. `waitMs` is when to come back, if
   * that was told; `error` is why the connection is no good.
   */
  lost(waitMs?: number, error?: LastmileError): void;
}

export interface Machine {
  /** The number of the last frame had. */
  readonly received: number;
  /** No call is open. */
  readonly isIdle: boolean;
  open(open: Omit<Open, "call">, caller: Caller): number;
  /** Sends a frame of a call: now, or when there is a connection again. */
  send(frame: ClientFrame): void;
  /** Nobody waits for the call any more. */
  cancel(call: number): void;
  take(frame: ServerFrame): void;
  /** Streams have another session to be opened in. Other calls stay. */
  leave(): void;
  /** Nobody waits for any call: the edge is told so. */
  abandon(): void;
  /**
   * A connection is there, by which the edge has had so many frames. `told` is what the edge was told that this side had: on
   * an older connection more of it may have come meanwhile, and comes again.
   */
  attach(received: number, told: number): void;
  detach(waitMs?: number, error?: LastmileError): void;
  /** The session is over, and so are its calls. */
  reset(): void;
  /** What another page has to know to go on. */
  keep(): Kept;
}

export type Kept = Pick<Past, "received" | "highest" | "calls">;

/** Acknowledges every so many frames. */
const ACK_EVERY = 16;

/** `write` gets the number of a frame, or, of one that is not counted, that of the next which is. */
export function createMachine(write: (frame: ClientFrame, number: number) => void, past?: Kept): Machine {
  let outbox: ClientFrame[] = [];
  let acked = 0;
  let received = past?.received ?? 0;
  /** The number of the last frame on this connection. */
  let place = 0;
  let highest = past?.highest ?? 0;
  /** Calls of the page before, which this one knows nothing of. */
  let orphans = past?.calls ?? [];
  let isAttached = false;
  const calls = new Map<number, Caller>();
  const channels = new Map<number, Set<number>>();
  /** Calls that the edge has begun, and that live as long as their session. */
  const begun = new Set<number>();

  function send(frame: ClientFrame): void {
    const counted = isCounted(frame);
    if (counted) outbox.push(frame);
    if (isAttached) write(frame, acked + outbox.length + (counted ? 0 : 1));
  }

  /** Streams end with their connection. Their `open` may come to the edge only later, when nobody reads them any more. */
  function loseStreams(waitMs?: number, error?: LastmileError): void {
    channels.clear();
    for (const [call, caller] of calls) {
      if (!caller.isStream) continue;
      forget(call);
      send({ cancel: { call } });
      caller.lost(waitMs, error);
    }
  }

  function forget(call: number): Caller | undefined {
    const caller = calls.get(call);
    calls.delete(call);
    begun.delete(call);
    for (const members of channels.values()) members.delete(call);
    return caller;
  }

  /** The edge has had everything up to this number. */
  function trim(number: number): void {
    outbox = outbox.slice(Math.max(0, number - acked));
    acked = Math.max(acked, number);
  }

  function join(channel: number, call: number): void {
    const members = channels.get(channel) ?? new Set();
    channels.set(channel, members.add(call));
  }

  return {
    get received() {
      return received;
    },
    get isIdle() {
      return calls.size === 0;
    },
    open(open, caller) {
      const call = (highest += 1);
      calls.set(call, caller);
      send({ open: { call, ...open } });
      return call;
    },
    send,
    cancel(call) {
      if (forget(call)) send({ cancel: { call } });
    },
    take(frame) {
      if (isCountedByEdge(frame)) {
        place += 1;
        if (place <= received) return;
        received = place;
        if (received % ACK_EVERY === 0) send({ ack: { received } });
      }
      const { opened, message, end, credit, ack } = frame;
      if (opened) {
        if (opened.channel && calls.has(opened.call)) join(opened.channel, opened.call);
        const caller = calls.get(opened.call);
        if (caller && !caller.isStream) begun.add(opened.call);
        caller?.opened?.(opened);
      } else if (message) {
        const members = message.channel ? (channels.get(message.channel) ?? []) : [message.call!];
        for (const call of members) calls.get(call)?.message(message);
      } else if (end) forget(end.call)?.end(end);
      else if (credit) calls.get(credit.call)?.credit?.(credit.messages ?? 0);
      else if (ack) trim(ack.received ?? 0);
    },
    leave: () => loseStreams(0),
    abandon() {
      for (const call of calls.keys()) send({ cancel: { call } });
    },
    attach(number, told) {
      trim(number);
      place = told;
      isAttached = true;
      outbox.forEach((frame, index) => write(frame, acked + index + 1));
      for (const call of orphans) send({ cancel: { call } });
      orphans = [];
    },
    detach(waitMs, error) {
      isAttached = false;
      loseStreams(waitMs, error);
    },
    reset() {
      const all = [...calls.values()];
      calls.clear();
      channels.clear();
      begun.clear();
      orphans = [];
      outbox = [];
      acked = received = place = highest = 0;
      for (const caller of all) caller.lost();
    },
    keep: () => ({ received, highest, calls: [...begun] }),
  };
}
