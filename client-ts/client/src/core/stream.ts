/** Keeps one stream alive: through cuts, transports, renewed identities and pages that are put away. */
import { backoff } from "./clock.ts";
import { asError, LastmileError } from "./error.ts";
import type { Ladder, Transport } from "./ladder.ts";
import type { Page } from "./page.ts";
import type { Gap, Outcome, Sink, Source, Target } from "./source.ts";
import type { Wire } from "./wire.ts";

/** `idle` has not begun; `ended`, `failed` and `closed` are over. */
export type StreamState = "idle" | "connecting" | "live" | "reconnecting" | "ended" | "failed" | "closed";

export interface StreamStatus {
  readonly state: StreamState;
  readonly transport?: Transport;
  /** What became of the cursor when the stream was opened the last time. */
  readonly outcome?: Outcome;
  /** Why it failed, or why it is not live at the moment. */
  readonly error?: LastmileError;
}

export interface Meta {
  /** Name of the event; empty when the method's rule names none. */
  name: string;
  /** Where the stream stands after this message, when the transport tells. */
  cursor: string;
}

/** Whom a stream tells. A promise that a handler returns is waited for before the next message. */
export interface StreamHandlers<Message> {
  event(message: Message, meta: Meta): void | Promise<unknown>;
  /** Events may be missing that cannot be had any more: read the state anew. It is no option to overlook that. */
  gap(gap: Gap): void;
  /** The stream has ended well. */
  end?(): void;
  /** The stream has failed for good. */
  error?(error: LastmileError): void;
  status?(status: StreamStatus): void;
}

export interface StreamHandle {
  readonly status: StreamStatus;
  /** Where the stream stands. */
  readonly cursor: string;
  /** Cuts the connection and continues after the last event. */
  reconnect(): void;
  close(): void;
}

/** What a link has for its streams. */
export interface Surroundings {
  wire: Wire;
  page: Page;
  ladder: Ladder;
  sources: { readonly [transport in Transport]: Source };
  /** The stream's status has changed. */
  changed(): void;
}

export function openStream<Message>(
  { wire, page, ladder, sources, changed }: Surroundings,
  target: Target,
  start: string,
  handlers: () => StreamHandlers<Message>,
): StreamHandle {
  let status: StreamStatus = { state: "connecting" };
  let cursor = start;
  let failures = 0;
  let attempt = new AbortController();
  let wake = (): void => {};
  const unwatch = page.watch(() => (page.away ? attempt.abort() : wake()));

  const isOver = (): boolean => /ended|failed|closed/.test(status.state);

  function change(next: StreamStatus): void {
    status = next;
    tell(() => handlers().status?.(status));
    changed();
  }

  /** It is not live: not yet, or not at the moment. */
  const trying = (more: Partial<StreamStatus> = {}): void =>
    change({ ...status, state: status.outcome ? "reconnecting" : "connecting", ...more });

  const sinkOn = (transport: Transport): Sink & { isOpen: boolean } => ({
    isOpen: false,
    get cursor() {
      return cursor;
    },
    opened(streams, by = transport) {
      this.isOpen = true;
      failures = 0;
      ladder.opened(by);
      const gaps = streams.filter((stream) => stream.outcome === "GAP");
      change({ state: "live", transport: by, outcome: (gaps[0] ?? streams[0])?.outcome ?? "FRESH" });
      for (const { key, reason = "" } of gaps) this.gap({ key, reason });
    },
    message(value, name = "", id = "") {
      if (isOver()) return;
      cursor = id || cursor;
      return tell(() => handlers().event(value as Message, { name, cursor: id }));
    },
    moved(id) {
      cursor = id || cursor;
    },
    gap(gap) {
      if (!isOver()) tell(() => handlers().gap(gap));
    },
  });

  /** Reads once. The result is how long to wait; undefined when it is over. */
  async function read(): Promise<number | undefined> {
    const { transport } = ladder;
    const sink = sinkOn(transport);
    const since = wire.renewals;
    attempt = new AbortController();
    trying({ transport });
    try {
      const { ended, reason = "", retryMs } = await sources[transport](wire, target, sink, attempt.signal);
      if (isOver()) return;
      if (ended) return finish({ state: "ended" });
      if (reason.startsWith("token") && !(await wire.renew(since))) throw signedOut(reason);
      return retryMs ?? backoff(failures++);
    } catch (thrown) {
      if (isOver()) return;
      // Not the network's doing: the page was put away, or somebody asked to connect anew.
      if (attempt.signal.aborted) return 0;
      const error = asError(thrown);
      // Something between here and the edge refuses this transport: another may get through.
      const isRefused = !sink.isOpen && !error.answered;
      if (error.final && (!isRefused || ladder.isLast)) return finish({ state: "failed", error });
      if (isRefused) await ladder.failed(transport, error);
      if (isOver()) return;
      trying({ error });
      const isNext = ladder.transport !== transport;
      return isNext ? 0 : Math.max(error.retryMs ?? 0, backoff(failures++));
    }
  }

  function finish(end: StreamStatus): undefined {
    unwatch();
    const { error: _, ...rest } = status;
    change({ ...rest, ...end });
    tell(() => (end.error ? handlers().error?.(end.error) : end.state === "ended" && handlers().end?.()));
  }

  async function run(): Promise<void> {
    for (;;) {
      const ms = await read();
      if (ms === undefined) return;
      trying();
      await new Promise<void>((resolve) => {
        wake = resolve;
        // Put away, it waits for the page alone.
        if (!page.away) setTimeout(() => page.away || resolve(), ms);
      });
      if (isOver()) return;
    }
  }

  function reconnect(): void {
    attempt.abort();
    wake();
  }

  // Not at once: whoever opens a stream has its handle before its first call.
  queueMicrotask(() => !isOver() && void run());
  return {
    get status() {
      return status;
    },
    get cursor() {
      return cursor;
    },
    reconnect,
    close() {
      if (isOver()) return;
      finish({ state: "closed" });
      reconnect();
    },
  };
}

/** What a handler throws is its own affair, and must not cut the stream. */
export function tell(run: () => unknown): void | Promise<unknown> {
  try {
    const result = run();
    if (result instanceof Promise) return result.catch(report);
  } catch (error) {
    report(error);
  }
}

function report(error: unknown): void {
  setTimeout(() => {
    throw error;
  });
}

function signedOut(reason: string): LastmileError {
  return new LastmileError("The identity is over: log in.", { code: "UNAUTHENTICATED", reason });
}
