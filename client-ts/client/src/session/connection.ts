/** Owns the socket of a session: opens it when somebody has a call, resumes it when it is cut, closes it when all are gone. */
import { backoff } from "../core/clock.ts";
import { LastmileError } from "../core/error.ts";
import type { Page } from "../core/page.ts";
import type { Wire } from "../core/wire.ts";
import type { ClientFrame, Goaway, ServerFrame } from "./frames.ts";
import { createMachine, type Machine } from "./machine.ts";

export interface Connection {
  readonly machine: Machine;
  /** How much longer the edge wants to be left alone; undefined when it said nothing of that. */
  readonly waitMs: number | undefined;
  /** Resolves when the session is there; rejects when it cannot be opened. */
  connect(): Promise<void>;
  /** Closes the socket as soon as no call is left. */
  settle(): void;
  /** Begins a new session, as somebody else. */
  restart(): void;
  close(): void;
}

const SUBPROTOCOL = "lastmile.v1.json";
const OPEN_MS = 15_000;
/** How long an answer to a ping may take. */
const PONG_MS = 5000;
/** A socket outlives its last call by this: the next one is often near. */
const IDLE_MS = 1000;

/** `fall` is called when the edge says that another transport is to be used. */
export function createConnection(wire: Wire, page: Page, Socket: typeof WebSocket, fall: () => void): Connection {
  let socket: WebSocket | undefined;
  let pending: Promise<void> | undefined;
  let id = "";
  let resumeMs = 0;
  let lostAt = 0;
  let goaway: Goaway | undefined;
  let backAt = 0;
  let pulse: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  let everyMs = OPEN_MS;

  const machine = createMachine((frame) => socket!.send(JSON.stringify(frame)));
  const unwatch = page.watch(() => (page.away ? socket?.close() : resume()));

  function connect(): Promise<void> {
    pending ??= open().catch((error: unknown) => {
      pending = undefined;
      throw error;
    });
    return pending;
  }

  async function open(): Promise<void> {
    const { renewals } = wire;
    if (id && Date.now() - lostAt > resumeMs) forget();
    try {
      await handshake(await wire.token());
    } catch (error) {
      const isOver = error instanceof LastmileError && error.code === "UNAUTHENTICATED";
      if (!isOver || !(await wire.renew(renewals))) throw error;
      await handshake(await wire.token());
    }
  }

  /** Until `ready`. A session that is known no more is begun anew. */
  function handshake(token: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const made = new Socket(address(), SUBPROTOCOL);
      let isReady = false;
      goaway = undefined;
      const slow = setTimeout(() => made.close(), OPEN_MS);
      const hello = (): void => {
        const known = id ? { session: id, received: machine.received } : {};
        const frame: ClientFrame = { hello: { ...(token && { token }), ...known, traceparent: wire.traceparent() } };
        made.send(JSON.stringify(frame));
      };
      made.onopen = hello;
      made.onmessage = ({ data }) => {
        const frame = JSON.parse(data as string) as ServerFrame;
        if (frame.goaway?.reason === "session_unknown" && id) {
          forget();
          hello();
        } else if (frame.goaway) leave(made, frame.goaway);
        else if (frame.ready) {
          isReady = true;
          clearTimeout(slow);
          socket = made;
          failures = 0;
          if (id !== frame.ready.session) machine.reset();
          id = frame.ready.session;
          resumeMs = frame.ready.resumeMs ?? 0;
          resolve();
          machine.attach(frame.ready.received ?? 0);
          beat(frame.ready.heartbeatMs || OPEN_MS);
        } else void handle(frame);
        if (isReady) beat();
      };
      made.onclose = ({ code }) => {
        clearTimeout(slow);
        if (isReady) lost(made);
        else reject(refusal(code, goaway));
      };
    });
  }

  async function handle(frame: ServerFrame): Promise<void> {
    if (!frame.authExpiring) return machine.take(frame);
    const isRenewed = await wire.renew(wire.renewals).catch(() => false);
    const token = isRenewed && (await wire.token());
    if (token) machine.send({ auth: { token } });
  }

  /** At its own moment, so that not all come back at once. */
  function leave(from: WebSocket, told: Goaway): void {
    goaway = told;
    backAt = Date.now() + (told.reconnectMs ?? 0);
    if (told.fallback) fall();
    if (from === socket) setTimeout(() => from.close(), told.reconnectMs ?? 0);
  }

  /** A socket can die without a sign: what is silent is asked, and what does not answer is closed. */
  function beat(ms = everyMs): void {
    everyMs = ms;
    clearTimeout(pulse);
    const asked = socket;
    pulse = setTimeout(() => {
      machine.send({ ping: {} });
      pulse = setTimeout(() => asked && (asked.close(), lost(asked)), PONG_MS);
    }, everyMs);
  }

  function lost(from: WebSocket): void {
    if (from !== socket) return;
    socket = pending = undefined;
    lostAt = Date.now();
    clearTimeout(pulse);
    machine.detach();
    resume();
  }

  /** Calls that no cursor can resume wait for the session itself. */
  function resume(): void {
    if (page.away || socket || machine.isIdle) return;
    const again = (): unknown =>
      machine.isIdle || connect().catch(() => (Date.now() - lostAt > resumeMs ? forget() : resume()));
    setTimeout(again, backoff(failures++));
  }

  function forget(): void {
    id = "";
    machine.reset();
  }

  /** Ends the session: with this code the edge keeps nothing of it. */
  function end(): void {
    socket?.close(1000);
    if (socket) lost(socket);
    forget();
  }

  function address(): string {
    const url = new URL(wire.url(wire.own("/ws")), globalThis.location?.href);
    url.protocol = url.protocol.replace("http", "ws");
    return url.href;
  }

  return {
    machine,
    get waitMs() {
      return goaway && Math.max(0, backAt - Date.now());
    },
    connect,
    settle: () => void setTimeout(() => machine.isIdle && end(), IDLE_MS),
    restart: end,
    close() {
      unwatch();
      end();
    },
  };
}

/** Why there is no session. The edge says so before it closes; a socket that never opened says nothing. */
function refusal(code: number, goaway: Goaway | undefined): LastmileError {
  const { reason = "", reconnectMs } = goaway ?? {};
  const known = ({ 4401: "UNAUTHENTICATED", 4403: "PERMISSION_DENIED", 4429: "RESOURCE_EXHAUSTED" } as const)[code];
  const message = goaway ? `The edge takes no session: ${reason}.` : "The WebSocket could not be opened.";
  return new LastmileError(message, { code: known ?? "UNAVAILABLE", reason, retryMs: reconnectMs, answered: goaway !== undefined });
}
