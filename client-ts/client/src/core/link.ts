/** One link to an edge: its identity, its transports, and all streams that it keeps alive. */
import { createLadder, type Transport } from "./ladder.ts";
import { createMemory, type Past, type Slot } from "./memory.ts";
import type { Method } from "./method.ts";
import { watchPage } from "./page.ts";
import type { Source, Target } from "./source.ts";
import { openStream, type StreamHandle, type StreamHandlers, type Surroundings, tell } from "./stream.ts";
import { type CallOptions, callUnary } from "./unary.ts";
import type { Session } from "../session/index.ts";
import { createWire, type Wire, type WireOptions } from "./wire.ts";

export interface LinkOptions extends WireOptions {
  /** Which transports may be used, the best first: `["websocket", "sse", "poll"]` unless set. */
  transports?: readonly Transport[];
  /**
   * All tabs of the app have one session, in a worker: `() => new SharedWorker(new URL("./worker.ts", import.meta.url), {
   * type: "module" })`, where that file calls `serveTabs` of `@lastmile/client/worker`. Where a browser has no SharedWorker
   * or no locks, each tab has its own.
   */
  worker?: () => SharedWorker;
  /** How calls with one answer go while a session is open: over it, unless set. Those with headers of their own go by HTTP. */
  calls?: "session" | "http";
  /** How long a stream that nobody reads any more is kept for the next reader of the same; 2 s under hot reload, else 0. */
  lingerMs?: number;
  /** Streams go on after a reload of the page where they were before it: true unless set. */
  resumeAfterReload?: boolean;
  WebSocket?: typeof WebSocket;
}

/** `idle`: no stream is open. */
export type LinkState = "idle" | "connecting" | "live" | "reconnecting";

export interface LinkStatus {
  readonly state: LinkState;
  readonly transport: Transport;
}

export interface Link {
  readonly status: LinkStatus;
  /** Calls back whenever the status has changed, until the result is called. */
  onStatus(listener: (status: LinkStatus) => void): () => void;
  /** Connects all streams anew, each after its last event: as somebody else, for instance. */
  reconnect(): void;
  /** Closes all streams. */
  close(): void;
  /** For generated clients and the parts of this package. */
  readonly internals: Internals;
}

export interface Internals {
  readonly wire: Wire;
  /** Makes a call with one answer: over the session, when one is open and can carry it. */
  call(method: Method, input: object | undefined, options?: CallOptions): Promise<unknown>;
  /** The session, for calls that nothing else carries. */
  session(): Promise<Session>;
  open<Message>(opening: Opened<Message>): StreamHandle;
}

export interface Opened<Message> {
  target: Target;
  /** Where to begin, by the caller's own word; empty: now. */
  cursor: string;
  /** Another stream of this name may take its place; empty when none can. */
  key: string;
  handlers: StreamHandlers<Message>;
}

/** What Vite gives to a module: `createLink(options, import.meta.hot)` keeps its link through hot reloads. */
export interface Hot {
  data: { link?: Link };
}

const TRANSPORTS: readonly Transport[] = ["websocket", "sse", "poll"];
/** What a link is in as soon as one of its streams is. */
const STATES = ["connecting", "reconnecting", "live"] as const;

export function createLink(options: LinkOptions = {}, hot?: Hot): Link {
  if (hot?.data.link) return hot.data.link;
  const { baseUrl = "", transports = TRANSPORTS, lingerMs = hot ? 2000 : 0, resumeAfterReload = true } = options;
  const page = watchPage();
  const memory = createMemory(`lastmile ${baseUrl}`);
  // In development a reload of the page is like a hot one: the same trace, and the same session.
  const past = hot ? memory.past : {};
  const wire = createWire(options, past.trace);
  const open = new Map<StreamHandle, string>();
  const listeners = new Set<(status: LinkStatus) => void>();
  let loading: Promise<Session> | undefined;
  let loaded: Session | undefined;
  let status: LinkStatus = { state: "idle", transport: transports[0]! };

  const reopen = (): void => open.forEach((_, handle) => handle.reconnect());
  // Else each stream is a request of its own.
  const hasSession = transports.includes("websocket");
  const ladder = createLadder(transports, wire.probe, async (better, commit) => {
    if (loading && better !== "poll") await (await loading).move(better, commit);
    else commit();
    // A session has moved its streams itself.
    if (better !== "websocket") reopen();
  });
  // A session knows methods only. All of their code is loaded when it is used.
  const readSse: Source = async (...call) =>
    (hasSession && call[1].name ? (await session()).read : (await import("./read_sse.ts")).readSse)(...call);
  const sources: Surroundings["sources"] = {
    websocket: readSse,
    sse: readSse,
    poll: async (...call) => (await import("./read_poll.ts")).readPoll(...call),
  };
  const around: Surroundings = { wire, page, ladder, sources, changed };
  page.watch(() => page.away && memory.note([...open].map(([handle, key]) => [key, handle.cursor]), leave()));

  function session(): Promise<Session> {
    loading ??= load().then(
      (made) => (loaded = made),
      (error: unknown) => {
        loading = undefined;
        throw error;
      },
    );
    return loading;
  }

  async function load(): Promise<Session> {
    const { worker } = options;
    if (worker && globalThis.SharedWorker && navigator.locks) {
      const { createRemoteSession } = await import("../shared/remote.ts");
      return createRemoteSession(wire, page, ladder, worker, options);
    }
    const { createSession } = await import("../session/index.ts");
    return createSession(wire, page, ladder, options.WebSocket ?? WebSocket, past.session);
  }

  const isByHttp = options.calls === "http" || options.headers || options.traceparent;
  function call(method: Method, input: object | undefined, given: CallOptions = {}): Promise<unknown> {
    // A call that renews the identity must not wait for itself.
    const isPlain = !(isByHttp || method.cookies || given.headers || wire.isInRefresh);
    return (isPlain && loaded?.call(method, input, given)) || callUnary(wire, method, input, given);
  }

  function leave(): Past {
    return hot ? { trace: wire.traceparent().slice(3, 35), session: loaded?.keep() } : {};
  }

  function changed(): void {
    const states = new Set<string>();
    for (const handle of open.keys()) {
      if (/ended|failed|closed/.test(handle.status.state)) open.delete(handle);
      else states.add(handle.status.state);
    }
    const state = STATES.find((each) => states.has(each)) ?? "idle";
    const { transport } = ladder;
    if (state === status.state && transport === status.transport) return;
    status = { state, transport };
    for (const listener of listeners) tell(() => listener(status));
  }

  function openOrAdopt<Message>({ target, cursor, key, handlers }: Opened<Message>): StreamHandle {
    let slot = memory.adopt(key, handlers);
    if (!slot) {
      const start = cursor || (resumeAfterReload ? memory.recall(key) : "");
      const made: Slot<Message> = { handlers, handle: openStream(around, target, start, () => made.handlers) };
      open.set(made.handle, key);
      changed();
      slot = made;
    }
    const { handle } = slot;
    const close = (): void => {
      if (key && lingerMs && open.has(handle)) memory.leave(key, slot, lingerMs);
      else handle.close();
    };
    return Object.create(handle, { close: { value: close } }) as StreamHandle;
  }

  const link: Link = {
    get status() {
      return status;
    },
    onStatus(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    reconnect() {
      loaded?.restart();
      reopen();
    },
    close() {
      open.forEach((_, handle) => handle.close());
      void loading?.then((each) => each.close());
      ladder.close();
      page.close();
    },
    internals: { wire, call, session, open: openOrAdopt },
  };
  if (hot) hot.data.link = link;
  return link;
}
