/** A network that can be harmed: `fetch` and `WebSocket` for one link, which cut and refuse as they are told. */

export interface Network {
  readonly fetch: typeof fetch;
  readonly WebSocket: typeof WebSocket;
  /** What does not get through at the moment. */
  readonly faults: Faults;
  /** Changes that; what is open and would not get through any more is cut. */
  set(faults: Partial<Faults>): void;
  /** Cuts everything that is open. What was on its way is lost. */
  cut(): void;
}

export interface Faults {
  /** Nothing gets through. */
  offline: boolean;
  /** A proxy on the way knows no WebSocket. */
  webSocket: boolean;
  /** A proxy on the way refuses event streams. */
  eventStream: boolean;
}

export interface Ways {
  fetch: typeof fetch;
  WebSocket: typeof WebSocket;
}

export function createNetwork(real: Ways = { fetch: (...call) => fetch(...call), WebSocket }): Network {
  const faults: Faults = { offline: false, webSocket: false, eventStream: false };
  const sockets = new Set<WebSocket>();
  const requests = new Map<AbortController, boolean>();

  async function harmedFetch(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
    if (faults.offline) throw lost();
    const isStream = new Headers(init.headers).get("accept") === "text/event-stream";
    if (faults.eventStream && isStream) return new Response("No event streams here.", { status: 503 });
    const abort = new AbortController();
    requests.set(abort, isStream);
    const signal = init.signal ? AbortSignal.any([init.signal, abort.signal]) : abort.signal;
    const done = (): void => void requests.delete(abort);
    try {
      const { body, ...answer } = open(await real.fetch(input, { ...init, signal }));
      // Browsers give these an empty body, and take none for them.
      if (!body || EMPTY.has(answer.status)) {
        done();
        return new Response(null, answer);
      }
      return new Response(body.pipeThrough(new TransformStream({ flush: done })), answer);
    } catch (error) {
      done();
      throw error;
    }
  }

  function harmedSocket(url: string | URL, protocols?: string | string[]): WebSocket {
    if (faults.offline || faults.webSocket) return deadSocket();
    const socket = new real.WebSocket(url, protocols);
    sockets.add(socket);
    socket.addEventListener("close", () => sockets.delete(socket));
    return socket;
  }

  function cutSockets(): void {
    for (const socket of sockets) {
      sockets.delete(socket);
      const { onclose } = socket;
      // Nothing that is still in the real socket is heard of: that is what a cut is.
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(4000);
      onclose?.call(socket, { code: 1006 } as CloseEvent);
    }
  }

  function cutRequests(which: (isStream: boolean) => boolean): void {
    for (const [abort, isStream] of requests) {
      if (!which(isStream)) continue;
      requests.delete(abort);
      abort.abort(lost());
    }
  }

  function cut(): void {
    cutSockets();
    cutRequests(() => true);
  }

  return {
    fetch: harmedFetch,
    // A function: it is called with `new`, and what it returns is what that gives.
    WebSocket: function (url: string | URL, protocols?: string | string[]) {
      return harmedSocket(url, protocols);
    } as unknown as typeof WebSocket,
    faults,
    set(next) {
      Object.assign(faults, next);
      if (faults.offline) cut();
      if (faults.webSocket) cutSockets();
      if (faults.eventStream) cutRequests((isStream) => isStream);
    },
    cut,
  };
}

/** As fetch says it when no answer comes. */
function lost(): TypeError {
  return new TypeError("The network is cut.");
}

/** What a response is made of; its members are no own properties. */
function open({ body, status, statusText, headers }: Response): Pick<Response, "body" | "status" | "statusText" | "headers"> {
  return { body, status, statusText, headers };
}

const EMPTY: ReadonlySet<number> = new Set([204, 205, 304]);

/** A socket to nowhere. */
function deadSocket(): WebSocket {
  const socket = { onopen: null, onmessage: null, onclose: null as WebSocket["onclose"], send: () => {}, close: () => {} };
  setTimeout(() => socket.onclose?.call(socket as unknown as WebSocket, { code: 1006 } as CloseEvent));
  return socket as unknown as WebSocket;
}
