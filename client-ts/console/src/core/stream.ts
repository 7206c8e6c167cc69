/** Keeps one native EventSource alive and tells what became of the stream each time it opened. */
import { Problem } from "./problem.ts";

export type Outcome = "FRESH" | "RESUMED" | "GAP";

/** `waiting` is the time between two connections; `ended` and `failed` stay until the stream is opened anew. */
export type Phase = "connecting" | "live" | "waiting" | "ended" | "failed";

export interface StreamState {
  phase: Phase;
  /** How the latest connection continued the one before; unset until the edge has said so. */
  outcome?: Outcome;
  /** Why there is a gap: expired, epoch_changed, overflow or cursor_mismatch. */
  reason?: string;
  /** Connections after the first. */
  reconnects: number;
  problem?: Problem;
}

export interface StreamOptions {
  /** Path of the stream, without `cursor` and `heartbeat`. */
  path: string;
  /** Where to begin; empty begins now. */
  cursor?: string;
  /** EventSource hands over only events whose names were asked for. */
  types: Iterable<string>;
  onEvent: (data: unknown, type: string) => void;
  onState: (state: StreamState) => void;
  /** Something passed that no listener was registered for, or that the edge had to leave out. */
  onMissed?: () => void;
  /** Why the edge refuses this URL; undefined when it would serve it now. EventSource itself does not tell. */
  explain: (url: string) => Promise<Problem | undefined>;
  /** Called when the edge closed for want of a valid credential, before the next connection. */
  renew?: () => Promise<unknown>;
  connect?: (url: string) => EventSource;
}

export interface Stream {
  /** Cuts the connection and continues after the last event. */
  cut: () => void;
  listen: (type: string) => void;
  close: () => void;
}

const DEFAULT_HEARTBEAT_MS = 15_000;
const LONGEST_WAIT_MS = 15_000;

export function openStream(options: StreamOptions): Stream {
  const connect = options.connect ?? ((url) => new EventSource(url, { withCredentials: true }));
  const types = new Set(options.types);
  let state: StreamState = { phase: "connecting", reconnects: 0 };
  let source: EventSource;
  let opens = 0;
  let failures = 0;
  let heartbeatMs = DEFAULT_HEARTBEAT_MS;
  let cursor = options.cursor ?? "";
  let watchdog: ReturnType<typeof setTimeout> | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;

  function change(next: Partial<StreamState>): void {
    state = { ...state, ...next };
    options.onState(state);
  }

  function open(): void {
    const current = connect(streamUrl(options.path, cursor));
    source = current;
    const on = (type: string, handle: (event: MessageEvent<string>) => void): void => {
      current.addEventListener(type, (event) => {
        if (current === source && event instanceof MessageEvent) {
          alive();
          handle(event as MessageEvent<string>);
        }
      });
    };
    on("lm-open", (event) => opened(parse(event.data)));
    on("lm-heartbeat", (event) => heartbeat(event.lastEventId));
    on("lm-skipped", () => options.onMissed?.());
    on("lm-close", (event) => void closedByEdge(parse(event.data)));
    on("lm-error", (event) => failed(new Problem(parse(event.data), 0)));
    on("lm-end", () => stop({ phase: "ended" }));
    for (const type of types) listenOn(current, type);
    current.addEventListener("error", () => {
      if (current === source) void broken();
    });
    alive();
  }

  function listenOn(current: EventSource, type: string): void {
    current.addEventListener(type, (event) => {
      if (current !== source || !(event instanceof MessageEvent)) return;
      alive();
      remember(event.lastEventId);
      options.onEvent(parse(event.data as string), type);
    });
  }

  function remember(id: string): void {
    if (id) cursor = id;
  }

  function opened(value: Record<string, unknown>): void {
    const [first] = Array.isArray(value.streams) ? (value.streams as { outcome?: Outcome; reason?: string }[]) : [];
    if (typeof value.heartbeatMs === "number" && value.heartbeatMs > 0) heartbeatMs = value.heartbeatMs;
    opens += 1;
    failures = 0;
    if (first?.outcome === "GAP") cursor = "";
    const { problem: _settled, outcome: _old, reason: _why, ...rest } = state;
    state = rest;
    change({
      phase: "live",
      reconnects: opens - 1,
      ...(first?.outcome && { outcome: first.outcome }),
      ...(first?.reason && { reason: first.reason }),
    });
    alive();
  }

  function heartbeat(id: string): void {
    // Another position than ours: events passed whose names nobody listens for. The id is a token that ends in the
    // backend's own cursor, which is all we have before the first event.
    const missed = cursor !== "" && id !== "" && id !== cursor && !id.endsWith(`.${cursor}`);
    remember(id);
    if (missed) options.onMissed?.();
  }

  async function closedByEdge(value: Record<string, unknown>): Promise<void> {
    if (!/token|credential|expired|unauth/i.test(String(value.reason))) return;
    const held = source;
    held.close();
    change({ phase: "waiting" });
    await options.renew?.().catch(() => undefined);
    if (held === source) reopenLater();
  }

  /** The edge said that the call failed: for good, or EventSource comes back by itself. */
  function failed(problem: Problem): void {
    if (problem.final) stop({ phase: "failed", problem });
    else change({ problem });
  }

  async function broken(): Promise<void> {
    if (state.phase === "ended" || state.phase === "failed") return;
    change({ phase: "waiting" });
    // CONNECTING: EventSource retries on its own. CLOSED: the answer was no stream, and it has given up.
    const held = source;
    if (held.readyState !== held.CLOSED) return;
    clearTimeout(watchdog);
    const problem = await options.explain(streamUrl(options.path, cursor));
    if (held !== source) return;
    if (problem?.final) return stop({ phase: "failed", problem });
    if (problem) change({ problem });
    reopenLater();
  }

  function reopenLater(): void {
    const wait = Math.min(500 * 2 ** failures, LONGEST_WAIT_MS);
    failures += 1;
    clearTimeout(retry);
    retry = setTimeout(cut, wait / 2 + Math.random() * (wait / 2));
  }

  /** A socket can die without an error; heartbeats that stay away are the only sign. */
  function alive(): void {
    clearTimeout(watchdog);
    watchdog = setTimeout(cut, heartbeatMs * 2);
  }

  function cut(): void {
    close();
    change({ phase: opens > 0 ? "waiting" : "connecting" });
    open();
  }

  function stop(next: Partial<StreamState>): void {
    close();
    change(next);
  }

  function close(): void {
    clearTimeout(watchdog);
    clearTimeout(retry);
    source.close();
  }

  function listen(type: string): void {
    if (types.has(type)) return;
    types.add(type);
    listenOn(source, type);
  }

  open();
  options.onState(state);
  return { cut, listen, close };
}

export function streamUrl(path: string, cursor: string): string {
  const query = new URLSearchParams({ heartbeat: "event", ...(cursor && { cursor }) });
  return `${path}?${query}`;
}

function parse(data: string): Record<string, unknown> {
  try {
    return JSON.parse(data) as Record<string, unknown>;
  } catch {
    return {};
  }
}
