/** Keeps a session connected: opens a carrier when somebody has a call, another when it is cut, none when all calls are gone. */
import { backoff } from "../core/clock.ts";
import type { LastmileError } from "../core/error.ts";
import type { Ladder } from "../core/ladder.ts";
import type { Page } from "../core/page.ts";
import type { Wire } from "../core/wire.ts";
import type { Carrier, CarrierKind, Carriers, Listener } from "./carrier.ts";
import type { Goaway, ServerFrame } from "./frames.ts";
import { createMachine, type Machine } from "./machine.ts";
import { type Past, ticketFor } from "./past.ts";
import { createPulse } from "./pulse.ts";
import { begunAnew, refusal } from "./refusal.ts";

export interface Connection {
  readonly machine: Machine;
  /** A carrier is there. */
  readonly isOpen: boolean;
  /** What carries it, if anything does. */
  readonly kind: CarrierKind | undefined;
  /** The edge takes no new calls: it shuts down. */
  readonly isLeaving: boolean;
  /** The trace that its calls are in. */
  readonly traceId: string;
  /** The token that the edge was told last. */
  readonly token: string;
  /** How much longer the edge wants to be left alone; undefined when it said nothing of that. */
  readonly waitMs: number | undefined;
  /** Resolves when the session is there; rejects when it cannot be opened. */
  connect(): Promise<void>;
  /** Moves the session to a carrier of this kind, which is opened beside the present one; `commit` is called in that moment. */
  move(kind: CarrierKind, commit: () => void): Promise<void>;
  /** Another session takes its place: streams go there, other calls end here. */
  retire(): void;
  /** Closes the carrier as soon as no call is left. */
  settle(): void;
  /** Begins a new session, as somebody else. */
  restart(): void;
  close(): void;
  /** What another page needs to go on with the session; nothing when there is none. */
  keep(): Past | undefined;
}

/** What a connection has around it. */
export interface Around {
  wire: Wire;
  page: Page;
  ladder: Ladder;
  carriers: Carriers;
  /** The edge shuts down: this session ends with it, and another edge is to be found after so long. */
  leaving(ms: number): void;
}

type Ready = NonNullable<ServerFrame["ready"]>;

const OPEN_MS = 15_000;
/** A carrier outlives its last call by this: the next one is often near. */
const IDLE_MS = 1000;
/** The edge warns of a token's end so long before. */
const NEW_MS = 60_000;

