// The edge's side of a session, written from the protocol's text and not from the client: numbers, resends, calls.
import type { ClientFrame, Open, ServerFrame } from "../../src/session/frames.ts";

type Call = Open & { credit: number };

interface Parked {
  id: string;
  received: number;
  /** Counted frames that the client has not acknowledged; the first of them is number `acked` + 1. */
  outbox: ServerFrame[];
  acked: number;
  calls: Map<number, Call>;
  token: string;
}

export class Peer {
  /** Every socket that was ever opened. */
  sockets: FakeSocket[] = [];
  sessions = new Map<string, Parked>();
  /** Everything that clients said, in order of arrival, frames of the connection left out. */
  applied: ClientFrame[] = [];
  hellos: object[] = [];
  log: unknown[] = [];
  /** Closes whoever comes with this code, after a goaway. */
  refusal: { code: number; goaway?: object; only?: "websocket" } | undefined;
  /** Nobody gets through. */
  isDown = false;
  /** What becomes of event streams and the requests beside them; the probe gets through in any case. */
  leg: "good" | "refused" | "posts refused" = "good";
  /** So many requests arrive, and their answers do not. */
  lostAnswers = 0;
  /** How often frames came by request, and which were first in them. */
  posts: number[] = [];
  /** Answers calls with one answer; nothing: not yet. */
  answer: ((open: Open) => { json?: unknown; status?: number; message?: string; details?: object[] } | undefined) | undefined;
  /** What a stream sends that is asked for in protobuf: base64 of it. */
  encode = (_json: unknown): string => "";
  window = 4;

  get open(): FakeSocket[] {
    return this.sockets.filter((socket) => socket.readyState === 1);
  }

  get streams(): number {
    return [...this.sessions.values()].reduce((sum, { calls }) => sum + calls.size, 0);
  }

  /** The constructor that a link takes. */
  get Socket(): typeof WebSocket {
    return connectTo(this);
  }

  /** The fetch that a link takes: the session's event stream, and for all else `next`. */
  fetch(next: typeof fetch): typeof fetch {
    return async (input, init = {}) => {
      const url = new URL(String(input));
      if (url.pathname === "/hmr/migrate") return this.migrate(new Headers(init.headers).get("x-vite-hmr-id")!);
      if (url.pathname === "/stream") return this.stream(url.searchParams, init);
      if (url.pathname.startsWith("/stream/")) return this.post(url, String(init.body), init.signal);
      return next(input, init);
    };
  }

  private migrate(session: string): Response {
    if (!this.sessions.has(session)) return problem(404, "NOT_FOUND", "SESSION_UNKNOWN");
    return Response.json({ ticket: `moves ${session}` });
  }

