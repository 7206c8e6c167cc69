/** The fake edge: what a test says to it, and the fetch that its links use. */
import { type ClientStream, createLink, type Link, type LinkOptions, type Method, type ServerStream, type Service, type Unary } from "@lastmile/client";
import { eventName } from "../core/event_name.ts";
import { FakeStream } from "./fake_stream.ts";

export interface FakeRequest {
  /** Full name of the method. */
  method: string;
  /** The message that was sent. */
  input: unknown;
  headers: Headers;
}

/** What an answer is made from: a message, or for several messages the list of them. */
type InputOf<M> = M extends Unary<infer Input, infer _> ? Input : M extends ClientStream<infer Input, infer _> ? Input[] : never;
type OutputOf<M> = M extends Unary<infer _, infer Output> ? Output : M extends ClientStream<infer _, infer Output> ? Output : never;
type MessageOf<M> = M extends ServerStream<infer _, infer Message> ? Message : never;
type Names<S extends Service, Kind> = { [Name in keyof S["methods"]]: S["methods"][Name]["kind"] extends Kind ? Name : never }[keyof S["methods"]];

export interface FakeEdge {
  /** A link to this edge. */
  link(options?: LinkOptions): Link;
  /** For a link that is made elsewhere; it needs `bindings: false`. */
  fetch: typeof fetch;
  /** Everything that was asked for, oldest first. */
  readonly requests: readonly FakeRequest[];
  /** How many streams are open. */
  readonly streams: number;
  /** Answers a method; a thrown problem, such as `{ status: 404, code: "NOT_FOUND" }`, is an error of that kind. */
  answer<S extends Service, Name extends Names<S, "unary" | "client">>(
    service: S,
    name: Name,
    handler: (input: InputOf<S["methods"][Name]>, headers: Headers) => OutputOf<S["methods"][Name]> | Promise<OutputOf<S["methods"][Name]>>,
  ): void;
  /** Appends an event to a stream's log; whoever reads it gets it, now or when it comes back. */
  emit<S extends Service, Name extends Names<S, "server">>(service: S, name: Name, message: MessageOf<S["methods"][Name]>): void;
  /** Ends what is open of a stream: well, with a problem, or by closing it for a reason such as `drain`. */
  end<S extends Service>(service: S, name: keyof S["methods"], how?: { problem?: object; reason?: string; retryMs?: number }): void;
  /** Forgets a stream's log: who resumes is told of a gap. */
  forget<S extends Service>(service: S, name: keyof S["methods"]): void;
  /** Breaks all connections. */
  cut(): void;
  /** Refuses everything, or one face, until it is called with nothing: `offline` like a network that is down. */
  refuse(how?: "offline" | { status: number; problem?: object; face?: "sse" | "poll" }): void;
}

export function createFakeEdge(): FakeEdge {
  const answers = new Map<string, (input: never, headers: Headers) => unknown>();
  const streams = new Map<string, FakeStream>();
  const requests: FakeRequest[] = [];
  let refusal: Parameters<FakeEdge["refuse"]>[0];

  const nameOf = (service: Service, name: PropertyKey): string => `${service.name}/${(service.methods[name as string] as Method).name}`;

  function stream(name: string): FakeStream {
    const found = streams.get(name) ?? new FakeStream();
    streams.set(name, found);
    return found;
  }

  const eventOf = (service: Service, name: PropertyKey, message: unknown): string =>
    eventName(service.methods[name as string]!.stream?.event, message);

  async function answer(url: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers);
    const method = new URL(url, "http://edge.test").pathname.slice(1);
    if (refusal === "offline") throw new TypeError("Failed to fetch");
    if (method.endsWith("lastmile/probe")) return new Response(null, { status: 204 });
    const input: unknown = typeof init.body === "string" ? parse(init.body) : {};
    requests.push({ method, input, headers });
    const isPoll = headers.has("prefer");
    const isSse = headers.get("accept") === "text/event-stream";
    if (refusal && (!refusal.face || (refusal.face === "poll" ? isPoll : isSse))) {
      return refusal.problem ? problem({ status: refusal.status, ...refusal.problem }) : new Response("no", { status: refusal.status });
    }
    if (isSse) return stream(method).sse(headers.get("last-event-id"), init.signal);
    if (isPoll) return stream(method).poll(headers.get("last-event-id"), headers.get("prefer")!, init.signal);
    const handler = answers.get(method);
    if (!handler) return problem({ status: 404, code: "NOT_FOUND", detail: `the test says nothing of ${method}` });
    try {
      return Response.json((await handler(input as never, headers)) ?? {});
    } catch (thrown) {
      if (thrown instanceof Error) throw thrown;
      return problem(thrown as { status?: number });
    }
  }

  const fake: typeof fetch = (input, init = {}) => {
    const answered = answer(String(input), init);
    const { signal } = init;
    if (!signal) return answered;
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(signal.reason as Error);
      if (signal.aborted) return abort();
      signal.addEventListener("abort", abort, { once: true });
      answered.then(resolve, reject);
    });
  };

  return {
    link: (options = {}) => createLink({ baseUrl: "http://edge.test", fetch: fake, bindings: false, transports: ["sse", "poll"], ...options }),
    fetch: fake,
    requests,
    get streams() {
      return [...streams.values()].reduce((sum, each) => sum + each.readers, 0);
    },
    answer: (service, name, handler) => void answers.set(nameOf(service, name), handler as never),
    emit: (service, name, message) => stream(nameOf(service, name)).emit(message, eventOf(service, name, message)),
    end: (service, name, how) => stream(nameOf(service, name)).end(how),
    forget: (service, name) => stream(nameOf(service, name)).forget(),
    cut: () => streams.forEach((each) => each.cut()),
    refuse: (how) => void (refusal = how),
  };
}

function problem(body: { status?: number; [member: string]: unknown }): Response {
  const { status = 500 } = body;
  const whole = { title: "Refused by the test", trace_id: "0123456789abcdef0123456789abcdef", ...body };
  return new Response(JSON.stringify(whole), { status, headers: { "content-type": "application/problem+json" } });
}

/** A message, or lines of them. */
function parse(body: string): unknown {
  return body.endsWith("\n") ? body.trim().split("\n").map((line) => JSON.parse(line) as unknown) : JSON.parse(body);
}
