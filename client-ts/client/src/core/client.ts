/** Makes the calls of a generated service. */
import type { BidiCall } from "../session/bidi.ts";
import type { Codec } from "../session/codec.ts";
import { type StreamCall, streamCall } from "./call.ts";
import type { Link } from "./link.ts";
import type { Bidi, ClientStream, Method, ServerStream, Service, snapshot, Unary } from "./method.ts";
import { toJson } from "./request.ts";
import type { CallOptions } from "./unary.ts";

export interface StreamOptions {
  /** Closes the stream. */
  signal?: AbortSignal;
  headers?: HeadersInit;
  /** Where to begin, as the stream or a list told it; it begins now when left out. */
  cursor?: string;
}

/** What a call carries for those who call it for somebody else: composables and query functions. */
export interface Called {
  readonly link: Link;
  readonly method: Method;
}

/** All fields may be left out, and so may the request. */
type Request<Input> = {} extends Input ? [input?: Input] : [input: Input];

export type UnaryCall<Input, Output> = Called & ((...args: [...Request<Input>, options?: CallOptions]) => Promise<Output>);
export type ServerStreamCall<Input, Output, Snapshot = unknown> = Called & { readonly [snapshot]?: Snapshot } & ((...args: [...Request<Input>, options?: StreamOptions]) => StreamCall<Output>);
export type ClientStreamCall<Input, Output> = Called &
  ((inputs: Iterable<Input> | AsyncIterable<Input>, options?: CallOptions) => Promise<Output>);

/** Needs a WebSocket: nothing else carries messages both ways. */
export type BidiStreamCall<Input, Output> = Called & ((options?: { signal?: AbortSignal }) => BidiCall<Input, Output>);

export type Client<S extends Service> = {
  readonly [Name in keyof S["methods"]]: S["methods"][Name] extends Unary<infer Input, infer Output>
    ? UnaryCall<Input, Output>
    : S["methods"][Name] extends ServerStream<infer Input, infer Output, infer Snapshot>
      ? ServerStreamCall<Input, Output, Snapshot>
      : S["methods"][Name] extends ClientStream<infer Input, infer Output>
        ? ClientStreamCall<Input, Output>
        : S["methods"][Name] extends Bidi<infer Input, infer Output>
          ? BidiStreamCall<Input, Output>
          : never;
};

export function createClient<S extends Service>(service: S, link: Link): Client<S> {
  const client: { [name: string]: unknown } = {};
  for (const name in service.methods) {
    const table = service.methods[name]!;
    const method = { ...table, name: `${service.name}/${table.name}` };
    client[name] = Object.assign(callOf(method, link), { link, method });
  }
  return client as Client<S>;
}

function callOf(method: Method, link: Link): Function {
  const { wire, call } = link.internals;
  switch (method.kind) {
    case "unary":
      return (input?: object, options?: CallOptions) => call(method, input, options);
    case "client":
      return async (inputs: Iterable<object>, options?: CallOptions) => {
        const { callWithStream } = await import("./client_stream.ts");
        return callWithStream(wire, method, inputs, options);
      };
    case "bidi":
      return ({ signal }: { signal?: AbortSignal } = {}) => bidiCall(method.name, link, signal);
    case "server":
      return (input?: object, options?: StreamOptions) => openCall(method, link, input, options);
  }
}

function openCall(method: Method, link: Link, input: object = {}, options: StreamOptions = {}): StreamCall<object> {
  const { headers, signal } = options;
  const { resume = "", beginning = [], event } = method.stream ?? {};
  // The cursor in a request is where the stream begins, and not what it asks for.
  const { [resume]: given, ...rest } = input as { [name: string]: unknown };
  const cursor = options.cursor || String(given ?? "");
  const { wire, open } = link.internals;
  return streamCall(method, (handlers) => {
    const handle = open<object>({
      target: { name: method.name, input: rest, request: wire.request(method, rest), headers, event },
      cursor,
      // Whoever says where to begin wants that, and not what somebody else has left.
      key: cursor || beginning.some((name) => rest[name]) ? "" : `${method.name} ${toJson(rest)}`,
      handlers,
    });
    const close = (): void => handle.close();
    signal?.addEventListener("abort", close);
    if (signal?.aborted) close();
    return handle;
  });
}

/** Nothing of it is loaded before somebody makes such a call. */
export function bidiCall<Input, Output>(
  method: string,
  link: Link,
  signal?: AbortSignal,
  codec?: Codec<Input, Output>,
): BidiCall<Input, Output> {
  const call = link.internals.session().then((session) => session.bidi(method, signal, codec));
  return {
    send: async (message) => (await call).send(message),
    finish: async () => (await call).finish(),
    cancel: () => void call.then(({ cancel }) => cancel()),
    async *[Symbol.asyncIterator]() {
      yield* await call;
    },
  };
}