  private stream(query: URLSearchParams, { headers, signal }: RequestInit): Response {
    if (this.leg === "refused") return new Response("no streams here", { status: 503 });
    const leg = new FakeSocket();
    leg.isLeg = true;
    leg.peer = this;
    leg.readyState = 1;
    this.sockets.push(leg);
    const token = new Headers(headers).get("authorization")?.replace("Bearer ", "");
    const [session, ticket] = [query.get("session"), query.get("ticket")];
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        leg.onmessage = ({ data }) => controller.enqueue(new TextEncoder().encode(`data: ${data}\n\n`));
        leg.onclose = ({ code }) => {
          leg.onmessage = null;
          if (code === 1006) controller.error(new TypeError("network error"));
          else controller.close();
        };
        signal?.addEventListener("abort", () => {
          leg.onmessage = leg.onclose = null;
          leg.end(1006);
          controller.error(signal.reason);
        });
      },
    });
    leg.hello({ ...(token && { token }), ...(ticket && { ticket }), ...(session && { session, received: Number(query.get("received")) }) });
    // Nothing else can be said on it.
    if (!leg.session) queueMicrotask(() => queueMicrotask(() => leg.end(1000)));
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }

  private async post(url: URL, body: string, signal?: AbortSignal | null): Promise<Response> {
    await Promise.resolve();
    if (signal?.aborted) throw signal.reason;
    if (this.leg === "posts refused") return new Response("no", { status: 403 });
    const first = Number(url.searchParams.get("first"));
    this.posts.push(first);
    const session = this.sessions.get(url.pathname.split("/")[2]!);
    if (!session) return problem(404, "NOT_FOUND", "SESSION_UNKNOWN");
    const carriers = this.sockets.filter((socket) => socket.session === session);
    if (carriers.some((socket) => socket.readyState === 1 && !socket.isLeg)) return problem(409, "ABORTED", "SESSION_SUPERSEDED");
    if (first > session.received + 1) return problem(409, "ABORTED", "FRAMES_AHEAD");
    let number = first;
    for (const line of body.split("\n")) {
      const frame = JSON.parse(line) as ClientFrame;
      const isCounted = !("ack" in frame || "ping" in frame || "auth" in frame);
      const isNew = !isCounted || number > session.received;
      number += isCounted ? 1 : 0;
      if (isNew) carriers.at(-1)!.apply(frame);
    }
    if (this.lostAnswers > 0) {
      this.lostAnswers -= 1;
      throw new TypeError("network error");
    }
    return Response.json({ received: session.received });
  }

  emit(json: unknown): void {
    this.log.push(json);
    for (const socket of this.open) socket.pump();
  }

  /** Lets the next hello wait. */
  holdHello(): { arrived: Promise<void>; release(): void } {
    let [arrive, release] = [(): void => {}, (): void => {}];
    const arrived = new Promise<void>((resolve) => (arrive = resolve));
    const released = new Promise<void>((resolve) => (release = resolve));
    this.gate = () => {
      this.gate = undefined;
      arrive();
      return released;
    };
    return { arrived, release };
  }
  gate: (() => Promise<void>) | undefined;

  /** Sends the client away; `code` closes at once. */
  goaway(told: object, code?: number): void {
    for (const socket of this.open) {
      socket.write({ goaway: told });
      if (code) socket.end(code);
    }
  }

  cut(): void {
    for (const socket of this.open) socket.end(1006);
  }

  /** Another edge: it knows no session. */
  forget(): void {
    this.sessions.clear();
  }
}

/** The client's socket and the edge's end of it. */
export class FakeSocket {
  peer!: Peer;
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  session: Parked | undefined;
  /** Frames of the client are lost on their way from here on. */
  isDeaf = false;
  /** The client has closed it, and hears nothing more. */
  isLeft = false;
  isLeg = false;

  start(): void {
    queueMicrotask(() => {
      if (this.peer.isDown) return this.end(1006);
      this.readyState = 1;
      this.onopen?.();
    });
  }

  send(text: string): void {
    const frame = JSON.parse(text) as ClientFrame;
    if (this.readyState !== 1) throw new Error("not open");
    if (!this.isDeaf) queueMicrotask(() => this.take(frame));
  }

  close(code = 1005): void {
    this.isLeft = true;
    if (code === 1000 && this.session) this.peer.sessions.delete(this.session.id);
    this.end(code);
  }

