/** Clients whose messages are protobuf, as protoc-gen-es has their types: `bytes` are bytes, 64-bit integers are bigint. */
import { create, fromBinary, fromJson, type JsonValue, type Registry, toBinary, toJson } from "@bufbuild/protobuf";
import type { DescMessage, DescMethod, DescMethodBiDiStreaming, DescMethodClientStreaming, DescMethodServerStreaming } from "@bufbuild/protobuf";
import type { DescMethodUnary, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import type { BidiCall, CallOptions, Link, StreamCall, StreamOptions } from "@lastmile/client";
import { streamCall } from "../core/call.ts";
import { bidiCall } from "../core/client.ts";
import type { StreamHandlers } from "../core/stream.ts";
import { exchange } from "../core/unary.ts";
import type { Codec } from "../session/codec.ts";

export interface BinaryClientOptions {
  /** Finds the types of messages in a google.protobuf.Any, where a transport has only JSON. */
  registry?: Registry;
}

export type BinaryClient<S extends DescService> = {
  readonly [Name in keyof S["method"]]: S["method"][Name] extends DescMethodUnary<infer I, infer O>
    ? (input?: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : S["method"][Name] extends DescMethodServerStreaming<infer I, infer O>
      ? (input?: MessageInitShape<I>, options?: StreamOptions) => StreamCall<MessageShape<O>>
      : S["method"][Name] extends DescMethodClientStreaming<infer I, infer O>
        ? (inputs: Iterable<MessageInitShape<I>> | AsyncIterable<MessageInitShape<I>>, options?: CallOptions) => Promise<MessageShape<O>>
        : S["method"][Name] extends DescMethodBiDiStreaming<infer I, infer O>
          ? (options?: { signal?: AbortSignal }) => BidiCall<MessageInitShape<I>, MessageShape<O>>
          : never;
};

const PROTOBUF = "application/x-protobuf";
const TRIES = 3;

/** `service` is what protoc-gen-es generates. Streams resume as those of `createClient` do. */
export function createBinaryClient<S extends DescService>(service: S, link: Link, options: BinaryClientOptions = {}): BinaryClient<S> {
  const client: { [name: string]: unknown } = {};
  for (const method of service.methods) client[method.localName] = callOf(method, link, { ...options, ignoreUnknownFields: true });
  return client as BinaryClient<S>;
}

type JsonOptions = BinaryClientOptions & { ignoreUnknownFields: boolean };

function callOf(method: DescMethod, link: Link, json: JsonOptions): Function {
  const { input, output } = method;
  const name = `${method.parent.typeName}/${method.name}`;
  const { wire, open } = link.internals;
  const encode = (message: unknown): Uint8Array<ArrayBuffer> => toBinary(input, create(input, message as MessageInitShape<DescMessage>)) as Uint8Array<ArrayBuffer>;
  const inJson = (message: unknown): object => toJson(input, create(input, message as MessageInitShape<DescMessage>), json) as object;

  switch (method.methodKind) {
    case "unary":
      return async (message: object = {}, options: CallOptions = {}) => {
        const request = { verb: "POST", path: wire.own(`/${name}`), body: encode(message) };
        const headers = new Headers(options.headers);
        headers.set("content-type", PROTOBUF);
        headers.set("accept", `${PROTOBUF}, application/problem+json`);
        const tries = method.idempotency === Idempotency.NO_SIDE_EFFECTS ? TRIES : 1;
        const answer = await exchange(wire, request, { ...options, headers }, tries, (response) => response.arrayBuffer());
        return fromBinary(output, new Uint8Array(answer as ArrayBuffer));
      };
    case "client_streaming":
      return async (messages: AsyncIterable<unknown>, options?: CallOptions) => {
        const { callWithStream } = await import("../core/client_stream.ts");
        const each = async function* (): AsyncGenerator<object> {
          for await (const message of messages) yield inJson(message);
        };
        return fromJson(output, (await callWithStream(wire, { name, kind: "client" }, each(), options)) as JsonValue, json);
      };
    case "bidi_streaming":
      return ({ signal }: { signal?: AbortSignal } = {}) => bidiCall(name, link, signal, codecOf(encode, output));
    case "server_streaming":
      return (message: object = {}, { headers, signal, cursor = "" }: StreamOptions = {}) => {
        const info = { name, kind: "server" } as const;
        const [plain, proto] = [inJson(message), base64Encode(encode(message))];
        return streamCall<unknown>(info, (handlers) => {
          const handle = open<unknown>({
            target: { name, input: plain, proto, request: wire.request(info, plain), headers, event: undefined },
            cursor,
            key: cursor ? "" : `${name} ${proto}`,
            handlers: decoding(handlers, (value) => decode(output, value, json)),
          });
          signal?.addEventListener("abort", handle.close);
          if (signal?.aborted) handle.close();
          return handle;
        });
      };
  }
}

/** What cannot be decoded is missing, and nothing else is to be done about it than about other gaps. */
function decoding(handlers: StreamHandlers<unknown>, read: (value: unknown) => unknown): StreamHandlers<unknown> {
  return {
    ...handlers,
    event(value, meta) {
      let message: unknown;
      try {
        message = read(value);
      } catch {
        return handlers.gap({ key: "", reason: "undecodable" });
      }
      return handlers.event(message, meta);
    },
  };
}

/** Bytes from a session; JSON where the stream is a request of its own. */
function decode(type: DescMessage, value: unknown, json: JsonOptions): unknown {
  return value instanceof Uint8Array ? fromBinary(type, value) : fromJson(type, value as JsonValue, json);
}

function codecOf(encode: (message: unknown) => Uint8Array, output: DescMessage): Codec<unknown, unknown> {
  return {
    encoding: "ENCODING_PROTO",
    write: (message) => ({ proto: base64Encode(encode(message)) }),
    read: (value) => fromBinary(output, value as Uint8Array),
  };
}
