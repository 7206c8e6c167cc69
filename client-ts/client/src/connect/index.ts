/** A Transport for clients of Connect: their calls go through the link, with its identity, and its refresh. */
import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape, MessageShape, Registry } from "@bufbuild/protobuf";
import { create, fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, type StreamResponse, type Transport, type UnaryResponse } from "@connectrpc/connect";
import { LastmileError, type Link } from "@lastmile/client";
import { streamCall } from "../core/call.ts";
import { callUnary } from "../core/unary.ts";

export interface LastmileTransportOptions {
  /** Finds the types of messages in a google.protobuf.Any. */
  registry?: Registry;
}

/** Streams continue after cuts; one with a gap fails with OUT_OF_RANGE, for Connect knows no other way to tell. */
export function createLastmileTransport(link: Link, options: LastmileTransportOptions = {}): Transport {
  const { wire, open } = link.internals;
  const json = { ...options, ignoreUnknownFields: true };

  const encode = <D extends DescMessage>(type: D, init: MessageInitShape<D>): object => toJson(type, create(type, init), json) as object;
  const decode = <D extends DescMessage>(type: D, value: unknown): MessageShape<D> => fromJson(type, value as JsonValue, json);

  async function unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    headers: HeadersInit | undefined,
    input: MessageInitShape<I>,
    _contextValues?: ContextValues,
  ): Promise<UnaryResponse<I, O>> {
    const request = encode(method.input, input);
    const limits = { ...(signal && { signal }), ...(timeoutMs && { timeoutMs }), ...(headers && { headers }) };
    const answer = await callUnary(wire, nameOf(method), request, limits).catch(fail);
    const message = decode(method.output, answer);
    return { stream: false, service: method.parent, method, header: new Headers(), trailer: new Headers(), message };
  }

  async function stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    _timeoutMs: number | undefined,
    headers: HeadersInit | undefined,
    input: AsyncIterable<MessageInitShape<I>>,
    _contextValues?: ContextValues,
  ): Promise<StreamResponse<I, O>> {
    if (method.methodKind !== "server_streaming") throw new ConnectError("only server streams go over a link", Code.Unimplemented);
    const info = { ...nameOf(method), kind: "server" as const };
    const request = encode(method.input, await firstOf(input));
    const call = streamCall<object>(info, (handlers) => {
      const target = { name: info.name, input: request, request: wire.request(info, request), headers, event: undefined };
      const handle = open<object>({ target, cursor: "", key: "", handlers });
      signal?.addEventListener("abort", handle.close);
      return handle;
    });
    async function* messages(): AsyncGenerator<MessageShape<O>> {
      try {
        for await (const json of call) yield decode(method.output, json);
      } catch (error) {
        fail(error);
      }
    }
    return { stream: true, service: method.parent, method, header: new Headers(), trailer: new Headers(), message: messages() };
  }

  return { unary, stream };
}

async function firstOf<T>(messages: AsyncIterable<T>): Promise<T> {
  for await (const message of messages) return message;
  throw new ConnectError("a message is missing", Code.InvalidArgument);
}

function nameOf({ parent, name }: { parent: { typeName: string }; name: string }): { name: string; kind: "unary" } {
  return { name: `${parent.typeName}/${name}`, kind: "unary" };
}

/** By its name: `NOT_FOUND` is `Code.NotFound`. */
function fail(error: unknown): never {
  if (!(error instanceof LastmileError)) throw error;
  const name = error.code.toLowerCase().replace(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase());
  const code = name === "Cancelled" ? Code.Canceled : Code[name as keyof typeof Code];
  throw new ConnectError(error.message, code, undefined, undefined, error);
}