  end(code: number): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    const { session } = this;
    // Streams go with their connection.
    session?.calls.forEach((call, number) => call.method.includes("/Watch") && session.calls.delete(number));
    queueMicrotask(() => this.onclose?.({ code }));
  }

  write(frame: ServerFrame): void {
    const { session } = this;
    const isCounted = frame.opened ?? frame.end ?? frame.credit ?? (frame.message && !frame.message.cursor);
    if (isCounted) session!.outbox.push(frame);
    this.push(frame);
  }

  push(frame: ServerFrame): void {
    const data = JSON.stringify(frame);
    queueMicrotask(() => !this.isLeft && this.onmessage?.({ data }));
  }

  private take(frame: ClientFrame): void {
    if (this.readyState !== 1) return;
    if ("hello" in frame) {
      const gate = this.peer.gate?.();
      if (gate) void gate.then(() => this.hello(frame.hello));
      else this.hello(frame.hello);
    }
    else this.apply(frame);
  }

  apply(frame: ClientFrame): void {
    const session = this.session!;
    if ("ping" in frame) return this.write({ pong: {} });
    if ("ack" in frame) return trim(session, frame.ack.received);
    if ("auth" in frame) {
      session.token = frame.auth.token;
      return this.write({ authed: { expiresMs: 60_000 } });
    }
    session.received += 1;
    this.peer.applied.push(frame);
    this.write({ ack: { received: session.received } });
    if ("open" in frame) this.opened(frame.open);
    else if ("cancel" in frame) session.calls.delete(frame.cancel.call);
    else if ("credit" in frame) {
      const call = session.calls.get(frame.credit.call);
      if (call) call.credit += frame.credit.messages;
      this.pump();
    } else if ("send" in frame) this.echo(frame.send);
    else if ("halfClose" in frame && session.calls.delete(frame.halfClose.call)) {
      this.write({ end: { call: frame.halfClose.call } });
    }
  }

  hello(told: { token?: string; ticket?: string; session?: string; received?: number }): void {
    this.peer.hellos.push(told);
    const hello = { ...told, ...(told.ticket && { session: told.ticket.slice("moves ".length) }) };
    const { refusal } = this.peer;
    if (refusal && !(refusal.only && this.isLeg)) {
      if (refusal.goaway) this.push({ goaway: refusal.goaway });
      return queueMicrotask(() => queueMicrotask(() => this.end(refusal.code)));
    }
    const known = hello.session ? this.peer.sessions.get(hello.session) : undefined;
    if (hello.session && !known) {
      // The client may say hello again, without a session.
      return this.push({ goaway: { reason: "session_unknown" } });
    }
    const fresh: Parked = { id: `s${this.peer.hellos.length}`, received: 0, outbox: [], acked: 0, calls: new Map(), token: "" };
    // A newer connection takes the session from an older one, and its streams end.
    for (const older of this.peer.open.filter((socket) => known && socket.session === known)) {
      older.push({ goaway: { reason: "session_superseded" } });
      older.end(4409);
    }
    this.session = known ?? fresh;
    this.session.token = hello.token ?? "";
    this.peer.sessions.set(this.session.id, this.session);
    trim(this.session, hello.received ?? 0);
    this.push({ ready: { session: this.session.id, received: this.session.received, heartbeatMs: 15_000, resumeMs: 30_000 } });
    for (const frame of this.session.outbox) this.push(frame);
  }

  private opened(open: Open): void {
    const session = this.session!;
    if (open.method.endsWith("/Fail")) return this.write({ end: { call: open.call, status: 7, message: "not you" } });
    if (/\/(List|Create)/.test(open.method)) return this.answer(open);
    const isStream = open.method.includes("/Watch");
    const known = Number(open.cursor?.slice(1) ?? this.peer.log.length);
    const outcome = open.cursor ? "OUTCOME_RESUMED" : "OUTCOME_FRESH";
    session.calls.set(open.call, { ...open, cursor: `c${known}` });
    this.write({ opened: isStream ? { call: open.call, outcome, cursor: `c${known}` } : { call: open.call } });
    if (isStream) this.pump();
    else this.write({ credit: { call: open.call, messages: this.peer.window } });
  }

  private answer(open: Open): void {
    const told = this.peer.answer?.(open);
    if (!told) return;
    const { json, ...end } = told;
    if (json !== undefined) this.write({ message: { call: open.call, json } });
    this.write({ end: { call: open.call, ...end } as ServerFrame["end"] & object });
  }

  /** Sends every stream what it may have. */
  pump(): void {
    for (const [call, state] of this.session?.calls ?? []) {
      if (!state.method.includes("/Watch")) continue;
      let at = Number(state.cursor!.slice(1));
      while (state.credit > 0 && at < this.peer.log.length) {
        const json = this.peer.log[at];
        at += 1;
        state.cursor = `c${at}`;
        state.credit -= 1;
        const payload = state.encoding ? { proto: this.peer.encode(json) } : { json };
        this.write({ message: { call, cursor: state.cursor, event: "user:delete", ...payload } });
      }
    }
  }

  private echo({ call, ...payload }: { call: number; json?: unknown; proto?: string }): void {
    if (!this.session!.calls.has(call)) return;
    this.write({ message: { call, ...payload } });
    this.write({ credit: { call, messages: 1 } });
  }
}

function problem(status: number, code: string, reason: string): Response {
  return new Response(JSON.stringify({ status, code, reason }), { status, headers: { "content-type": "application/problem+json" } });
}

function trim(session: Parked, received: number): void {
  session.outbox.splice(0, received - session.acked);
  session.acked = Math.max(session.acked, received);
}

function connectTo(peer: Peer): typeof WebSocket {
  return class extends FakeSocket {
    constructor() {
      super();
      this.peer = peer;
      peer.sockets.push(this);
      this.start();
    }
  } as unknown as typeof WebSocket;
}