/** `past` is the session of the page before this one. */
export function createConnection({ wire, page, ladder, carriers, leaving }: Around, past?: Past): Connection {
  let carrier: Carrier | undefined;
  let pending: Promise<void> | undefined;
  let moving: Promise<void> | undefined;
  let id = past?.id ?? "";
  let resumeMs = past?.resumeMs ?? 0;
  let lostAt = past ? Date.now() : 0;
  let backAt: number | undefined;
  let failures = 0;
  let renewedAt = 0;
  /** How often the session was ended: what was begun before that is for nobody. */
  let era = 0;
  let isRetired = false;
  let isLeaving = false;
  let traceparent = "";
  let known = "";

  const machine = createMachine((frame, number) => carrier!.send(frame, number), past);
  const pulse = createPulse(() => machine.send({ ping: {} }), drop);
  const unwatch = page.watch(() => (page.away ? drop() : resume()));
  const waitMs = (): number | undefined => backAt && Math.max(0, backAt - Date.now());

  function connect(): Promise<void> {
    // Whoever wanted it may be gone by then.
    const mine: Promise<void> = (pending ??= open().then(settle, (error: unknown) => {
      if (pending === mine) pending = undefined;
      if (isRetired) settle();
      throw error;
    }));
    return mine;
  }

  async function open(): Promise<void> {
    const begun = era;
    // Two at once would take the session from each other.
    await moving?.catch(() => {});
    if (carrier) return;
    const { renewals } = wire;
    const kind = ladder.transport === "websocket" ? "websocket" : "sse";
    if (id && Date.now() - lostAt > resumeMs) forget();
    let ticket = "";
    if (past) ticket = await ticketFor(wire, id).catch(() => (begun === era && forget(), ""));
    past = undefined;
    try {
      await handshake(kind, { ticket, begun }).catch(async (error: LastmileError) => {
        if (error.code !== "UNAUTHENTICATED" || !(await wire.renew(renewals))) throw error;
        await handshake(kind, { begun });
      });
    } catch (error) {
      // Something between here and the edge refuses this carrier: another may get through.
      if (!(error as LastmileError).answered) await ladder.failed(kind, error as Error);
      throw error;
    }
  }

  /** Until `ready`, which moves the session at once: what follows it in the same moment is heard already. */
  async function handshake(kind: CarrierKind, { ticket = "", begun = era, commit = (): void => {} } = {}): Promise<void> {
    const token = await wire.token();
    let close = (): void => {};
    const ready = new Promise<void>((resolve, reject) => {
      let made: Carrier | undefined;
      let isReady = false;
      let isOver = false;
      let goaway: Goaway | undefined;
      let told = 0;

      function giveUp(): void {
        isOver = true;
        made!.close(true);
        reject(begunAnew());
      }

      function greet(): void {
        told = machine.received;
        const before = id ? { session: id, received: told } : {};
        const who = ticket ? { ticket } : token ? { token } : {};
        traceparent = wire.traceparent();
        made!.greet({ ...who, ...before, traceparent });
        ticket = "";
      }

      function first(frame: ServerFrame): void {
        if (begun !== era) giveUp();
        else if (frame.ready) {
          isReady = true;
          commit();
          known = token;
          take(made!, frame.ready, told);
          resolve();
        } else if (frame.goaway?.reason === "session_unknown" && id && !carrier && !isRetired) {
          forget();
          greet();
        } else if (frame.goaway) {
          goaway = frame.goaway;
          if (goaway.fallback) ladder.fall("websocket");
          backAt = Date.now() + (goaway.reconnectMs ?? 0);
        }
      }

      const listener: Listener = {
        // An older carrier is not listened to any more: what it says comes again.
        frame: (frame) => (isReady ? made === carrier && hear(frame) : first(frame)),
        alive: () => isReady && made === carrier && pulse.heard(),
        closed({ code, error }) {
          if (isReady) return lost(made!, error);
          isOver = true;
          made?.close();
          reject(error ?? refusal(kind, code, goaway));
        },
      };
      close = () => listener.closed({});
      Promise.resolve(carriers[kind](wire, listener)).then((opened) => {
        made = opened;
        if (isOver) made.close();
        else if (begun !== era) giveUp();
        else greet();
      }, reject);
    });
    const slow = setTimeout(close, OPEN_MS);
    await ready.finally(() => clearTimeout(slow));
  }

  /** From now on the session goes by this carrier. `told` is what the edge was told that was had of it. */
  function take(made: Carrier, { session, received = 0, heartbeatMs, resumeMs: ms = 0 }: Ready, told: number): void {
    const old = carrier;
    machine.detach(0);
    old?.close();
    if (id !== session) machine.reset();
    [carrier, id, resumeMs, failures, backAt, isLeaving] = [made, session, ms, 0, undefined, false];
    machine.attach(received, told);
    pulse.begin(heartbeatMs || OPEN_MS);
  }

  function hear(frame: ServerFrame): void {
    pulse.heard();
    if (frame.goaway) leave(carrier!, frame.goaway);
    else if (frame.authExpiring) void authenticate(carrier!, frame.authExpiring.expiresMs);
    else machine.take(frame);
  }

  async function authenticate(from: Carrier, expiresMs = 0): Promise<void> {
    // One that lives for seconds only is always about to expire: half of its time is soon enough.
    const isNew = Date.now() - renewedAt < NEW_MS;
    if (isNew) await new Promise((resolve) => setTimeout(resolve, expiresMs / 2));
    if (from !== carrier) return;
    renewedAt = Date.now();
    const isRenewed = await wire.renew(wire.renewals).catch(() => false);
    const token = isRenewed && (await wire.token());
    if (!token || from !== carrier) return;
    machine.send({ auth: { token } });
    known = token;
  }

  /** At its own moment, so that not all come back at once. */
  function leave(from: Carrier, { reason, reconnectMs = 0, fallback }: Goaway): void {
    backAt = Date.now() + reconnectMs;
    if (fallback) ladder.fall("websocket");
    isLeaving = reason === "drain";
    if (isLeaving) leaving(reconnectMs);
    else setTimeout(() => from === carrier && drop(), reconnectMs);
  }

  function lost(from: Carrier, error?: unknown): void {
    if (from !== carrier) return;
    carrier = pending = undefined;
    lostAt = Date.now();
    pulse.rest();
    machine.detach(waitMs(), error as LastmileError | undefined);
    resume();
  }

  function drop(): void {
    if (!carrier) return;
    carrier.close();
    lost(carrier);
  }

  /** Calls that no cursor can resume wait for the session itself. */
  function resume(): void {
    if (page.away || carrier || machine.isIdle) return;
    const begun = era;
    const again = (): unknown =>
      begun !== era || machine.isIdle || connect().catch(() => begun === era && (isRetired || Date.now() - lostAt > resumeMs ? forget() : resume()));
    setTimeout(again, backoff(failures++));
  }

  function forget(): void {
    id = "";
    machine.reset();
  }

  /** Ends the session: of its calls nothing is kept. */
  function end(): void {
    era += 1;
    pending = moving = undefined;
    if (carrier) {
      machine.abandon();
      carrier.close(true);
      lost(carrier);
    }
    forget();
    if (isRetired) unwatch();
  }

  /** Not while a carrier is being opened: somebody waits for it. */
  const settle = (): void => void setTimeout(() => machine.isIdle && (carrier || !pending) && end(), IDLE_MS);

  return {
    machine,
    get isOpen() {
      return carrier !== undefined;
    },
    get kind() {
      return carrier?.kind;
    },
    get isLeaving() {
      return isLeaving;
    },
    get traceId() {
      return traceparent.split("-")[1] ?? "";
    },
    get token() {
      return known;
    },
    get waitMs() {
      return waitMs();
    },
    connect,
    async move(kind, commit) {
      if (machine.isIdle && !carrier) return commit();
      await connect();
      const mine = (moving = handshake(kind, { commit }));
      await mine.finally(() => moving === mine && (moving = undefined));
    },
    retire() {
      isRetired = true;
      machine.leave();
      settle();
    },
    settle,
    restart: end,
    keep: () => (id ? { id, resumeMs, ...machine.keep() } : undefined),
    close() {
      unwatch();
      end();
    },
  };
}
